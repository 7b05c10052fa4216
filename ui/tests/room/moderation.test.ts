// Who is in charge: what hosts see and may do, and what members do not.
import { cleanup, fireEvent, screen, within } from "@testing-library/svelte";
import { afterEach, beforeEach, expect, test } from "vitest";

import type { Person, Rules } from "../../src/ipc/types";
import { marked, NO_RULES, readRules, endOf } from "../../src/ipc/browser/rules";
import { expectAccessible } from "../axe";
import { inRoom, mara, myself, person, rules } from "../fixtures/room";
import { resizeWindow, showRoom } from "./show";

beforeEach(() => resizeWindow(1120, 720));
afterEach(cleanup);

const guest = person(7, "Jonas", { is_in_browser: true });

async function showDrawer(change: Partial<Rules>, people: readonly Person[] = [mara, guest]) {
  const me = myself({ role: change.role ?? "host" });
  const shown = await showRoom(inRoom([...people, me], { rules: { ...rules, ...change } }));
  await fireEvent.click(screen.getByTestId("people-button"));
  return shown;
}

async function optionsOf(id: string): Promise<HTMLElement> {
  const row = screen.getAllByTestId("person-row").find(({ dataset }) => dataset["person"] === id);
  await fireEvent.click(within(row as HTMLElement).getByTestId("person-options"));
  return screen.getByTestId("person-actions");
}

test("a host mutes, stops video, appoints and removes", async () => {
  const { backend } = await showDrawer({});
  for (const [button, action] of [
    ["mute-person", { kind: "mute", person: mara.id, on: true }],
    ["stop-video", { kind: "stop_video", person: mara.id, on: true }],
    ["co-host", { kind: "co_host", person: mara.id, on: true }],
    ["remove-person", { kind: "remove", person: mara.id }],
  ] as const) {
    const options = await optionsOf(mara.id);
    await expectAccessible();
    await fireEvent.click(within(options).getByTestId(button));
    expect(backend.requests.at(-1)).toEqual(["moderate", action]);
  }
  const options = await optionsOf(guest.id);
  expect(within(options).queryByTestId("co-host"), "only a Snug program can be one").toBeNull();
});

test("what was stopped can be let go on, and is told", async () => {
  const stopped = { ...mara, is_muted_by_host: true, is_hidden_by_host: true };
  const { backend } = await showDrawer({}, [stopped]);
  expect(screen.getByText("Muted by a host")).toBeTruthy();
  await fireEvent.click(within(await optionsOf(mara.id)).getByText("Let them speak again"));
  expect(backend.requests.at(-1)).toEqual(["moderate", { kind: "mute", person: mara.id, on: false }]);
});

test("a member has no controls, a co-host none over hosts and none that appoint", async () => {
  await showDrawer({ role: "member", waiting: [], is_locked: true });
  for (const control of ["person-options", "lock-button", "lobby-switch"]) {
    expect(screen.queryByTestId(control), control).toBeNull();
  }
  expect(screen.getByTestId("locked")).toBeTruthy();
  cleanup();
  await showDrawer({ role: "co_host" }, [{ ...mara, role: "host" }, guest]);
  expect(screen.getAllByTestId("person-options")).toHaveLength(1);
  expect(within(await optionsOf(guest.id)).queryByTestId("co-host")).toBeNull();
});

test("who waits comes first, and is let in or not; who was removed can be let back in", async () => {
  const waiting = [
    { id: "w1", name: "Jonas Lehmann", is_in_browser: true },
    { id: "w2", name: "", is_in_browser: false },
  ];
  const { backend } = await showDrawer({ waiting, removed: [{ bar: 3, name: "Bob" }], has_lobby: true });
  expect(screen.getAllByTestId("knock").map(({ dataset }) => dataset["person"])).toEqual(["w1", "w2"]);
  await expectAccessible();
  await fireEvent.click(screen.getAllByTestId("admit")[0] as HTMLElement);
  expect(backend.requests.at(-1)).toEqual(["moderate", { kind: "admit", person: "w1" }]);
  await fireEvent.click(screen.getAllByTestId("deny")[1] as HTMLElement);
  expect(backend.requests.at(-1)).toEqual(["moderate", { kind: "deny", person: "w2" }]);
  await fireEvent.click(screen.getByTestId("readmit"));
  expect(backend.requests.at(-1)).toEqual(["moderate", { kind: "readmit", bar: 3 }]);
  await fireEvent.click(screen.getByTestId("lobby-switch"));
  expect(backend.requests.at(-1)).toEqual(["moderate", { kind: "lobby", on: false }]);
  await fireEvent.click(screen.getByTestId("lock-button"));
  expect(backend.requests.at(-1)).toEqual(["moderate", { kind: "lock", on: true }]);
});

test("a host on somebody else's computer may leave it, or end it for all", async () => {
  const { backend } = await showRoom(inRoom([mara, myself()], { host: "192.168.1.20:7684", rules }));
  await fireEvent.click(screen.getByTestId("leave-button"));
  await fireEvent.click(screen.getByTestId("end-for-all"));
  expect(backend.requests.at(-1)).toEqual(["moderate", { kind: "end_for_all" }]);
});

test("the page for browsers reads what the room tells it, and nothing else", () => {
  const state = {
    role: "member",
    isWaiting: true,
    hostName: "Ann",
    silenced: { me: { audio: true }, p1: { audio: true, video: true } },
    roles: { p1: "coHost" },
  };
  const said = readRules({ type: "moderation", what: { state } }, "me");
  expect(said).toMatchObject({ is_waiting: true, decides: "Ann", stopped: { microphone: true, camera: false } });
  const shown = marked(person(1, "Mara"), said ?? NO_RULES);
  expect(shown).toMatchObject({ role: "co_host", microphone: "muted", tile: null, is_muted_by_host: true });
  for (const odd of [null, 7, {}, { type: "moderation" }, { type: "moderation", what: { state: 7 } }]) {
    expect(readRules(odd, "me")).toBeNull();
  }
  expect(endOf(JSON.stringify({ type: "error", data: { code: "turned_away" } }), null)).toBe("turned_away");
  expect(endOf(JSON.stringify({ type: "endpointRemoved", data: { id: "me" } }), "me")).toBe("put_out");
  expect(endOf(JSON.stringify({ type: "endpointRemoved", data: { id: "p1" } }), "me")).toBeNull();
  expect(endOf("{", null)).toBeNull();
});
