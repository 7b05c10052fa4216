// How loud everybody is, measured here: nobody tells a browser.

import type { Levels } from "../types";

const EVERY_MS = 50;
/** About 43 ms at 48 kHz, so that no word falls between two looks. */
const SAMPLES = 2048;
const ME = "me";

interface Ear {
  source: MediaStreamAudioSourceNode;
  analyser: AnalyserNode;
}

/** Computes the loudness of samples from -1 to 1 in dBFS (RMS), -100 for silence. */
export function dbfsOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum === 0 ? -100 : Math.max(-100, 10 * Math.log10(sum / samples.length));
}

export class Loudness {
  #context: AudioContext | null = null;
  readonly #ears = new Map<string, Ear>();
  readonly #owners = new Map<string, string>();
  readonly #listeners = new Set<(levels: Levels) => void>();
  readonly #samples = new Float32Array(SAMPLES);
  #wanted = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Listens to a track of `owner`, or to one's own with null; a former one of this id is let go. */
  listen(id: string, owner: string | null, track: MediaStreamTrack): void {
    this.forget(id);
    const context = this.#running();
    const source = context.createMediaStreamSource(new MediaStream([track]));
    const analyser = new AnalyserNode(context, { fftSize: SAMPLES });
    source.connect(analyser);
    this.#ears.set(id, { source, analyser });
    this.#owners.set(id, owner ?? ME);
  }

  forget(id: string): void {
    this.#ears.get(id)?.source.disconnect();
    this.#ears.delete(id);
    this.#owners.delete(id);
  }

  onLevels(callback: (levels: Levels) => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  want(): () => void {
    this.#wanted += 1;
    this.#timer ??= setInterval(() => this.#tell(), EVERY_MS);
    let isEnded = false;
    return () => {
      if (isEnded) return;
      isEnded = true;
      this.#wanted -= 1;
      if (this.#wanted > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Browsers let sound run only once the person has done something on the page. */
  resume(): void {
    if (this.#context?.state === "suspended") void this.#context.resume();
  }

  #running(): AudioContext {
    this.#context ??= new AudioContext();
    this.resume();
    return this.#context;
  }

  #tell(): void {
    const levels: Levels = { me: null, people: {} };
    for (const [id, { analyser }] of this.#ears) {
      analyser.getFloatTimeDomainData(this.#samples);
      const loudness = dbfsOf(this.#samples);
      const owner = this.#owners.get(id) ?? ME;
      if (owner === ME) levels.me = loudness;
      else levels.people[owner] = Math.max(levels.people[owner] ?? -Infinity, loudness);
    }
    for (const listener of this.#listeners) listener(levels);
  }
}
