// All languages say the same: every key and every detail, and what is on screen follows the choice.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cleanup, fireEvent } from "@testing-library/svelte";
import { tick } from "svelte";
import { afterEach, describe, expect, test, vi } from "vitest";

import { german } from "../../src/i18n/de";
import { english } from "../../src/i18n/en";
import { spanish } from "../../src/i18n/es";
import { french } from "../../src/i18n/fr";
import { japanese } from "../../src/i18n/ja";
import { keepLanguage } from "../../src/i18n/keep";
import { LANGUAGES, languageFor, NAMES } from "../../src/i18n/language";
import { pluralsOf } from "../../src/i18n/plural";
import { speak } from "../../src/i18n/words.svelte";
import { expectAccessible } from "../axe";
import { atHome, found, problem, recent } from "../fixtures";
import { inRoom, myself, person } from "../fixtures/room";
import { byId, showPage } from "../views/page";

afterEach(async () => {
  cleanup();
  await speak("en");
});

const OTHERS = { de: german, fr: french, es: spanish, ja: japanese };

/** Every word by the way to it; words made from details with details that can be found again. */
function said(value: unknown, path = "", all = new Map<string, string>()): Map<string, string> {
  if (typeof value === "string") all.set(path, value);
  else if (typeof value === "function") {
    const isProblem = path.startsWith(".problems");
    const given = isProblem ? [{ host: "ada:7684", room: "Den", device: "Yeti" }] : ["Mara", "12", true];
    said((value as (...given: unknown[]) => unknown)(...given), `${path}()`, all);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, each] of Object.entries(value)) said(each, `${path}.${key}`, all);
  }
  return all;
}

const DETAILS = ["ada:7684", "Den", "Yeti", "Mara", "12"];
const pattern = said({ ...english }, "");

