import { describe, expect, test } from "vitest";

import { layoutRoom } from "../../src/rules/layout";

// The stages that the look's grid table is computed for.
test.each([
  [1120, 720, false, 1088, 584],
  [1120, 720, true, 744, 584],
  [800, 600, true, 424, 464],
  [640, 480, false, 608, 344],
  [640, 480, true, 608, 344],
  [480, 360, false, 464, 296],
])("the stage of %dx%d with the drawer open: %s is %dx%d", (width, height, isOpen, stageWidth, stageHeight) => {
  const { stage } = layoutRoom({ width, height }, isOpen, false);
  expect([stage.width, stage.height]).toEqual([stageWidth, stageHeight]);
});

describe("what gives way", () => {
  test.each([
    [1280, 800, "docked", true, true],
    [760, 600, "docked", true, true],
    [759, 600, "over", false, true],
    [600, 480, "over", false, true],
    [599, 600, "fills", false, false],
    [1000, 439, "fills", false, false],
    [480, 360, "fills", false, false],
  ])("%dx%d: the drawer is %s, encryption in words %s, top bar %s", (width, height, drawer, words, topBar) => {
    const layout = layoutRoom({ width, height }, true, false);
    expect(layout.drawer).toBe(drawer);
    expect(layout.hasEncryptionWords).toBe(words);
    expect(layout.topBarHeight > 0).toBe(topBar);
    expect(layout.hasTimer).toBe(topBar);
    expect(layout.isSmall).toBe(!topBar);
  });

  test("page dots take a row from the stage, and nothing from the drawer", () => {
    const [without, dots] = [false, true].map((hasPages) => layoutRoom({ width: 1120, height: 720 }, true, hasPages));
    expect(dots?.stage.height).toBe((without?.stage.height ?? 0) - 24);
    expect(dots?.drawerRect).toEqual(without?.drawerRect);
  });

  test("a window smaller than its bars has an empty stage, not a negative one", () => {
    const { stage } = layoutRoom({ width: 4, height: 30 }, false, true);
    expect(stage.width).toBe(0);
    expect(stage.height).toBe(0);
  });
});

test("a docked drawer stands at the right of the stage, as high as the tiles", () => {
  const { stage, drawerRect } = layoutRoom({ width: 1120, height: 720 }, true, false);
  expect(drawerRect).toEqual({ x: 776, y: 56, width: 328, height: 584 });
  expect(stage.x + stage.width).toBe(760);
});

test("an upright phone has a top bar, room for a thumb, and only a browser is on one", () => {
  const upright = { width: 390, height: 844 };
  expect(layoutRoom(upright, false, false, true)).toMatchObject({
    isPhone: true,
    isSmall: true,
    topBarHeight: 52,
    barHeight: 76,
    drawer: "fills",
    stage: { x: 8, y: 52, width: 374, height: 716 },
  });
  expect(layoutRoom(upright, false, false).isPhone).toBe(false);
  expect(layoutRoom({ width: 844, height: 390 }, false, false, true).isPhone).toBe(false);
  expect(layoutRoom({ width: 1120, height: 720 }, false, false, true).isPhone).toBe(false);
});
