// How loud everybody is, and who therefore speaks. Loudness comes whenever it changes, at most 20
// times a second, and holds until it comes again; the set of speakers changes a few times a
// minute, and only then do tiles redraw.

import type { Levels } from "../ipc/types";
import { fullness, hearVoices, voicesDeadline, type Voices } from "../rules/speaking";

export class LevelsStore {
  #me = $state(0);
  #speaking = $state.raw<ReadonlySet<string>>(new Set());
  #voices: Voices = new Map();
  #people: Levels["people"] = {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** How full the person's own meter is, 0 to 1. */
  get me(): number {
    return this.#me;
  }

  /** The people who speak, by id; never oneself. */
  get speaking(): ReadonlySet<string> {
    return this.#speaking;
  }

  /** Takes in one round of loudness. */
  accept(levels: Levels): void {
    this.#me = fullness(levels.me);
    // What was said last held until this moment.
    this.#voices = hearVoices(this.#voices, this.#people, this.#now());
    this.#people = levels.people;
    this.#hear();
  }

  /** Forgets the others, as outside a room. One's own loudness holds until it comes again: a steady
   * one never would. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#people = {};
    this.#voices = new Map();
    if (this.#speaking.size > 0) this.#speaking = new Set();
  }

  #hear(): void {
    const now = this.#now();
    this.#voices = hearVoices(this.#voices, this.#people, now);
    if (!isSameSet(this.#speaking, this.#voices)) this.#speaking = new Set(this.#voices.keys());
    clearTimeout(this.#timer);
    const deadline = voicesDeadline(this.#voices);
    // A ring goes a while after the last word, when nothing may come any more.
    if (deadline !== null) this.#timer = setTimeout(() => this.#hear(), Math.max(1, deadline - now));
  }
}

function isSameSet(set: ReadonlySet<string>, map: Voices): boolean {
  return set.size === map.size && [...set].every((key) => map.has(key));
}
