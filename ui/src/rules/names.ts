// Names of people and rooms: what may be typed, initials, and telling two of one name apart.

/** Longest name in Unicode characters, and in bytes: the program's own limits (crates/protocol). */
const CHARACTERS_MAX = 64;
const BYTES_MAX = 200;

/** What can make one name look like another, or break a line. */
const HOSTILE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

export type NameFault = "empty" | "too_long" | "invisible" | "slash" | "dots";

/** Says what keeps `text` from being a person's name; null when nothing does. */
export function personNameFault(text: string): NameFault | null {
  const name = text.normalize("NFC").trim();
  if (name === "") return "empty";
  if (Array.from(name).length > CHARACTERS_MAX || new TextEncoder().encode(name).length > BYTES_MAX) return "too_long";
  return HOSTILE.test(name) ? "invisible" : null;
}

/** Says what keeps `text` from being a room's name; null when nothing does. */
export function roomNameFault(text: string): NameFault | null {
  const fault = personNameFault(text);
  if (fault !== null) return fault;
  if (text.includes("/")) return "slash";
  return /^\.{1,2}$/.test(text.trim()) ? "dots" : null;
}

/** Splits text into letters as a reader counts them: an emoji family or "e" with accents is one. */
export function letters(text: string): string[] {
  return Array.from(new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text), (part) => part.segment);
}

/** Letters so wide that two do not fit side by side, in scripts whose names need no second one. */
const WIDE =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Emoji_Presentation}]/u;

/** Makes the one or two letters that stand for a person without a picture; empty for no name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).map(firstLetter).filter((letter) => letter !== "");
  const [first = ""] = words;
  if (words.length < 2 || WIDE.test(first)) return first;
  return first + (words.at(-1) ?? "");
}

function firstLetter(word: string): string {
  const all = letters(word);
  // Brackets and quotes stand for nobody; but a name made only of emoji has its emoji.
  const letter = all.find((one) => /[\p{L}\p{N}]/u.test(one)) ?? all.find((one) => /\p{Emoji_Presentation}/u.test(one));
  return (letter ?? "").toLocaleUpperCase();
}

/** Numbers those who share a name, in the order in which they came: null for a name of its own. */
export function numberSameNames(people: readonly { id: string; name: string }[]): Map<string, number | null> {
  const seen = new Map<string, string[]>();
  for (const { id, name } of people) {
    const key = name.normalize("NFC").trim().toLocaleLowerCase();
    seen.set(key, [...(seen.get(key) ?? []), id]);
  }
  const numbers = new Map<string, number | null>();
  for (const ids of seen.values()) {
    for (const [at, id] of ids.entries()) numbers.set(id, ids.length > 1 ? at + 1 : null);
  }
  return numbers;
}
