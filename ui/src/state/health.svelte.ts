// Asks how the call goes, once a second for as long as somebody looks.

import type { Backend } from "../ipc/backend";
import type { Health } from "../ipc/types";
import { measure, type Rates, remember } from "../rules/health";

const EVERY_MS = 1000;

export class HealthWatch {
  #kept = $state.raw<readonly Health[]>([]);
  readonly #timer: ReturnType<typeof setInterval>;
  #isEnded = false;

  constructor(backend: Pick<Backend, "health">) {
    const ask = async () => {
      // What cannot be asked now is asked again in a second.
      const health = await backend.health().catch(() => null);
      if (health !== null && !this.#isEnded) this.#kept = remember(this.#kept, health);
    };
    void ask();
    this.#timer = setInterval(() => void ask(), EVERY_MS);
  }

  /** What was measured; null for the first second. */
  get rates(): Rates | null {
    return measure(this.#kept);
  }

  end(): void {
    this.#isEnded = true;
    clearInterval(this.#timer);
  }
}
