// How loud everybody is, and who therefore speaks. Loudness comes 20 times a second; the set of
// speakers changes a few times a minute, and only then do tiles redraw.

import type { Levels } from "../ipc/types";
import { hearVoices, voicesDeadline, type Voices } from "../rules/speaking";

export class LevelsStore {
  #me = $state<number | null>(null);
  #speaking = $state.raw<ReadonlySet<string>>(new Set());
  #voices: Voices = new Map();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The person's own microphone in dBFS; null while nothing is heard. */
  get me(): number | null {
    return this.#me;
  }

  /** The people who speak, by id; never oneself. */
  get speaking(): ReadonlySet<string> {
    return this.#speaking;
  }

  /** Takes in one round of loudness. */
  accept(levels: Levels): void {
    this.#me = levels.me;
    this.#hear(levels.people);
  }

  /** Forgets everything: nothing is heard any more, as outside a room or while hidden. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#me = null;
    this.#voices = new Map();
    if (this.#speaking.size > 0) this.#speaking = new Set();
  }

  #hear(people: Readonly<Record<string, number>>): void {
    const now = this.#now();
    this.#voices = hearVoices(this.#voices, people, now);
    if (!isSameSet(this.#speaking, this.#voices)) this.#speaking = new Set(this.#voices.keys());
    clearTimeout(this.#timer);
    const deadline = voicesDeadline(this.#voices);
    // Rings also go when rounds stop coming.
    if (deadline !== null) this.#timer = setTimeout(() => this.#hear({}), Math.max(1, deadline - now));
  }
}

function isSameSet(set: ReadonlySet<string>, map: Voices): boolean {
  return set.size === map.size && [...set].every((key) => map.has(key));
}
