import { cleanup, fireEvent, render, screen } from "@testing-library/svelte";
import { tick } from "svelte";
import { afterEach, expect, test, vi } from "vitest";

import GuestApp from "../../src/GuestApp.svelte";
import type { Snapshot } from "../../src/ipc/types";
import { App } from "../../src/state/app.svelte";
import type { Tiles } from "../../src/tiles/tiles";
import { expectAccessible } from "../axe";
import { memoryBackend } from "../backend";
import { atHome, problem, troubled } from "../fixtures";
import { inRoom, myself, person } from "../fixtures/room";
import { byId, has, said } from "./page";

afterEach(cleanup);

/** A browser's tiles that show nothing. */
const tiles: Tiles = {
  surface: "video",
  open: () => undefined,
  show: () => ({ resize: () => undefined, close: () => undefined }),
  onLevels: () => () => undefined,
  wantLevels: () => () => undefined,
  takeWork: () => null,
  close: () => undefined,
};

const nameless: Snapshot = { ...atHome, settings: { ...atHome.settings, name: "" } };

async function showGuest(snapshot: Snapshot, room: string | null = "Harbour crew") {
  const backend = memoryBackend(snapshot);
  Object.assign(backend, { kind: "browser" });
  const address = { now: room, room: () => address.now, go: (to: string | null) => void (address.now = to) };
  const onlanguage = vi.fn();
  render(GuestApp, { app: new App(backend, tiles), address, host: "10.0.0.1:7684", onlanguage });
  await said();
  return { backend, address, onlanguage };
}

const joinButton = () => byId<HTMLButtonElement>("join-button");

test("the page of a room asks for a name and goes in with it", async () => {
  const { backend } = await showGuest(nameless);
  expect(byId("room-name").textContent).toBe("Harbour crew");
  expect(has("room-input")).toBe(false);
  await expectAccessible();
  await fireEvent.click(joinButton());
  expect(screen.getByText(/Say your name first/)).toBeTruthy();
  expect(backend.requests).toEqual([]);
  expect(document.activeElement).toBe(byId("name-input"));
  await fireEvent.input(byId("name-input"), { target: { value: " Grete " } });
  await fireEvent.click(joinButton());
  await said();
  expect(backend.requests).toEqual([["setName", "Grete"], ["joinRoom", "Harbour crew"]]);
});

test("the page of no room asks for one, and its address becomes that room's", async () => {
  const { backend, address } = await showGuest(atHome, null);
  await fireEvent.click(joinButton());
  expect(screen.getByText(/Type the name of the room/)).toBeTruthy();
  await fireEvent.input(byId("room-input"), { target: { value: "a/b" } });
  await fireEvent.click(joinButton());
  expect(backend.requests).toEqual([]);
  await fireEvent.input(byId("room-input"), { target: { value: "Budget" } });
  await fireEvent.click(joinButton());
  await said();
  expect(address.now).toBe("Budget");
  expect(backend.requests.at(-1)).toEqual(["joinRoom", "Budget"]);
  await fireEvent.click(byId("other-room"));
  expect(address.now).toBeNull();
  expect(has("room-input")).toBe(true);
});

test("on the way in nothing can be asked twice, and the way can be given up", async () => {
  const stage = { kind: "joining", room: "Harbour crew", host: null, step: "entering", is_waiting: false, decides: null } as const;
  const { backend } = await showGuest({ ...atHome, stage });
  await fireEvent.click(joinButton());
  expect(backend.requests).toEqual([]);
  await fireEvent.click(byId("cancel"));
  expect(backend.requests).toEqual([["cancelJoining"]]);
});

test("why a visit ended is said in a sentence, with the way in still there", async () => {
  await showGuest({ ...atHome, problem: problem("no such room", { host: "10.0.0.1:7684", room: "Harbour crew" }) });
  expect(byId("problem").textContent).toContain("There is no room called Harbour crew on 10.0.0.1:7684.");
  expect(has("join-button")).toBe(true);
  await expectAccessible();
});

test("a browser that keeps the camera from the page says so, and another try is offered", async () => {
  await showGuest({ ...atHome, me: { ...atHome.me, camera: troubled("camera_blocked") } });
  expect(document.body.textContent).toContain("The browser does not let this page use the camera.");
  expect(screen.getByRole("button", { name: "Try again" })).toBeTruthy();
});

test("devices are chosen in a sheet that offers no stand-ins", async () => {
  await showGuest(atHome);
  await fireEvent.click(byId("settings-button"));
  await tick();
  expect(has("devices-sheet")).toBe(true);
  expect(document.body.textContent).not.toContain("Test pattern");
  expect(document.body.textContent).not.toContain("A file...");
});

test("in the room a guest has no more than a guest may do", async () => {
  const { backend } = await showGuest(inRoom([person(1, "Ann"), myself()], { host: "10.0.0.1:7684", links: ["https://10.0.0.1:7684/room/a"] }));
  expect(document.querySelectorAll("video")).toHaveLength(2);
  await fireEvent.click(byId("encryption"));
  expect(document.body.textContent).toContain("A browser cannot check the host's key by itself.");
  await fireEvent.click(byId("invite-button"));
  expect(byId("invite-sheet").querySelectorAll("input")).toHaveLength(1);
  await fireEvent.click(byId("leave-button"));
  expect(byId("leave-sheet").textContent).toContain("You can come back by this page.");
  await fireEvent.click(byId("leave-confirm"));
  expect(backend.requests.at(-1)).toEqual(["leaveRoom"]);
  await expectAccessible();
});

test("a guest chooses a language among their devices", async () => {
  const { backend, onlanguage } = await showGuest({ ...nameless, settings: { ...nameless.settings, language: "ja" } });
  expect(onlanguage).toHaveBeenLastCalledWith("ja");
  await fireEvent.click(byId("settings-button"));
  await expectAccessible();
  await fireEvent.change(byId("language-picker"), { target: { value: "es" } });
  expect(backend.requests).toEqual([["setLanguage", "es"]]);
});
