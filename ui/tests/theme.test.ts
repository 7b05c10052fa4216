import { beforeEach, describe, expect, test } from "vitest";

import { keepTheme, themeFor } from "../src/theme";

describe("themeFor", () => {
  test("is dark unless light is asked for", () => {
    expect(themeFor("system", false)).toBe("dark");
    expect(themeFor("system", true)).toBe("light");
  });

  test("is what the person chose, whatever the system prefers", () => {
    expect(themeFor("light", false)).toBe("light");
    expect(themeFor("dark", true)).toBe("dark");
  });
});

describe("keepTheme", () => {
  let root: { dataset: DOMStringMap };
  let query: EventTarget & { matches: boolean };
  let kept: Map<string, string>;

  beforeEach(() => {
    root = { dataset: {} };
    query = Object.assign(new EventTarget(), { matches: false });
    kept = new Map();
  });

  function start() {
    const memory = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
    };
    return keepTheme(root as HTMLElement, query as unknown as MediaQueryList, memory);
  }

  test("sets the theme at once and again when the system's preference changes", () => {
    start();
    expect(root.dataset["theme"]).toBe("dark");

    query.matches = true;
    query.dispatchEvent(new Event("change"));
    expect(root.dataset["theme"]).toBe("light");
  });

  test("holds to the person's choice, at the next start from the first moment", () => {
    start()("light");
    expect(root.dataset["theme"]).toBe("light");
    query.dispatchEvent(new Event("change"));
    expect(root.dataset["theme"]).toBe("light");

    root.dataset = {};
    start();
    expect(root.dataset["theme"]).toBe("light");
  });

  test("goes back to the system's preference", () => {
    const choose = start();
    choose("light");
    choose("system");
    expect(root.dataset["theme"]).toBe("dark");
  });
});
