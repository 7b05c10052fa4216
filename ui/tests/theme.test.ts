import { describe, expect, test } from "vitest";

import { followSystemTheme, themeFor } from "../src/theme";

describe("themeFor", () => {
  test("is dark unless light is asked for", () => {
    expect(themeFor(false)).toBe("dark");
    expect(themeFor(true)).toBe("light");
  });
});

describe("followSystemTheme", () => {
  test("sets the theme at once and again when the preference changes", () => {
    const root = { dataset: {} as DOMStringMap };
    const query = Object.assign(new EventTarget(), { matches: false });
    followSystemTheme(root as HTMLElement, query as unknown as MediaQueryList);
    expect(root.dataset["theme"]).toBe("dark");

    query.matches = true;
    query.dispatchEvent(new Event("change"));
    expect(root.dataset["theme"]).toBe("light");
  });
});
