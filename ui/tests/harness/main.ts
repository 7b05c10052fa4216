// Mounts the state that the address names: ?state=NAME&theme=dark|light.
import "../../src/styles/tokens.css";
import "../../src/styles/base.css";
import { states } from "./states";

const asked = new URLSearchParams(location.search);
document.documentElement.dataset["theme"] = asked.get("theme") === "light" ? "light" : "dark";

const target = document.getElementById("app");
const show = states[asked.get("state") ?? ""];
if (target === null || show === undefined) {
  document.body.textContent = `States: ${Object.keys(states).join(", ")}`;
} else {
  show(target);
}
