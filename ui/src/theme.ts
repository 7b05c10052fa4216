// Keeps the page in one of the two themes that styles/tokens.css defines.
import type { Appearance } from "./ipc/types";

export type Theme = "dark" | "light";

/** Where the page remembers the last choice, so that it starts in the right theme, before the program's first word. */
const REMEMBERED = "appearance";

/** Names the theme for what the person chose, and for what the system prefers when they left it to that. */
export function themeFor(appearance: Appearance, prefersLight: boolean): Theme {
  if (appearance !== "system") return appearance;
  return prefersLight ? "light" : "dark";
}

/** Sets the theme on `root` now and at every change of the system's preference; returns how to say the person's choice. */
export function keepTheme(
  root: HTMLElement,
  prefersLight: MediaQueryList,
  memory: Pick<Storage, "getItem" | "setItem">,
): (appearance: Appearance) => void {
  let chosen = remembered(memory);
  const apply = () => {
    root.dataset["theme"] = themeFor(chosen, prefersLight.matches);
  };
  apply();
  prefersLight.addEventListener("change", apply);
  return (appearance) => {
    if (appearance !== chosen) memory.setItem(REMEMBERED, appearance);
    chosen = appearance;
    apply();
  };
}

function remembered(memory: Pick<Storage, "getItem">): Appearance {
  const found = memory.getItem(REMEMBERED);
  return found === "light" || found === "dark" ? found : "system";
}
