// Recomputes every contrast ratio of the look from tokens.css and fails under its floor.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import type { Theme } from "../src/theme";

const css = readFileSync(join(import.meta.dirname, "../src/styles/tokens.css"), "utf8");

type Colours = ReadonlyMap<string, string>;

/** Collects the `--name: #rrggbb` pairs of the blocks whose selector `applies` accepts, later ones winning. */
function colours(applies: (selector: string) => boolean): Colours {
  const found = new Map<string, string>();
  for (const [, selector = "", body = ""] of css.matchAll(/([^{}]+)\{([^}]*)\}/g)) {
    if (!applies(selector)) continue;
    for (const [, name = "", value = ""] of body.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})\b/gi)) {
      found.set(name, value);
    }
  }
  return found;
}

const themes: Record<Theme, Colours> = {
  dark: colours((selector) => !selector.includes('"light"')),
  light: colours((selector) => !selector.includes('"dark"') || selector.includes('"light"')),
};

/** Computes the relative luminance of `#rrggbb` (WCAG 2.2). */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Computes the contrast ratio of two colours, 1 to 21 (WCAG 2.2). */
function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

const WORDS = 4.5;
const SHAPES = 3;

const pairs: readonly (readonly [ink: string, floor: number, grounds: readonly string[]])[] = [
  ["text", WORDS, ["bg", "surface", "raised", "hover", "blank", "press", "accent-soft", "danger-soft", "good-soft"]],
  ["text-2", WORDS, ["bg", "surface", "raised", "hover", "press", "accent-soft", "danger-soft"]],
  ["text-3", WORDS, ["bg", "surface", "raised", "hover"]],
  ["accent-text", WORDS, ["bg", "surface", "raised", "hover", "accent-soft"]],
  ["danger-text", WORDS, ["bg", "surface", "raised", "hover", "danger-soft"]],
  ["good", WORDS, ["bg", "surface", "raised", "good-soft"]],
  ["on-accent", WORDS, ["accent", "accent-hover"]],
  ["on-danger", WORDS, ["danger", "danger-hover"]],
  ["on-scrim", WORDS, ["scrim"]],
  ["on-scrim-2", WORDS, ["scrim"]],
  ["scrim-danger", WORDS, ["scrim"]],
  ["accent", SHAPES, ["scrim"]],
  ["ring", SHAPES, ["bg", "surface", "raised", "hover"]],
  ["line-strong", SHAPES, ["bg", "surface", "raised", "hover"]],
];

describe.each(Object.entries(themes))("%s theme", (_theme, tokens) => {
  const colour = (name: string): string => {
    const value = tokens.get(name);
    if (value === undefined) throw new Error(`tokens.css names no colour --${name}`);
    return value;
  };

  test.each(pairs)("%s reaches %d on its grounds", (ink, floor, grounds) => {
    for (const ground of grounds) {
      const ratio = contrast(colour(ink), colour(ground));
      expect(ratio, `--${ink} on --${ground}`).toBeGreaterThanOrEqual(floor);
    }
  });
});

test("the formula gives the two values that everybody knows", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 5);
  expect(contrast("#767676", "#ffffff")).toBeCloseTo(4.54, 2);
});
