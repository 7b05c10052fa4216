// One binary message of the tile socket: a header of 24 bytes, little endian, then the payload.
//
//  0 u8  kind (1 VP8, 2 I420, 3 levels)      1 u8  flags (bit 0: keyframe)     2 u16 reserved
//  4 u32 tile key                             8 u64 time stamp in microseconds
// 16 u16 width, 18 u16 height (I420 only)    20 u32 reserved                   24.. payload

import type { Levels } from "../ipc/types";

export const HEADER_BYTES = 24;

export type TileFrame =
  | { kind: "vp8"; tile: number; timestampUs: number; isKeyframe: boolean; payload: Uint8Array<ArrayBuffer> }
  | { kind: "i420"; tile: number; timestampUs: number; width: number; height: number; payload: Uint8Array<ArrayBuffer> }
  | { kind: "levels"; levels: Levels };

/** Takes a message apart without copying the payload; null for what is damaged or not known here. */
export function parseFrame(message: ArrayBuffer): TileFrame | null {
  if (message.byteLength < HEADER_BYTES) return null;
  const header = new DataView(message, 0, HEADER_BYTES);
  const payload = new Uint8Array(message, HEADER_BYTES);
  const tile = header.getUint32(4, true);
  const timestampUs = Number(header.getBigUint64(8, true));
  switch (header.getUint8(0)) {
    case 1: {
      if (payload.length === 0) return null;
      return { kind: "vp8", tile, timestampUs, isKeyframe: (header.getUint8(1) & 1) === 1, payload };
    }
    case 2: {
      const [width, height] = [header.getUint16(16, true), header.getUint16(18, true)];
      if (width === 0 || height === 0 || payload.length !== i420Bytes(width, height)) return null;
      return { kind: "i420", tile, timestampUs, width, height, payload };
    }
    case 3: {
      const levels = parseLevels(payload);
      return levels && { kind: "levels", levels };
    }
    default:
      return null;
  }
}

/** Counts the bytes of a picture with tight planes. */
export function i420Bytes(width: number, height: number): number {
  return width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
}

function parseLevels(payload: Uint8Array): Levels | null {
  try {
    const levels: unknown = JSON.parse(new TextDecoder().decode(payload));
    return isLevels(levels) ? levels : null;
  } catch {
    // Not JSON: the message is dropped like any other damaged one.
    return null;
  }
}

function isLevels(value: unknown): value is Levels {
  if (typeof value !== "object" || value === null) return false;
  return "me" in value && "people" in value && typeof value.people === "object" && value.people !== null;
}
