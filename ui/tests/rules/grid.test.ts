import { describe, expect, test } from "vitest";

import { chooseGrid, placeSpotlight, placeTiles, type Size } from "../../src/rules/grid";

const COUNTS = [[2], [3, 4], [5, 6], [7], [9], [12], [16]] as const;

// The look's table, row by row: columns and tile size for the counts above.
const TABLE: readonly (readonly [string, number, number, number, readonly string[]])[] = [
  ["1120x720", 1088, 584, 12, ["2 538x538", "2 538x286", "3 355x286", "4 263x263", "3 355x187", "4 263x187", "4 260x137"]],
  ["1120x720 with a drawer", 744, 584, 12, ["1 543x286", "2 366x286", "2 355x187", "3 240x187", "3 240x187", "3 240x137", "4 177x137"]],
  ["800x600 with a drawer", 424, 464, 12, ["1 424x226", "2 206x226", "2 206x147", "2 203x107", "3 133x147", "3 133x107", "4 97x107"]],
  ["640x480", 608, 344, 12, ["2 298x298", "2 298x166", "3 195x166", "3 195x107", "3 195x107", "4 143x107", "4 143x77"]],
  ["480x360", 464, 296, 6, ["2 229x229", "2 229x145", "3 151x145", "3 151x95", "3 151x95", "4 112x95", "4 112x70"]],
];

describe.each(TABLE)("the stage of %s", (_name, width, height, gap, expected) => {
  const cases = COUNTS.flatMap((counts, at) => counts.map((count) => [count, expected[at] ?? ""] as const));

  test.each(cases)("%d tiles are %s", (count, wanted) => {
    const grid = chooseGrid(count, { width, height }, gap);
    const said = grid && `${grid.columns} ${Math.round(grid.tile.width)}x${Math.round(grid.tile.height)}`;
    expect(said).toBe(wanted);
  });
});

describe("any count on any stage", () => {
  const stages: Size[] = [
    { width: 1088, height: 584 },
    { width: 424, height: 464 },
    { width: 464, height: 296 },
    { width: 300, height: 900 },
    { width: 2528, height: 1304 },
  ];
  const cases = stages.flatMap((stage) => Array.from({ length: 25 }, (_, n) => [n + 1, stage] as const));

  test.each(cases)("%d tiles lie inside %o and never on one another", (count, stage) => {
    const tiles = placeTiles(count, stage, 6);
    expect(tiles).toHaveLength(count);
    for (const [at, tile] of tiles.entries()) {
      expect(tile.x).toBeGreaterThanOrEqual(0);
      expect(tile.y).toBeGreaterThanOrEqual(0);
      expect(tile.x + tile.width).toBeLessThanOrEqual(stage.width);
      expect(tile.y + tile.height).toBeLessThanOrEqual(stage.height);
      for (const other of tiles.slice(at + 1)) {
        const apart =
          tile.x + tile.width + 5 <= other.x ||
          other.x + other.width + 5 <= tile.x ||
          tile.y + tile.height + 5 <= other.y ||
          other.y + other.height + 5 <= tile.y;
        expect(apart).toBe(true);
      }
    }
  });
});

test("the last row is centred", () => {
  const tiles = placeTiles(5, { width: 1088, height: 584 }, 12);
  const [fourth, fifth] = tiles.slice(3);
  expect(fourth && fifth && fourth.x + fifth.x + fifth.width).toBe(1088);
});

test("one person alone has nearly the whole stage", () => {
  expect(placeTiles(1, { width: 1088, height: 584 }, 12)).toEqual([{ x: 0, y: 0, width: 1088, height: 584 }]);
});

test("a stage smaller than its gaps holds nothing", () => {
  expect(chooseGrid(0, { width: 100, height: 100 }, 12)).toBeNull();
  expect(placeTiles(4, { width: 0, height: 0 }, 12)).toEqual([]);
});

describe("an upright phone", () => {
  const stage = { width: 374, height: 716 };

  test("gives one person everything, and others a strip of three beneath", () => {
    expect(placeSpotlight(0, stage, 10)).toEqual([]);
    expect(placeSpotlight(1, stage, 10)).toEqual([{ x: 0, y: 0, ...stage }]);
    const [big, ...strip] = placeSpotlight(4, stage, 10);
    expect(big).toEqual({ x: 0, y: 0, width: 374, height: 541 });
    expect(strip.map(({ x, y }) => [x, y])).toEqual([[0, 551], [128, 551], [256, 551]]);
    expect(strip.every(({ width, height }) => width === 118 && height === 165)).toBe(true);
  });

  test("never lays tiles over each other or off the stage, however many there are", () => {
    for (let count = 1; count <= 9; count += 1) {
      const rects = placeSpotlight(count, stage, 10);
      expect(rects).toHaveLength(count);
      for (const [at, one] of rects.entries()) {
        expect(one.x + one.width).toBeLessThanOrEqual(stage.width);
        expect(one.y + one.height).toBeLessThanOrEqual(stage.height);
        expect(Math.min(one.width, one.height)).toBeGreaterThan(60);
        for (const other of rects.slice(at + 1)) {
          const apart = one.x + one.width < other.x || other.x + other.width < one.x || one.y + one.height < other.y;
          expect(apart, `${count}: ${JSON.stringify([one, other])}`).toBe(true);
        }
      }
    }
  });
});
