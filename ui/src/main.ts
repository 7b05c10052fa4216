// Mounts the page and keeps it in the theme that the person chose, or the system asks for.
import { mount } from "svelte";

import "./styles/tokens.css";
import "./styles/base.css";
import PageRoot from "./App.svelte";
import { keepLanguage } from "./i18n/keep";
import { native } from "./ipc/native";
import { App } from "./state/app.svelte";
import { TileClient } from "./tiles/client";
import { browserEnvironment } from "./tiles/environment";
import { keepTheme } from "./theme";

const target = document.getElementById("app");
if (target === null) {
  throw new Error("index.html has no #app element to mount the page in");
}
const onappearance = keepTheme(
  document.documentElement,
  window.matchMedia("(prefers-color-scheme: light)"),
  window.localStorage,
);
const tiles = new TileClient(browserEnvironment(() => native.openTiles()));
const onlanguage = await keepLanguage(document.documentElement, navigator.languages, window.localStorage);
mount(PageRoot, { target, props: { app: new App(native, tiles), onappearance, onlanguage } });
