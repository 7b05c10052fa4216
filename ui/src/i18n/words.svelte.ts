// The words in the language that is spoken. Views take a section once, as `const { home } = words`,
// and read their words from it as they draw: a change of language redraws what is on screen.
import type { Catalogue } from "./catalogue";
import { english } from "./en";
import { LOADERS, type Spoken } from "./language";

let catalogue = $state.raw<Catalogue>(english);
let wanted: Spoken = "en";

/** Each key reads from the present language, at the moment it is asked. */
function live<Name extends keyof Catalogue>(name: Name): Catalogue[Name] {
  const keys = Object.keys(english[name]);
  const readers = keys.map((key) => [key, { enumerable: true, get: () => Reflect.get(catalogue[name], key) as unknown }]);
  return Object.defineProperties({}, Object.fromEntries(readers) as PropertyDescriptorMap) as Catalogue[Name];
}

const names = Object.keys(english) as (keyof Catalogue)[];

export const words = Object.fromEntries(names.map((name) => [name, live(name)])) as unknown as Catalogue;

/** Speaks `language` once its words are here; the last one asked for counts. Without them, as when
 * the host of the page is gone, it goes on in the present one. Says whether it is spoken. */
export async function speak(language: Spoken): Promise<boolean> {
  wanted = language;
  try {
    const brought = language === "en" ? english : await LOADERS[language]();
    if (wanted !== language) return false;
    catalogue = brought;
    return true;
  } catch {
    return false;
  }
}
