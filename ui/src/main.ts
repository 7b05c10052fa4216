// Mounts the page and keeps it in the theme that the person chose, or the system asks for.
import { mount } from "svelte";

import "./styles/tokens.css";
import "./styles/base.css";
import { keepTheme } from "./theme";
import Welcome from "./views/Welcome.svelte";

const target = document.getElementById("app");
if (target === null) {
  throw new Error("index.html has no #app element to mount the page in");
}
keepTheme(
  document.documentElement,
  window.matchMedia("(prefers-color-scheme: light)"),
  window.localStorage,
);
mount(Welcome, { target });
