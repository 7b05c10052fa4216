import { describe, expect, test } from "vitest";

import { litRoom } from "../../src/rules/nearby";
import { found } from "../fixtures";

describe("the light among rooms on this network", () => {
  test("is on the first at rest", () => {
    expect(litRoom(null, " ", found)).toBe(found[0]?.link);
    expect(litRoom(null, "", [])).toBeNull();
  });

  test("follows the pointer, also to rooms of another list", () => {
    expect(litRoom("snug://elsewhere/a", "host/room", found)).toBe("snug://elsewhere/a");
  });

  test("leaves the rooms while a link is typed", () => {
    expect(litRoom(null, "host/room", found)).toBeNull();
  });
});
