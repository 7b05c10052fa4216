// The list of languages that the person chooses from.
import { LANGUAGES, NAMES } from "../i18n/language";
import { words } from "../i18n/words.svelte";
import type { Language } from "../ipc/types";

const { settings } = words;

/** Lists what the page can speak, each by its own name and said in its own language. */
export function languageChoices(): { value: Language; label: string; lang?: string }[] {
  const named = LANGUAGES.map((value) => ({ value, label: NAMES[value], lang: value }));
  return [{ value: "system", label: settings.asTheComputer }, ...named];
}
