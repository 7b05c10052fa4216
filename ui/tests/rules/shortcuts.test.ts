import { describe, expect, test } from "vitest";

import { type Key, keyTarget, shortcutOf } from "../../src/rules/shortcuts";

const press = (key: string, more: Partial<Key> = {}): Key => ({
  key,
  repeat: false,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...more,
});
const nowhere = { takesText: false, takesSpace: false };

test.each([
  ["m", "microphone"],
  ["M", "microphone"],
  ["v", "camera"],
  ["p", "people"],
  ["?", "shortcuts"],
  [" ", "talk"],
  ["Escape", "escape"],
  ["x", null],
  ["Enter", null],
])("%j is %s", (key, shortcut) => {
  expect(shortcutOf(press(key), nowhere)).toBe(shortcut);
});

test("a key held down does nothing twice", () => {
  expect(shortcutOf(press("m", { repeat: true }), nowhere)).toBeNull();
});

test.each([{ ctrlKey: true }, { metaKey: true }, { altKey: true }])("%o makes it the system's", (more) => {
  expect(shortcutOf(press("m", more), nowhere)).toBeNull();
});

describe("where it is pressed", () => {
  const inside = (html: string) => {
    document.body.innerHTML = html;
    return keyTarget(document.body.querySelector("[data-here]"));
  };

  test.each([
    "<input data-here>",
    '<input type="search" data-here>',
    "<textarea data-here></textarea>",
    "<select data-here></select>",
  ])("typing in %s is no shortcut, but Escape is", (html) => {
    const target = inside(html);
    for (const key of ["m", "v", "p", "?", " "]) expect(shortcutOf(press(key), target)).toBeNull();
    expect(shortcutOf(press("Escape"), target)).toBe("escape");
  });

  test.each(["<button data-here></button>", "<button><i data-here></i></button>", '<input type="checkbox" data-here>'])(
    "space presses %s, letters stay shortcuts",
    (html) => {
      const target = inside(html);
      expect(shortcutOf(press(" "), target)).toBeNull();
      expect(shortcutOf(press("m"), target)).toBe("microphone");
    },
  );

  test("nothing in particular takes nothing", () => {
    expect(inside("<p data-here></p>")).toEqual(nowhere);
    expect(keyTarget(null)).toEqual(nowhere);
  });
});
