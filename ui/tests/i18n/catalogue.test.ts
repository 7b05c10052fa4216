// Every word on screen stands in the catalogue, and keeps to the look's Voice.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "svelte/compiler";
import { describe, expect, test } from "vitest";

import { english as words } from "../../src/i18n/en";

const root = join(import.meta.dirname, "../../src");
const views = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".svelte"));

/** Attributes that are read or heard. */
const SPOKEN = new Set(["aria-label", "aria-valuetext", "alt", "label", "placeholder", "title"]);

interface Node {
  type: string;
  name?: string;
  data?: string;
  value?: unknown;
}

/** Collects the words that a template says by itself. */
function ownWords(node: unknown, found: string[] = [], attribute = ""): string[] {
  if (Array.isArray(node)) {
    for (const each of node) ownWords(each, found, attribute);
    return found;
  }
  if (typeof node !== "object" || node === null) return found;
  const { type, name = "", data = "" } = node as Node;
  if (type === "Text" && (attribute === "" || SPOKEN.has(attribute)) && /\p{L}{2}/u.test(data)) {
    found.push(data.trim());
  }
  const within = type === "Attribute" ? name : attribute;
  for (const [key, value] of Object.entries(node)) {
    if (key !== "parent") ownWords(value, found, within);
  }
  return found;
}

test.each(views)("%s has no words of its own", (file) => {
  const { fragment } = parse(readFileSync(join(root, file), "utf8"), { modern: true });
  expect(ownWords(fragment)).toEqual([]);
});

test("a template with words of its own is found out", () => {
  const { fragment } = parse('<p title={x} aria-label="Say it">{#if a}Hello{/if}</p>', { modern: true });
  expect(ownWords(fragment)).toEqual(["Say it", "Hello"]);
});

/** Collects every text of the catalogue; those made of details with made-up ones. */
function texts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "function") return texts((value as (...given: unknown[]) => unknown)("Mara", "Yeti", true));
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(texts);
}

describe.each(Object.entries(words).filter(([section]) => section !== "problems"))("words of %s", (_name, section) => {
  test.each(texts(section))("%s", (text) => {
    expect(text).not.toMatch(/!|\bplease\b|\boops\b|\berror\b|\bfailed\b/i);
    expect(text).not.toMatch(/\b(peer|SFU|ICE|codec|socket|VP8|undefined|null)\b/);
    expect(text).toBe(text.trim());
  });
});
