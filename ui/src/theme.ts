// Chooses between the two themes that styles/tokens.css defines.

export type Theme = "dark" | "light";

/** Names the theme for what the system prefers. Dark is Snug's own: it is used unless light is asked for. */
export function themeFor(prefersLight: boolean): Theme {
  return prefersLight ? "light" : "dark";
}

/** Sets the theme on `root` now and whenever the system's preference changes. */
export function followSystemTheme(root: HTMLElement, prefersLight: MediaQueryList): void {
  const apply = () => {
    root.dataset["theme"] = themeFor(prefersLight.matches);
  };
  apply();
  prefersLight.addEventListener("change", apply);
}
