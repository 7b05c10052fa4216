// Which languages there are, and which one is spoken.
import type { Language } from "../ipc/types";
import type { Catalogue } from "./catalogue";

export type Spoken = Exclude<Language, "system">;

/** Each by its own name, so that whoever looks for theirs finds it. */
export const NAMES: Readonly<Record<Spoken, string>> = {
  en: "English",
  de: "Deutsch",
  fr: "Français",
  es: "Español",
  ja: "日本語",
};

export const LANGUAGES = Object.keys(NAMES) as readonly Spoken[];

/** Brings the words of a language; English came with the page. */
export const LOADERS: Readonly<Record<Exclude<Spoken, "en">, () => Promise<Catalogue>>> = {
  de: async () => (await import("./de")).german,
  fr: async () => (await import("./fr")).french,
  es: async () => (await import("./es")).spanish,
  ja: async () => (await import("./ja")).japanese,
};

/** Picks what to speak: the choice, or the first known one of those that the computer prefers, as
 * BCP 47 tags, the best first. */
export function languageFor(choice: Language, preferred: readonly string[]): Spoken {
  if (choice !== "system") return choice;
  const bases = preferred.map((tag) => tag.toLowerCase().split(/[-_]/)[0]);
  return bases.find(isSpoken) ?? "en";
}

export function isSpoken(value: unknown): value is Spoken {
  return typeof value === "string" && Object.hasOwn(NAMES, value);
}
