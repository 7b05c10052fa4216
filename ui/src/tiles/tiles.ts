// Where pictures come from, and loudness: the tile socket of the window, or the browser's own media.

import type { Levels } from "../ipc/types";
import type { Work } from "../rules/page_size";

/** What shows a tile on the page. */
export interface Shown {
  /** Says that it has another size, in device pixels. */
  resize(height: number): void;
  /** Takes it out again. */
  close(): void;
}

export interface Tiles {
  /** The element on which these pictures are shown. */
  readonly surface: "canvas" | "video";
  /** Begins before anything is shown, so that the first picture need not wait. */
  open(): void;
  /** Shows `tile` on an element of that kind, `height` device pixels high, until closed; calls back with each size. */
  show(
    tile: number,
    on: HTMLCanvasElement | HTMLVideoElement,
    height: number,
    onPicture?: (width: number, height: number) => void,
  ): Shown;
  /** Calls back with every round of loudness that comes. */
  onLevels(callback: (levels: Levels) => void): () => void;
  /** Asks for loudness until the answer is called. */
  wantLevels(): () => void;
  /** Takes what painting came to since it was asked last; null where the browser paints by itself. */
  takeWork(): Work | null;
  /** Ends for good. */
  close(): void;
}
