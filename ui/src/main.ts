// Mounts the one view that exists and keeps the page in the theme that the system asks for.
import { mount } from "svelte";

import "./styles/tokens.css";
import "./styles/base.css";
import { followSystemTheme } from "./theme";
import Welcome from "./views/Welcome.svelte";

const target = document.getElementById("app");
if (target === null) {
  throw new Error("index.html has no #app element to mount the page in");
}
followSystemTheme(document.documentElement, window.matchMedia("(prefers-color-scheme: light)"));
mount(Welcome, { target });
