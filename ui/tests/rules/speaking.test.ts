import { describe, expect, test } from "vitest";

import { BEGINS_DBFS, fullness, GOES_ON_DBFS, hearVoices, HOLD_MS, voicesDeadline, type Voices } from "../../src/rules/speaking";

const NOBODY: Voices = new Map();

describe("a voice", () => {
  test("is shown with the first loud round", () => {
    expect([...hearVoices(NOBODY, { mara: BEGINS_DBFS }, 1000).keys()]).toEqual(["mara"]);
  });

  test("does not begin between the thresholds, but goes on there", () => {
    const between = (BEGINS_DBFS + GOES_ON_DBFS) / 2;
    expect(hearVoices(NOBODY, { mara: between }, 1000).size).toBe(0);
    let voices = hearVoices(NOBODY, { mara: -20 }, 1000);
    for (let now = 1050; now < 4000; now += 50) voices = hearVoices(voices, { mara: between }, now);
    expect(voices.has("mara")).toBe(true);
  });

  test.each([{}, { mara: -100 }])("stays 400 ms after the last word: %o", (silence) => {
    const voices = hearVoices(NOBODY, { mara: -20 }, 1000);
    expect(hearVoices(voices, silence, 1000 + HOLD_MS - 1).has("mara")).toBe(true);
    expect(hearVoices(voices, silence, 1000 + HOLD_MS).has("mara")).toBe(false);
  });

  test("ends at a time that can be waited for", () => {
    expect(voicesDeadline(NOBODY)).toBeNull();
    const voices = hearVoices(hearVoices(NOBODY, { a: -20 }, 1000), { b: -20 }, 1200);
    expect(voicesDeadline(voices)).toBe(1000 + HOLD_MS);
  });
});

test("a meter is empty in a silent room and full at a shout", () => {
  expect([null, Number.NaN, -100, -60, -35, -10, 0].map(fullness)).toEqual([0, 0, 0, 0, 0.5, 1, 1]);
});
