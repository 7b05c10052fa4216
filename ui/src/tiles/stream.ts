// One tile's pictures: from the socket's frames to the canvases that show them.
//
// A decoder lives from the first keyframe to the first trouble. Trouble means a fresh start with a
// new keyframe; twice in a short while means that this page cannot decode it, and pictures come raw.
// A slow decoder is no trouble: it keeps what it has, nothing more is given to it until it has caught
// up, and then it goes on with a keyframe. Replaced instead, a decoder that takes a second to start
// on a busy machine would never show anything.

import type { Decoder, Environment, Picture } from "./environment";
import type { TileFrame } from "./frame";

/** More than two seconds of pictures undecoded: no more until it has caught up. A tile may begin with
 * nearly as many at once. */
const WAITING_MAX = 60;
/** Two seconds of pictures that were no use: the keyframe was lost, so ask again. */
const SKIPPED_MAX = 50;
/** So often in a row without a single picture, some ten seconds: the decoder is stuck. */
const BARREN_MAX = 5;
/** A decoder that fails again before so many pictures is given up. */
const PICTURES_BETWEEN_ERRORS = 250;

/** A canvas that shows the tile. */
export interface View {
  readonly canvas: HTMLCanvasElement;
  /** Height in device pixels that is worth having. */
  height: number;
  /** Called when the first picture is there, and when a later one has another size. */
  readonly onPicture: (width: number, height: number) => void;
}

/** What the stream asks of its owner. */
export interface StreamNeeds {
  /** A new keyframe, or raw pictures if `raw` has changed. */
  restart(): void;
  /** A turn to paint. */
  paint(): void;
}

export class TileStream {
  readonly views = new Set<View>();
  /** Pictures that came since the owner last looked, and those of them that were painted. */
  came = 0;
  painted = 0;
  /** Pictures come raw: the page cannot decode this one. */
  raw: boolean;
  readonly #environment: Environment;
  readonly #needs: StreamNeeds;
  #decoder: Decoder | null = null;
  #newest: Picture | null = null;
  #skipped = 0;
  /** Pictures are of no use until a keyframe comes for which the decoder has room. */
  #isBehind = false;
  /** How often a keyframe was asked for since the last picture. */
  #barren = 0;
  #decodedSinceError = PICTURES_BETWEEN_ERRORS;

  constructor(environment: Environment, raw: boolean, needs: StreamNeeds) {
    this.#environment = environment;
    this.raw = raw;
    this.#needs = needs;
  }

  /** The height worth asking for: that of the largest view. */
  get height(): number {
    return Math.max(0, ...Array.from(this.views, (view) => view.height));
  }

  take(frame: Exclude<TileFrame, { kind: "levels" }>): void {
    this.came += 1;
    if (frame.kind === "vp8") this.#decode(frame.payload, frame.timestampUs, frame.isKeyframe);
    else this.#show(this.#environment.makePicture(frame.payload, frame.width, frame.height, frame.timestampUs));
  }

  /** Paints the newest picture, if there is one that was not painted. */
  paint(): void {
    const picture = this.#newest;
    if (picture === null) return;
    this.#newest = null;
    this.painted += 1;
    for (const view of this.views) drawInto(view, picture);
    picture.close();
  }

  /** Lets go of decoder and picture. The stream starts again with the next keyframe. */
  rest(): void {
    this.#decoder?.close();
    this.#decoder = null;
    this.#newest?.close();
    this.#newest = null;
    this.#skipped = 0;
    this.#isBehind = false;
    this.#barren = 0;
  }

  #decode(payload: Uint8Array<ArrayBuffer>, timestampUs: number, isKeyframe: boolean): void {
    if (this.raw) return;
    if (!isKeyframe && (this.#decoder === null || this.#isBehind)) {
      this.#skip();
      return;
    }
    try {
      this.#decoder ??= this.#makeDecoder();
      this.#isBehind = this.#decoder.waiting >= WAITING_MAX;
      if (this.#isBehind) {
        this.#skip();
        return;
      }
      this.#skipped = 0;
      this.#decoder.decode(payload, timestampUs, isKeyframe);
    } catch {
      // A decoder that refuses a frame outright failed just as one that reports it later.
      this.#fail();
    }
  }

  /** Leaves out a picture, and asks for a keyframe when it is time. */
  #skip(): void {
    this.#skipped += 1;
    const hasCaughtUp = this.#decoder !== null && this.#decoder.waiting === 0;
    if (!hasCaughtUp && this.#skipped < SKIPPED_MAX) return;
    this.#skipped = 0;
    this.#barren += this.#decoder === null ? 0 : 1;
    if (this.#barren > BARREN_MAX) this.#fail();
    else this.#needs.restart();
  }

  #makeDecoder(): Decoder {
    const decoder: Decoder = this.#environment.makeDecoder(
      (picture) => {
        if (this.#decoder !== decoder) return picture.close();
        this.#decodedSinceError += 1;
        this.#barren = 0;
        this.#show(picture);
      },
      () => {
        if (this.#decoder === decoder) this.#fail();
      },
    );
    return decoder;
  }

  #fail(): void {
    if (this.#decodedSinceError < PICTURES_BETWEEN_ERRORS) this.raw = true;
    this.#decodedSinceError = 0;
    this.#startAfresh();
  }

  #startAfresh(): void {
    this.rest();
    this.#needs.restart();
  }

  #show(picture: Picture): void {
    this.#newest?.close();
    this.#newest = picture;
    this.#needs.paint();
  }
}

function drawInto(view: View, picture: Picture): void {
  const { canvas } = view;
  const context = canvas.getContext("2d", { alpha: false });
  if (context === null) return;
  const isFirst = canvas.dataset["painted"] === undefined;
  if (isFirst || canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.dataset["painted"] = "";
    view.onPicture(picture.width, picture.height);
  }
  picture.draw(context);
}
