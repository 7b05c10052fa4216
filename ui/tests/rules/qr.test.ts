import { expect, test } from "vitest";

import { qrCode } from "../../src/rules/qr";

/** Says whether the module at a place is dark, by the path alone. */
function isDark(path: string, x: number, y: number): boolean {
  const runs = [...path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)].map((run) => run.slice(1).map(Number));
  return runs.some(([left = 0, top, width = 0]) => top === y && x >= left && x < left + width);
}

test("a code has its three eyes, inside four modules of quiet", () => {
  const { size, path } = qrCode("https://192.168.1.20:7684/room/Harbour%20crew")!;
  const ends = [4, size - 4 - 7];
  for (const [x, y] of [[ends[0], ends[0]], [ends[1], ends[0]], [ends[0], ends[1]]] as [number, number][]) {
    for (let at = 0; at < 7; at += 1) expect([isDark(path, x + at, y), isDark(path, x, y + at)]).toEqual([true, true]);
    expect([isDark(path, x + 1, y + 1), isDark(path, x + 3, y + 3), isDark(path, x - 1, y)]).toEqual([false, true, false]);
  }
});

test("nothing of the text gets into the path", () => {
  expect(qrCode('"/><script>alert(1)</script>')!.path).toMatch(/^[Mhvz0-9 -]+$/);
});

test("other texts are other codes, and what is too long is none", () => {
  expect(qrCode("snug://a/b")!.path).not.toBe(qrCode("snug://a/c")!.path);
  expect(qrCode("x".repeat(600))).not.toBeNull();
  expect(qrCode("x".repeat(601))).toBeNull();
});
