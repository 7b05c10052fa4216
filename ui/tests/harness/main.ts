// Mounts the state that the address names: ?state=NAME&theme=dark|light&language=en|de|fr|es|ja.
import "../../src/styles/tokens.css";
import "../../src/styles/base.css";
import { isSpoken } from "../../src/i18n/language";
import { speak } from "../../src/i18n/words.svelte";
import { states } from "./states";

const asked = new URLSearchParams(location.search);
document.documentElement.dataset["theme"] = asked.get("theme") === "light" ? "light" : "dark";

const language = asked.get("language") ?? "en";
if (isSpoken(language) && (await speak(language))) document.documentElement.lang = language;

const target = document.getElementById("app");
const show = states[asked.get("state") ?? ""];
if (target === null || show === undefined) {
  document.body.textContent = `States: ${Object.keys(states).join(", ")}`;
} else {
  show(target);
}
