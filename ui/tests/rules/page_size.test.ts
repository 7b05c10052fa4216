import { expect, test } from "vitest";

import { FIRST, judge, LATE_ROUNDS, PAGE_SIZES, type PageSize, ROOMY_ROUNDS, type Work } from "../../src/rules/page_size";

const easy: Work = { came: 225, painted: 225, paintMs: 60, lastedMs: 1000, tiles: 9 };
const late: Work = { came: 225, painted: 120, paintMs: 300, lastedMs: 1000, tiles: 9 };
const busy: Work = { ...easy, paintMs: 600 };

const after = (from: PageSize, work: Work, rounds: number) =>
  Array.from({ length: rounds }).reduce<PageSize>((size) => judge(size, work), from);

test("begins at nine, and stays there while nothing is known", () => {
  expect(FIRST.size).toBe(9);
  expect(after(FIRST, { ...late, came: 3 }, 100)).toBe(FIRST);
});

test.each([late, busy])("gets smaller after some slow seconds on end: %o", (work) => {
  expect(after(FIRST, work, LATE_ROUNDS - 1).size).toBe(9);
  expect(after(FIRST, work, LATE_ROUNDS).size).toBe(6);
  const interrupted = judge(after(FIRST, work, LATE_ROUNDS - 1), { ...easy, tiles: 4 });
  expect(after(interrupted, work, LATE_ROUNDS - 1).size).toBe(9);
});

test("gets smaller than what is shown, and no smaller than the smallest", () => {
  expect(after(FIRST, { ...late, tiles: 5 }, LATE_ROUNDS).size).toBe(4);
  expect(after(FIRST, { ...late, tiles: 2 }, 100).size).toBe(PAGE_SIZES[0]);
});

test("gets larger only with a full page and much time left", () => {
  expect(after(FIRST, easy, ROOMY_ROUNDS - 1).size).toBe(9);
  expect(after(FIRST, easy, ROOMY_ROUNDS).size).toBe(12);
  expect(after(FIRST, { ...easy, tiles: 4 }, 100).size).toBe(9);
  // What twelve would take is over the bound, though nine are not.
  expect(after(FIRST, { ...easy, paintMs: 220 }, 100).size).toBe(9);
  expect(after(FIRST, { ...easy, tiles: 25 }, 100).size).toBe(PAGE_SIZES.at(-1));
});

test("what was too much is not tried again", () => {
  const twelve = after(FIRST, easy, ROOMY_ROUNDS);
  const nine = after(twelve, { ...late, tiles: 12 }, LATE_ROUNDS);
  expect(nine.size).toBe(9);
  expect(after(nine, easy, 100).size).toBe(9);
});
