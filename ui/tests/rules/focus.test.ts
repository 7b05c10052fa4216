import { describe, expect, test } from "vitest";

import { placeFocus, stripRoom } from "../../src/rules/focus";
import type { Rect } from "../../src/rules/grid";

const wide = { width: 1088, height: 584 };
const withDrawer = { width: 744, height: 584 };
const narrow = { width: 608, height: 344 };
const tiny = { width: 464, height: 296 };

const isApart = (a: Rect, b: Rect) =>
  a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;

test("the strip is at the right, and under 760 px beneath", () => {
  const [big, first] = placeFocus(4, wide, 12);
  expect(big).toEqual({ x: 0, y: 0, width: 1088 - 192 - 12, height: 584 });
  expect(first).toEqual({ x: 896, y: 0, width: 192, height: 144 });
  const [above, beneath] = placeFocus(4, narrow, 12);
  expect(above).toMatchObject({ width: 608, height: 344 - 96 - 12 });
  expect(beneath).toMatchObject({ y: 344 - 96, height: 96 });
});

test("tiles share the height of the strip, between 112 and 144", () => {
  expect(placeFocus(3, wide, 12)[1]?.height).toBe(144);
  expect(placeFocus(5, wide, 12)[1]?.height).toBe(137);
  expect(stripRoom(wide, 12)).toBe(4);
  expect(placeFocus(1 + stripRoom(wide, 12), wide, 12).at(-1)?.height).toBeGreaterThanOrEqual(112);
});

describe.each([wide, withDrawer, narrow, tiny, { width: 60, height: 30 }])("on a stage of %o", (stage) => {
  test("no tile covers another, and none leaves the stage", () => {
    for (let count = 1; count <= 1 + stripRoom(stage, 12); count += 1) {
      const tiles = placeFocus(count, stage, 12);
      expect(tiles).toHaveLength(count);
      for (const [at, tile] of tiles.entries()) {
        expect(tile.x).toBeGreaterThanOrEqual(0);
        expect(tile.x + tile.width).toBeLessThanOrEqual(stage.width);
        expect(tile.y + tile.height).toBeLessThanOrEqual(stage.height);
        for (const other of tiles.slice(at + 1)) expect(isApart(tile, other), JSON.stringify([tile, other])).toBe(true);
      }
    }
  });
});

test("nobody needs no place, and one alone has the stage", () => {
  expect(placeFocus(0, wide, 12)).toEqual([]);
  expect(placeFocus(1, wide, 12)).toEqual([{ x: 0, y: 0, ...wide }]);
});
