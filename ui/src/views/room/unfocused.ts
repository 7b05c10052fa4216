// News for whoever looks at another program: shown by the desktop, or by the browser.

import { words } from "../../i18n/words.svelte";
import type { App } from "../../state/app.svelte";
import type { ShownPerson } from "./people";

/** Tells a piece of news, unless the person has this page before them. */
export function tellUnfocused(app: App, title: string, body: string): void {
  if (document.hasFocus()) return;
  // A desktop that shows no news is no trouble of the call's.
  app.backend.notify(title, body).catch(() => undefined);
}

/** Makes a function that tells of the first person who comes to somebody alone in `room`. */
export function firstArrivals(app: App): (others: readonly ShownPerson[], room: string) => void {
  let wasAlone = false;
  return ([first], room) => {
    if (wasAlone && first !== undefined) tellUnfocused(app, words.room.cameIn(first.shownName), room);
    wasAlone = first === undefined;
  };
}
