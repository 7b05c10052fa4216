import { expect, test } from "vitest";

import { dbfsOf } from "../../src/ipc/browser/loudness";

test("loudness is the root mean square against full scale", () => {
  expect(dbfsOf(new Float32Array(64))).toBe(-100);
  expect(dbfsOf(new Float32Array(64).fill(1))).toBeCloseTo(0);
  expect(dbfsOf(new Float32Array(64).fill(-0.1))).toBeCloseTo(-20);
  expect(dbfsOf(new Float32Array(64).fill(1e-9))).toBe(-100);
});
