import { describe, expect, test } from "vitest";

import { HEADER_BYTES, i420Bytes, parseFrame } from "../../src/tiles/frame";
import { i420ToRgba } from "../../src/tiles/i420";
import { i420Message, levelsMessage, vp8Message } from "./messages";

describe("parseFrame", () => {
  test("takes a VP8 frame apart without copying it", () => {
    const message = vp8Message(7, true, [1, 2, 3], 1234567);
    const frame = parseFrame(message);
    expect(frame).toMatchObject({ kind: "vp8", tile: 7, isKeyframe: true, timestampUs: 1234567 });
    if (frame?.kind !== "vp8") throw new Error("not VP8");
    expect([...frame.payload]).toEqual([1, 2, 3]);
    expect(frame.payload.buffer).toBe(message);
  });

  test("knows a frame that builds on others", () => {
    expect(parseFrame(vp8Message(7, false))).toMatchObject({ isKeyframe: false });
  });

  test("reads keys and times of any size", () => {
    const time = Number.MAX_SAFE_INTEGER;
    expect(parseFrame(vp8Message(0xffff_ffff, true, [1], time))).toMatchObject({ tile: 0xffff_ffff, timestampUs: time });
  });

  test("takes a picture apart", () => {
    const frame = parseFrame(i420Message(0, 5, 3, 40));
    expect(frame).toMatchObject({ kind: "i420", tile: 0, width: 5, height: 3, timestampUs: 40 });
    expect(i420Bytes(5, 3)).toBe(15 + 2 * 3 * 2);
  });

  test("reads loudness", () => {
    expect(parseFrame(levelsMessage({ me: -20, people: { a: -30 } }))).toEqual({
      kind: "levels",
      levels: { me: -20, people: { a: -30 } },
    });
  });

  test("drops everything else", () => {
    const unknown = vp8Message(1, true);
    new DataView(unknown).setUint8(0, 9);
    const short = i420Message(1, 4, 4).slice(0, HEADER_BYTES + 23);
    const flat = i420Message(1, 4, 4);
    new DataView(flat).setUint16(18, 0, true);
    const garbled = levelsMessage({ me: null, people: {} }).slice(0, -1);
    const bad = [new ArrayBuffer(0), new ArrayBuffer(23), unknown, short, flat, garbled, vp8Message(1, true, []), levelsMessage(3)];
    for (const message of bad) expect(parseFrame(message)).toBeNull();
  });
});

describe("i420ToRgba", () => {
  // Y, U, V of BT.601 in limited range, and the colour that everybody knows them by.
  test.each([
    ["black", [16, 128, 128], [0, 0, 0]],
    ["white", [235, 128, 128], [255, 255, 255]],
    ["red", [81, 90, 240], [255, 0, 0]],
    ["green", [145, 54, 34], [0, 255, 1]],
    ["blue", [41, 240, 110], [0, 0, 255]],
  ] as const)("%s", (_name, [y, u, v], wanted) => {
    const planes = new Uint8Array([y, y, y, y, y, y, u, u, v, v]);
    const rgba = i420ToRgba(planes, 3, 2);
    expect(rgba).toHaveLength(3 * 2 * 4);
    for (let at = 0; at < rgba.length; at += 4) {
      for (const [channel, value] of wanted.entries()) expect(Math.abs((rgba[at + channel] ?? 0) - value)).toBeLessThanOrEqual(2);
      expect(rgba[at + 3]).toBe(255);
    }
  });

  test("two rows and two columns share a colour, odd edges included", () => {
    const [width, height] = [3, 3];
    const planes = new Uint8Array(i420Bytes(width, height)).fill(128);
    planes.set([240], width * height + 4 + 3);
    const rgba = i420ToRgba(planes, width, height);
    const red = (x: number, y: number) => rgba[(y * width + x) * 4] ?? 0;
    expect(red(2, 2)).toBeGreaterThan(red(1, 2));
    expect([red(0, 0), red(2, 1), red(1, 2)]).toEqual([red(0, 0), red(0, 0), red(0, 0)]);
  });
});
