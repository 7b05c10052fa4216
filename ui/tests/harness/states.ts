// Every state worth looking at, by name: ui/tests/harness/main.ts puts one on the page.
import type { Component } from "svelte";
import { mount } from "svelte";

import PageRoot from "../../src/App.svelte";
import type { Snapshot } from "../../src/ipc/types";
import { atHome, found, off, problem, recent, settings, troubled } from "../fixtures";
import Parts from "./Parts.svelte";
import { appThatShows } from "./program";
import { roomStates } from "./room";

/** Puts one state on the page. */
export type Show = (target: HTMLElement) => void;

/** Shows the whole page as it is with `snapshot`; `then` goes on from there as a person would. */
export function page(snapshot: Snapshot, then: () => void = () => undefined): Show {
  return (target) => {
    mount(PageRoot, { target, props: { app: appThatShows(snapshot), onappearance: () => undefined, onlanguage: () => undefined } });
    setTimeout(then, 300);
  };
}

function part(component: Component): Show {
  return (target) => mount(component, { target });
}

/** Presses what has the test id. */
function press(testid: string): void {
  document.querySelector<HTMLElement>(`[data-testid="${testid}"]`)?.click();
}

function type(testid: string, text: string): void {
  const input = document.querySelector<HTMLInputElement>(`[data-testid="${testid}"]`);
  if (input === null) return;
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

const LONG = "Wolfeschlegelsteinhausenbergerdorff-Zeus";
const withRecent = { ...atHome, recent };
const joining = (step: "reaching_host" | "agreeing_keys" | "entering", host: string | null): Snapshot => ({
  ...atHome,
  stage: { kind: "joining", room: "Harbour crew", host, step, is_waiting: false, decides: null },
});
const failed = (code: string): Snapshot => ({
  ...atHome,
  problem: problem(code, { host: "192.168.1.20:7684", room: "Harbour crew", link: "192.168.1.20/Harbour crew" }),
});
const bare: Snapshot = {
  ...atHome,
  me: {
    camera: troubled("no_device"),
    microphone: troubled("no_device"),
    speaker: troubled("no_device"),
    is_listening: false,
  },
  devices: { cameras: [], microphones: [], speakers: [] },
};

export const states: Record<string, Show> = {
  parts: part(Parts),
  ...roomStates,
  home: page(atHome),
  "home-recent": page(withRecent),
  "home-found": page({ ...atHome, rooms: found }),
  "home-first": page({ ...atHome, settings: { ...settings, name: "" } }),
  "home-first-asked": page({ ...atHome, settings: { ...settings, name: "" } }, () => press("host-button")),
  "home-off": page({ ...withRecent, me: { ...atHome.me, camera: off(), microphone: off(), is_listening: true } }),
  "home-bare": page(bare),
  "home-busy": page({ ...atHome, me: { ...atHome.me, camera: troubled("camera_busy") } }),
  "home-wrong": page(withRecent, () => {
    type("join-input", "Harbour");
    press("join-button");
  }),
  "home-host-sheet": page(withRecent, () => press("open-host")),
  "home-join-sheet": page(withRecent, () => press("open-join")),
  "home-long": page({
    ...withRecent,
    settings: { ...settings, name: LONG },
    devices: { ...atHome.devices, cameras: [{ id: "c", name: `${LONG} ${LONG}`, is_default: true }] },
    recent: Array.from({ length: 8 }, (_, at) => ({ link: `l${at}`, room: `${LONG} ${LONG}`, host: `${LONG}.example:7684` })),
  }),
  joining: page(joining("agreeing_keys", "192.168.1.20:7684")),
  opening: page(joining("entering", null)),
  "join-no-answer": page(failed("no_answer")),
  "join-changed-key": page(failed("changed_key")),
  "joining-long": page({ ...atHome, stage: { kind: "joining", room: `${LONG} ${LONG}`, host: `${LONG}.example:7684`, step: "reaching_host", is_waiting: false, decides: null } }),
  settings: page(atHome, () => press("settings-button")),
  "settings-bare": page(bare, () => press("settings-button")),
  "settings-appearance": page(atHome, () => {
    press("settings-button");
    setTimeout(() => press("settings-appearance"), 100);
  }),
  "settings-about": page(atHome, () => {
    press("settings-button");
    setTimeout(() => press("settings-about"), 100);
  }),
};
