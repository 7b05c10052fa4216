// Every state worth looking at, by name.
import { mount as mountComponent } from "svelte";

import Parts from "./Parts.svelte";

/** Puts one state on the page. */
export type Show = (target: HTMLElement, mount: typeof mountComponent) => void;

export const states: Record<string, Show> = {
  parts: (target, mount) => mount(Parts, { target }),
};
