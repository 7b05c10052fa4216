import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cleanup, fireEvent, screen } from "@testing-library/svelte";
import { afterEach, describe, expect, test } from "vitest";

import packageJson from "../../package.json";
import { expectAccessible } from "../axe";
import { atHome, settings, troubled } from "../fixtures";
import { byId, has, showPage } from "./page";

afterEach(cleanup);

async function open(snapshot = atHome) {
  const page = await showPage(snapshot);
  await fireEvent.click(byId("settings-button"));
  return page;
}

describe("settings", () => {
  test("cover home, and give it back", async () => {
    await open();
    expect(has("home")).toBe(false);
    expect(document.activeElement).toBe(byId("back"));
    await expectAccessible();
    await fireEvent.click(byId("back"));
    expect(has("home")).toBe(true);
    await new Promise(requestAnimationFrame);
    expect(document.activeElement).toBe(byId("settings-button"));
  });

  test("close on Esc", async () => {
    await open();
    await fireEvent.keyDown(document.body, { key: "Escape" });
    expect(has("settings")).toBe(false);
  });

  test("choose devices, stand-ins and files", async () => {
    const { backend } = await open();
    await fireEvent.change(byId("camera-picker"), { target: { value: "test" } });
    await fireEvent.change(byId("camera-picker"), { target: { value: "pick" } });
    await fireEvent.change(byId("microphone-picker"), { target: { value: "pick" } });
    await fireEvent.click(screen.getByRole("switch", { name: "Mirror my picture" }));
    await fireEvent.click(byId("listen"));
    await fireEvent.click(byId("test-speaker"));
    expect(backend.requests).toEqual([
      ["chooseCamera", { kind: "test_pattern" }],
      ["pickCameraFile"],
      ["pickMicrophoneFile"],
      ["setMirror", false],
      ["setListening", true],
      ["testSpeaker"],
    ]);
  });

  test("say what is the matter with a device", async () => {
    await open({ ...atHome, me: { ...atHome.me, microphone: troubled("microphone_busy") } });
    expect(screen.getByRole("alert").textContent).toContain("Another program is using the microphone.");
    await expectAccessible();
  });

  test("find nothing wrong with having no speaker", async () => {
    await open({ ...atHome, me: { ...atHome.me, speaker: troubled("no_device") } });
    expect(screen.queryByRole("alert")).toBeNull();
    expect(byId<HTMLButtonElement>("test-speaker").disabled).toBe(true);
  });

  test("choose the theme and the graphics processor", async () => {
    const { backend } = await open();
    await fireEvent.click(byId("settings-appearance"));
    expect(byId("settings-appearance").getAttribute("aria-current")).toBe("page");
    await expectAccessible();
    await fireEvent.click(screen.getByRole("radio", { name: "Light" }));
    await fireEvent.click(screen.getByRole("radio", { name: "Off" }));
    expect(screen.getByText(/Takes effect at the next start/)).toBeTruthy();
    expect(backend.requests).toEqual([
      ["setAppearance", "light"],
      ["setGraphics", "off"],
    ]);
  });

  test("tell what Snug is and what its encryption means", async () => {
    await open();
    await fireEvent.click(byId("settings-about"));
    expect(screen.getByText(packageJson.version)).toBeTruthy();
    expect(screen.getByText(/could see and hear them/)).toBeTruthy();
    await expectAccessible();
  });
});

test("the page puts itself in the theme that was chosen", async () => {
  const { onappearance } = await showPage({ ...atHome, settings: { ...settings, appearance: "light" } });
  expect(onappearance).toHaveBeenLastCalledWith("light");
});

test("the page has the version of the program", () => {
  const manifest = readFileSync(join(import.meta.dirname, "../../../Cargo.toml"), "utf8");
  expect(manifest).toContain(`version = "${packageJson.version}"`);
});
