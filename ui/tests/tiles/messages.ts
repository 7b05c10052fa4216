// Messages as the program sends them on the tile socket.
import { HEADER_BYTES, i420Bytes } from "../../src/tiles/frame";

function message(kind: number, flags: number, tile: number, timestampUs: number, payload: ArrayLike<number>): ArrayBuffer {
  const buffer = new ArrayBuffer(HEADER_BYTES + payload.length);
  const header = new DataView(buffer);
  header.setUint8(0, kind);
  header.setUint8(1, flags);
  header.setUint32(4, tile, true);
  header.setBigUint64(8, BigInt(timestampUs), true);
  new Uint8Array(buffer, HEADER_BYTES).set(payload);
  return buffer;
}

export function vp8Message(tile: number, isKeyframe: boolean, payload: readonly number[] = [0], timestampUs = 0): ArrayBuffer {
  return message(1, isKeyframe ? 1 : 0, tile, timestampUs, payload);
}

export function i420Message(
  tile: number,
  width: number,
  height: number,
  timestampUs = 0,
  planes: Uint8Array = new Uint8Array(i420Bytes(width, height)),
): ArrayBuffer {
  const buffer = message(2, 0, tile, timestampUs, planes);
  const header = new DataView(buffer);
  header.setUint16(16, width, true);
  header.setUint16(18, height, true);
  return buffer;
}

export function levelsMessage(levels: unknown): ArrayBuffer {
  return message(3, 0, 0, 0, new TextEncoder().encode(JSON.stringify(levels)));
}
