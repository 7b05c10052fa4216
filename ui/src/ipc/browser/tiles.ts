// Pictures in the browser's own video elements.

import type { Levels } from "../types";
import type { Shown, Tiles } from "../../tiles/tiles";
import type { Loudness } from "./loudness";

export class VideoTiles implements Tiles {
  readonly surface = "video";
  readonly #loudness: Loudness;
  readonly #tracks = new Map<number, MediaStreamTrack>();
  readonly #shown = new Map<number, Set<HTMLVideoElement>>();

  constructor(loudness: Loudness) {
    this.#loudness = loudness;
  }

  open(): void {
    // The pictures are here already.
  }

  /** Says what a tile shows from now on; null for nothing. */
  set(tile: number, track: MediaStreamTrack | null): void {
    if (this.#tracks.get(tile) === (track ?? undefined)) return;
    if (track === null) this.#tracks.delete(tile);
    else this.#tracks.set(tile, track);
    for (const video of this.#shown.get(tile) ?? []) this.#play(video, tile);
  }

  show(tile: number, on: HTMLElement, _height: number, onPicture?: (width: number, height: number) => void): Shown {
    const video = on as HTMLVideoElement;
    const tellSize = () => {
      if (video.videoWidth > 0) onPicture?.(video.videoWidth, video.videoHeight);
    };
    video.addEventListener("resize", tellSize);
    video.addEventListener("loadeddata", tellSize);
    const all = this.#shown.get(tile) ?? new Set();
    this.#shown.set(tile, all.add(video));
    this.#play(video, tile);
    return {
      resize: () => undefined,
      close: () => {
        video.removeEventListener("resize", tellSize);
        video.removeEventListener("loadeddata", tellSize);
        all.delete(video);
        video.srcObject = null;
      },
    };
  }

  onLevels(callback: (levels: Levels) => void): () => void {
    return this.#loudness.onLevels(callback);
  }

  wantLevels(): () => void {
    return this.#loudness.want();
  }

  takeWork(): null {
    return null;
  }

  close(): void {
    for (const videos of this.#shown.values()) for (const video of videos) video.srcObject = null;
    this.#shown.clear();
  }

  #play(video: HTMLVideoElement, tile: number): void {
    const track = this.#tracks.get(tile);
    video.srcObject = track === undefined ? null : new MediaStream([track]);
    // Taken off again before it began: nothing is lost.
    if (track !== undefined) video.play().catch(() => undefined);
  }
}
