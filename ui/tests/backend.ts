// A program of the test's own: keeps every request, says what the test tells it to.
import type { Backend } from "../src/ipc/backend";
import type { Health, Snapshot, Social } from "../src/ipc/types";
import { NO_SOCIAL } from "../src/state/social.svelte";

export class MemoryBackend {
  readonly kind: Backend["kind"] = "native";
  /** Every request with its arguments, in order. */
  readonly requests: (readonly [string, ...unknown[]])[] = [];
  /** What the next requests are refused with. */
  refusal: unknown = null;
  current: Snapshot;
  talk: Social = NO_SOCIAL;
  #talkers = new Set<(social: Social) => void>();
  #snapshots = new Set<(snapshot: Snapshot) => void>();
  #closers = new Set<() => void>();

  constructor(first: Snapshot) {
    this.current = first;
  }

  snapshot = async () => this.current;
  /** How the call goes, as the test says. */
  vitals: Health | null = null;
  health = async () => this.vitals;

  social = async () => this.talk;

  onSocial = async (callback: (social: Social) => void) => {
    this.#talkers.add(callback);
    return () => void this.#talkers.delete(callback);
  };

  /** Says something new of chat, hands and reactions. */
  tellSocial(change: Partial<Social>): void {
    this.talk = { ...this.talk, is_there: true, ...change };
    for (const callback of this.#talkers) callback(this.talk);
  }

  openTiles = async () => ({ port: 1, token: "token" });

  onSnapshot = async (callback: (snapshot: Snapshot) => void) => {
    this.#snapshots.add(callback);
    return () => void this.#snapshots.delete(callback);
  };

  onCloseAsked = async (callback: () => void) => {
    this.#closers.add(callback);
    return () => void this.#closers.delete(callback);
  };

  /** Shows another state, as a later snapshot. */
  say(change: Partial<Snapshot>): void {
    this.current = { ...this.current, ...change, revision: this.current.revision + 1 };
    for (const callback of this.#snapshots) callback(this.current);
  }

  askToClose(): void {
    for (const callback of this.#closers) callback();
  }

  /** Who still listens. */
  get listeners(): number {
    return this.#snapshots.size + this.#closers.size + this.#talkers.size;
  }
}

/** Makes a backend: what the class does not have is a request, and is noted. */
export function memoryBackend(first: Snapshot): MemoryBackend & Backend {
  const memory = new MemoryBackend(first);
  return new Proxy(memory, {
    get(target, name) {
      if (name in target) {
        const own: unknown = Reflect.get(target, name, target);
        return typeof own === "function" ? (own.bind(target) as unknown) : own;
      }
      return async (...given: unknown[]) => {
        target.requests.push([String(name), ...given]);
        if (target.refusal !== null) throw target.refusal;
      };
    },
  }) as MemoryBackend & Backend;
}
