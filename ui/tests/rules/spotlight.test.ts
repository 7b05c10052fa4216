import { expect, test } from "vitest";

import { DARK, light, lightDue, type Spotlight, TAKES_MS } from "../../src/rules/spotlight";

const all = ["ann", "bo", "cy"];
const says = (...ids: string[]) => new Set(ids);
/** What comes of a few rounds, each with its time. */
const after = (...rounds: [number, Set<string>][]) =>
  rounds.reduce<Spotlight>((before, [now, speaking]) => light(before, all, speaking, now), DARK);

test("the first who speaks has the light at once, and keeps it in silence", () => {
  expect(after([0, says()]).lit).toBeNull();
  expect(after([0, says("bo")]).lit).toBe("bo");
  expect(after([0, says("bo")], [9000, says()]).lit).toBe("bo");
});

test("a cough does not take it", () => {
  const coughed = after([0, says("bo")], [100, says()], [200, says("cy")], [200 + TAKES_MS - 1, says("cy")], [5000, says()]);
  expect(coughed.lit).toBe("bo");
});

test("who speaks for a while takes it", () => {
  const waits = after([0, says("bo")], [100, says()], [200, says("cy")]);
  expect(lightDue(waits)).toBe(200 + TAKES_MS);
  expect(light(waits, all, says("cy"), 200 + TAKES_MS).lit).toBe("cy");
});

test("nobody takes it from one who speaks, however long they talk over them", () => {
  const both = after([0, says("bo")], [100, says("bo", "cy")], [60_000, says("bo", "cy")]);
  expect(both.lit).toBe("bo");
  expect(lightDue(both)).toBeNull();
});

test("two coughs are not one long word", () => {
  const rounds: [number, Set<string>][] = [[0, says("bo")], [100, says("cy")], [500, says()], [100 + TAKES_MS, says("cy")]];
  expect(after(...rounds).lit).toBe("bo");
});

test("who leaves leaves it to whoever speaks, or to nobody", () => {
  const bo = after([0, says("bo")], [100, says("bo", "cy")]);
  expect(light(bo, ["ann", "cy"], says("cy"), 200).lit).toBe("cy");
  expect(light(bo, ["ann", "cy"], says(), 200).lit).toBeNull();
  expect(light(bo, [], says("ghost"), 200)).toEqual(DARK);
});