describe.each(Object.entries(OTHERS))("%s", (_language, catalogue) => {
  const own = said({ ...catalogue }, "");

  test("has the keys of English, no more and no fewer", () => {
    expect([...own.keys()].sort()).toEqual([...pattern.keys()].sort());
  });

  test("tells every detail that English tells in one place", () => {
    const told = (all: Map<string, string>, path: string) => {
      // A problem tells its details in the title or in the hint.
      const words = path.endsWith(".title") ? `${all.get(path)} ${all.get(path.replace(/title$/, "hint"))}` : all.get(path);
      return DETAILS.filter((detail) => words?.includes(detail));
    };
    const paths = [...pattern.keys()].filter((path) => path.includes("()") && !path.endsWith(".hint"));
    for (const path of paths) expect([path, told(own, path)]).toEqual([path, told(pattern, path)]);
  });

  test("has words, without shouting and without what comes from programs", () => {
    for (const [path, text] of own) {
      expect(text, path).toMatch(/\S/);
      expect(text, path).toBe(text.trim());
      expect(text, path).not.toMatch(/!|undefined|null|NaN|\[object/);
      // Call health may name what it measures.
      if (path.startsWith(".health")) continue;
      expect(text, path).not.toMatch(/\b(peer|SFU|ICE|codec|socket|VP8|error|oops)\b/i);
    }
  });

  test("is not English that was left in place", () => {
    // Where both say the same, it is a name or a word that they share.
    const same = [...own].filter(([path, text]) => pattern.get(path) === text && /\p{L}{2}/u.test(text));
    expect(same.length / own.size, same.join("; ")).toBeLessThan(0.1);
  });

  test("says problems in sentences", () => {
    for (const [path, text] of own) {
      if (path.startsWith(".problems.words")) expect(text, path).toMatch(/[.?。]$/u);
    }
  });
});

test("no file names a catalogue but through the one that speaks", () => {
  const root = join(import.meta.dirname, "../../src");
  const outside = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (file) => /\.(ts|svelte)$/.test(file) && !file.startsWith("i18n"),
  );
  expect(outside.length).toBeGreaterThan(50);
  for (const file of outside) {
    expect(readFileSync(join(root, file), "utf8"), file).not.toMatch(/i18n\/(en|de|fr|es|ja)["/]/);
  }
});

describe("the language", () => {
  test("is the first that the computer prefers and Snug speaks", () => {
    expect(languageFor("system", ["de-AT", "en"])).toBe("de");
    expect(languageFor("system", ["nl-NL", "ja", "fr"])).toBe("ja");
    expect(languageFor("system", ["pt_BR", "toString"])).toBe("en");
    expect(languageFor("system", [])).toBe("en");
    expect(languageFor("es", ["de"])).toBe("es");
  });

  test("is remembered, named on the page, and falls back on what the computer prefers", async () => {
    const memory = new Map<string, string>([["language", "nonsense"]]);
    const storage = { getItem: (key: string) => memory.get(key) ?? null, setItem: memory.set.bind(memory) };
    const root = document.createElement("html");
    const choose = await keepLanguage(root, ["fr-CA"], storage);
    expect(root.lang).toBe("fr");
    choose("ja");
    await vi.waitFor(() => expect(root.lang).toBe("ja"));
    expect(memory.get("language")).toBe("ja");
    const again = document.createElement("html");
    await keepLanguage(again, ["fr-CA"], storage);
    expect(again.lang).toBe("ja");
    choose("system");
    await vi.waitFor(() => expect(root.lang).toBe("fr"));
  });

  test("is the last one asked for, whichever words come first", async () => {
    const spoken = await Promise.all([speak("de"), speak("en")]);
    expect(spoken).toEqual([false, true]);
    await showPage(atHome);
    expect(byId("home").textContent).toContain(english.home.hostRoom);
  });

  test("counts by its own rules", () => {
    const people = { one: "1", other: "n" };
    expect([0, 1, 2].map((count) => pluralsOf("en")(count, people))).toEqual(["n", "1", "n"]);
    expect([0, 1, 2].map((count) => pluralsOf("fr")(count, people))).toEqual(["1", "1", "n"]);
    expect([0, 1, 2].map((count) => pluralsOf("ja")(count, people))).toEqual(["n", "n", "n"]);
    expect(german.home.hostAndPeople("ada", 1)).toBe("ada · 1 Person");
    expect(spanish.home.hostAndPeople("ada", 4)).toBe("ada · 4 personas");
  });
});

/** Texts of English that the other language says in other words. */
const onlyEnglish = new Set(
  [...pattern].filter(([path, text]) => !path.includes("()") && said({ ...german }, "").get(path) !== text).map(([, text]) => text),
);
const germanWords = new Set(said({ ...german }, "").values());

/** What is on screen, or heard by a screen reader, that is left in English. */
function leftInEnglish(): string[] {
  const spoken = ["aria-label", "placeholder", "title", "aria-valuetext"];
  const texts = [...document.body.querySelectorAll("*")].flatMap((element) => [
    ...[...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent ?? ""),
    ...spoken.map((name) => element.getAttribute(name) ?? ""),
  ]);
  return texts.map((text) => text.trim()).filter((text) => onlyEnglish.has(text) && !germanWords.has(text));
}

describe("what is on screen follows a change of language", () => {
  const room = inRoom([myself({ microphone: "muted" }), person(1, ""), person(2, "Bo", { microphone: "absent", tile: null })]);
  const screens: [string, typeof atHome, string[]][] = [
    ["home", { ...atHome, rooms: found, recent }, []],
    ["an empty home", atHome, []],
    ["the way in", { ...atHome, stage: { kind: "joining", room: "Den", host: "ada:7684", step: "agreeing_keys", is_waiting: false, decides: null } }, []],
    ["a problem", { ...atHome, problem: problem("no_answer") }, []],
    ["a room", room, []],
    ["people", room, ["people-button"]],
    ["devices", atHome, ["settings-button"]],
    ["appearance", atHome, ["settings-button", "settings-appearance"]],
    ["language", atHome, ["settings-button", "settings-language"]],
    ["about", atHome, ["settings-button", "settings-about"]],
  ];

  test.each(screens)("%s", async (_name, snapshot, clicks) => {
    await showPage(snapshot);
    for (const click of clicks) await fireEvent.click(byId(click));
    expect(leftInEnglish()).not.toEqual([]);
    await speak("de");
    await tick();
    expect(leftInEnglish()).toEqual([]);
    await expectAccessible();
  });
});

test("settings offer every language by its own name, and the computer's", async () => {
  const { backend, onlanguage } = await showPage(atHome);
  expect(onlanguage).toHaveBeenLastCalledWith("system");
  await fireEvent.click(byId("settings-button"));
  await fireEvent.click(byId("settings-language"));
  const radios = [...byId("language").querySelectorAll("input")];
  expect(radios.map(({ value }) => value)).toEqual(["system", ...LANGUAGES]);
  expect(byId("language").querySelector('[lang="ja"]')?.textContent).toBe(NAMES.ja);
  await fireEvent.click(radios.find(({ value }) => value === "fr")!);
  expect(backend.requests).toEqual([["setLanguage", "fr"]]);
});
