// The chat of a room: who said what, that words stay words, and what is unread.
import { fireEvent } from "@testing-library/svelte";
import { tick } from "svelte";
import { beforeEach, expect, test } from "vitest";

import type { ChatMessage, Social } from "../../src/ipc/types";
import { inRoom, myself, person } from "../fixtures/room";
import { byId, has } from "../views/page";
import { resizeWindow, showRoom } from "./show";

beforeEach(() => resizeWindow(1120, 720));

const said = (id: number, person: string, text: string, name = "Mara"): ChatMessage => ({ id, person, name, at_ms: id * 600_000, text });

async function show(social: Partial<Social> = {}) {
  const room = await showRoom(inRoom([person(9, "Mara"), myself()]));
  const tell = async (change: Partial<Social>) => {
    room.backend.tellSocial(change);
    await tick();
  };
  await tell(social);
  return { ...room, tell };
}

const press = async (key: string) => {
  await fireEvent.keyDown(document.body, { key });
  await tick();
};

test("a room without a chat offers none", async () => {
  const room = await showRoom(inRoom([person(9, "Mara"), myself()]));
  expect(has("chat-button")).toBe(false);
  expect(has("hand-button")).toBe(false);
  await press("c");
  expect(has("chat-drawer")).toBe(false);
  room.backend.tellSocial({});
  await tick();
  expect(has("chat-button")).toBe(true);
});

test("markup in messages and names stays words, and a web link opens elsewhere", async () => {
  const evil = "<img src=x onerror=alert(1)>";
  const { backend } = await show({ messages: [said(1, "p9", `${evil} https://a.example/x`, evil)] });
  await press("c");
  const log = byId("chat-log");
  expect(log.querySelector("img, script")).toBeNull();
  expect(log.textContent).toContain(evil);
  const link = log.querySelector("a");
  expect(link?.getAttribute("rel")).toContain("noopener");
  const click = new MouseEvent("click", { bubbles: true, cancelable: true });
  link?.dispatchEvent(click);
  expect(click.defaultPrevented).toBe(true);
  expect(backend.requests).toContainEqual(["openWebLink", "https://a.example/x"]);
});

test("what is unread is counted and read out until the chat is open", async () => {
  const { tell } = await show({});
  const messages = [said(1, "me", "mine"), said(2, "p9", "one"), said(3, "p9", "two")];
  await tell({ messages });
  expect(byId("chat-unread").textContent).toBe("2");
  expect(byId("chat-button").getAttribute("aria-label")).toContain("2 new messages");
  expect(byId("social-news").textContent).toBe("Mara: two");
  await press("c");
  expect(has("chat-unread")).toBe(false);
  expect(byId("chat-log").getAttribute("role")).toBe("log");
  await tell({ messages: [...messages, said(4, "p9", "three")] });
  expect(has("chat-unread")).toBe(false);
  expect(byId("social-news").textContent).toBe("Mara: two");
});

test("Enter sends what was typed, and a refusal gives it back with a sentence", async () => {
  const { backend, tell } = await show({});
  await press("c");
  const field = byId<HTMLTextAreaElement>("chat-field");
  expect(document.activeElement).toBe(field);
  await fireEvent.keyDown(field, { key: "Enter" });
  await fireEvent.input(field, { target: { value: "hello" } });
  await fireEvent.keyDown(field, { key: "Enter", shiftKey: true });
  expect(backend.requests.filter(([name]) => name === "sayInChat")).toEqual([]);
  await fireEvent.keyDown(field, { key: "Enter" });
  expect(backend.requests.filter(([name]) => name === "sayInChat")).toEqual([["sayInChat", "hello"]]);
  expect(field.value).toBe("");
  await tell({ refused: { number: 1, reason: "too_fast", text: "hello" } });
  expect(field.value).toBe("hello");
  expect(byId("chat-drawer").textContent).toContain("too many messages");
  await press("m");
  await fireEvent.keyDown(field, { key: "c" });
  expect(has("chat-drawer")).toBe(true);
});

test("a hand goes up by its key, shows on tiles and in the list, and is read out", async () => {
  const { backend, tell, container } = await show({});
  await press("h");
  expect(backend.requests).toContainEqual(["raiseHand", true]);
  const other = container.querySelector('[data-testid="tile"][data-me="false"]')?.getAttribute("data-person") ?? "";
  await tell({ hands: [other, "me"] });
  expect(container.querySelectorAll('[data-testid="tile-hand"]')).toHaveLength(2);
  expect(byId("hand-button").getAttribute("aria-pressed")).toBe("true");
  expect(byId("social-news").textContent).toMatch(/raised a hand\.$/);
  await press("h");
  expect(backend.requests).toContainEqual(["raiseHand", false]);
  await press("p");
  expect(container.querySelectorAll('[data-testid="row-hand"]')).toHaveLength(2);
});

test("a reaction is offered, asked for, and shown on the tile of who reacts", async () => {
  const { backend, tell, container } = await show({});
  await fireEvent.click(byId("react-button"));
  await fireEvent.click(byId("react-cheer"));
  expect(backend.requests).toContainEqual(["react", "cheer"]);
  expect(has("react-cheer")).toBe(false);
  await tell({ reactions: [{ number: 1, person: "me", reaction: "cheer" }] });
  const shown = container.querySelector('[data-testid="tile-reaction"]');
  expect(shown?.closest('[data-testid="tile"]')?.getAttribute("data-me")).toBe("true");
});
