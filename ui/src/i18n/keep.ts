// Keeps the page in the language that the person chose.
import type { Language } from "../ipc/types";
import { isSpoken, languageFor } from "./language";
import { speak } from "./words.svelte";

/** Where the page remembers the last choice, so that it starts in the right language, before the program's first word. */
const REMEMBERED = "language";

/** Speaks the remembered language, named on `root`; answers, once it does, how to say the person's choice. */
export async function keepLanguage(
  root: HTMLElement,
  preferred: readonly string[],
  memory: Pick<Storage, "getItem" | "setItem">,
): Promise<(choice: Language) => void> {
  let chosen = remembered(memory);
  const apply = async () => {
    const language = languageFor(chosen, preferred);
    if (await speak(language)) root.lang = language;
  };
  await apply();
  return (choice) => {
    if (choice === chosen) return;
    memory.setItem(REMEMBERED, choice);
    chosen = choice;
    void apply();
  };
}

function remembered(memory: Pick<Storage, "getItem">): Language {
  const found = memory.getItem(REMEMBERED);
  return isSpoken(found) ? found : "system";
}
