// The one snapshot that every view draws. The program decides; the page holds no copy of any part.

import type { Snapshot } from "../ipc/types";

export class SnapshotStore {
  #current = $state.raw<Snapshot | null>(null);

  /** The newest snapshot; null until the program has spoken. */
  get current(): Snapshot | null {
    return this.#current;
  }

  /** Takes a snapshot in, unless it is older than the one shown: answers and events may cross. */
  accept(snapshot: Snapshot): void {
    if (this.#current !== null && snapshot.revision <= this.#current.revision) return;
    this.#current = snapshot;
  }
}
