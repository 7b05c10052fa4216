// Mounts the page in a browser, in the theme that its system prefers.
import { mount } from "svelte";

import "./styles/tokens.css";
import "./styles/base.css";
import GuestApp from "./GuestApp.svelte";
import { keepLanguage } from "./i18n/keep";
import { BrowserBackend } from "./ipc/browser";
import { pathOf, roomAt } from "./ipc/browser/place";
import { App } from "./state/app.svelte";
import { keepTheme } from "./theme";

const target = document.getElementById("app");
if (target === null) {
  throw new Error("guest.html has no #app element to mount the page in");
}
keepTheme(document.documentElement, window.matchMedia("(prefers-color-scheme: light)"), window.localStorage);
const backend = new BrowserBackend();
const address = {
  room: () => roomAt(window.location.pathname),
  go: (room: string | null) => window.history.pushState(null, "", room === null ? "/" : pathOf(room)),
};
const onlanguage = await keepLanguage(document.documentElement, navigator.languages, window.localStorage);
const app = new App(backend, backend.tiles);
mount(GuestApp, { target, props: { app, address, host: window.location.host, onlanguage } });
backend.start();
