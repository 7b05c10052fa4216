// Plays what the others say.

import type { Loudness } from "./loudness";

/** An element that may be told where to play; not every browser lets a page choose. */
type Playing = HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> };

export class Sound {
  readonly #loudness: Loudness;
  readonly #playing = new Map<string, Playing>();
  #speaker: string;

  constructor(loudness: Loudness, speaker: string | null) {
    this.#loudness = loudness;
    this.#speaker = speaker ?? "";
  }

  /** Plays a track of somebody. */
  play(id: string, owner: string, track: MediaStreamTrack): void {
    if (this.#playing.has(id)) return;
    const audio: Playing = new Audio();
    audio.srcObject = new MediaStream([track]);
    this.#playing.set(id, audio);
    this.#direct(audio);
    this.#start(audio);
    this.#loudness.listen(id, owner, track);
  }

  stop(id: string): void {
    const audio = this.#playing.get(id);
    if (audio === undefined) return;
    audio.pause();
    audio.srcObject = null;
    this.#playing.delete(id);
    this.#loudness.forget(id);
  }

  stopAll(): void {
    for (const id of [...this.#playing.keys()]) this.stop(id);
  }

  /** Plays by this speaker from now on; null is the system's favourite. */
  choose(speaker: string | null): void {
    this.#speaker = speaker ?? "";
    for (const audio of this.#playing.values()) this.#direct(audio);
  }

  /** Begins what the browser held back until the person did something on the page. */
  resume(): void {
    for (const audio of this.#playing.values()) if (audio.paused) this.#start(audio);
  }

  #start(audio: Playing): void {
    // Held back, or taken away again: `resume` comes with the next press.
    audio.play().catch(() => undefined);
  }

  #direct(audio: Playing): void {
    // A speaker that was unplugged: the system's favourite plays then.
    if (audio.setSinkId !== undefined) audio.setSinkId(this.#speaker).catch(() => undefined);
  }
}
