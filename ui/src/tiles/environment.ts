// What tiles need of the browser, as an interface: tests put their own in its place.

import type { TileAccess } from "../ipc/types";
import { i420ToRgba } from "./i420";

/** A decoded picture. Whoever holds it closes it. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  draw(canvas: CanvasRenderingContext2D): void;
  close(): void;
}

/** Decodes VP8 in order. After an error it is dead. */
export interface Decoder {
  /** Frames handed over and not yet decoded. */
  readonly waiting: number;
  decode(payload: Uint8Array<ArrayBuffer>, timestampUs: number, isKeyframe: boolean): void;
  close(): void;
}

/** The part of a WebSocket that is used. */
export interface Socket {
  binaryType: BinaryType;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface Environment {
  /** Gets a way onto the tile socket. */
  access(): Promise<TileAccess>;
  connect(url: string): Socket;
  /** Says whether VP8 can be decoded here; asked once. */
  decodesVp8(): Promise<boolean>;
  makeDecoder(onPicture: (picture: Picture) => void, onError: () => void): Decoder;
  makePicture(i420: Uint8Array<ArrayBuffer>, width: number, height: number, timestampUs: number): Picture;
  /** Calls back before the next painting of the window. */
  beforePaint(callback: () => void): void;
  /** Milliseconds since some moment; never goes back. */
  clock(): number;
  after(milliseconds: number, callback: () => void): () => void;
  isHidden(): boolean;
  onVisibility(callback: () => void): () => void;
}

const VP8: VideoDecoderConfig = { codec: "vp8", optimizeForLatency: true };

/** VP8's own colours, so that raw and decoded pictures look alike. */
const BT601: VideoColorSpaceInit = {
  primaries: "smpte170m",
  transfer: "smpte170m",
  matrix: "smpte170m",
  fullRange: false,
};

/** Makes the environment of the page it is called in. */
export function browserEnvironment(access: () => Promise<TileAccess>): Environment {
  return {
    access,
    connect: (url) => new WebSocket(url),
    decodesVp8,
    makeDecoder,
    makePicture,
    clock: () => performance.now(),
    beforePaint: (callback) => requestAnimationFrame(callback),
    after: (milliseconds, callback) => {
      const timer = setTimeout(callback, milliseconds);
      return () => clearTimeout(timer);
    },
    isHidden: () => document.visibilityState === "hidden",
    onVisibility: (callback) => {
      document.addEventListener("visibilitychange", callback);
      return () => document.removeEventListener("visibilitychange", callback);
    },
  };
}

async function decodesVp8(): Promise<boolean> {
  if (typeof VideoDecoder === "undefined" || typeof EncodedVideoChunk === "undefined") return false;
  try {
    return (await VideoDecoder.isConfigSupported(VP8)).supported === true;
  } catch {
    // A browser that cannot judge its own codec is not trusted with it.
    return false;
  }
}

function makeDecoder(onPicture: (picture: Picture) => void, onError: () => void): Decoder {
  const decoder = new VideoDecoder({ output: (frame) => onPicture(fromFrame(frame)), error: onError });
  decoder.configure(VP8);
  return {
    get waiting() {
      return decoder.decodeQueueSize;
    },
    decode: (data, timestamp, isKeyframe) =>
      decoder.decode(new EncodedVideoChunk({ type: isKeyframe ? "key" : "delta", timestamp, data })),
    close: () => {
      if (decoder.state !== "closed") decoder.close();
    },
  };
}

function fromFrame(frame: VideoFrame): Picture {
  return {
    width: frame.displayWidth,
    height: frame.displayHeight,
    draw: (canvas) => canvas.drawImage(frame, 0, 0),
    close: () => frame.close(),
  };
}

function makePicture(i420: Uint8Array<ArrayBuffer>, width: number, height: number, timestampUs: number): Picture {
  const frame = makeFrame(i420, width, height, timestampUs);
  if (frame !== null) return fromFrame(frame);
  const pixels = new ImageData(i420ToRgba(i420, width, height), width, height);
  return { width, height, draw: (canvas) => canvas.putImageData(pixels, 0, 0), close: () => undefined };
}

function makeFrame(i420: Uint8Array<ArrayBuffer>, width: number, height: number, timestamp: number): VideoFrame | null {
  if (typeof VideoFrame === "undefined") return null;
  try {
    const size = { codedWidth: width, codedHeight: height };
    return new VideoFrame(i420, { format: "I420", ...size, timestamp, colorSpace: BT601 });
  } catch {
    // A browser that has frames but not this format: the pixels are converted here instead.
    return null;
  }
}
