// Chat, hands and reactions in a browser, against what a room says.
import { expect, test } from "vitest";

import { Talk } from "../../src/ipc/browser/social";

const message = (id: number, person: string, text: string) => ({ id, endpointId: person, name: "Mara", atMs: 5, text });
const chat = (what: object) => ({ type: "chat", what });
const gesture = (what: object) => ({ type: "gesture", what });

function entered(): Talk {
  const talk = new Talk();
  talk.enter("p1");
  talk.handle(chat({ kind: "history", messages: [message(1, "p2", "before")] }));
  return talk;
}

test("history and what is said are kept once, one's own as one's own", () => {
  const talk = entered();
  expect(talk.handle(chat({ kind: "said", message: message(2, "p1", "mine"), nonce: 1 }))).toBe(true);
  expect(talk.handle(chat({ kind: "said", message: message(2, "p1", "mine") }))).toBe(false);
  const { is_there, messages } = talk.shown();
  expect(is_there).toBe(true);
  expect(messages.map(({ person, text }) => `${person} ${text}`)).toEqual(["p2 before", "me mine"]);
});

test("what was not said back is said again in the next place, and one is still oneself", () => {
  const talk = entered();
  talk.say("one");
  talk.say("two");
  talk.handle(chat({ kind: "said", message: message(2, "p1", "one"), nonce: 1 }));
  expect(talk.enter("p9")).toEqual([chat({ kind: "say", nonce: 2, text: "two" })]);
  expect(talk.shown().messages.at(-1)?.person).toBe("me");
});

test("a refusal tells why and gives the words back", () => {
  const talk = entered();
  talk.say("spam");
  expect(talk.handle(chat({ kind: "refused", nonce: 1, reason: "too_fast" }))).toBe(true);
  expect(talk.shown().refused).toMatchObject({ reason: "too_fast", text: "spam" });
  expect(talk.enter("p9")).toEqual([]);
  for (let count = 0; count < 16; count += 1) expect(talk.say("x")).not.toBeNull();
  expect(talk.say("x")).toBeNull();
});

test("hands and reactions are those of people", () => {
  const talk = entered();
  talk.handle(gesture({ kind: "hands", endpointIds: ["p2", "p1", 7] }));
  talk.handle(gesture({ kind: "reacted", endpointId: "p2", reaction: "heart" }));
  expect(talk.handle(gesture({ kind: "reacted", endpointId: "p2", reaction: "<script>" }))).toBe(false);
  const { hands, reactions } = talk.shown();
  expect(hands).toEqual(["p2", "me"]);
  expect(reactions).toMatchObject([{ person: "p2", reaction: "heart" }]);
});

test("a server that sends nonsense, or without end, does no harm", () => {
  const talk = entered();
  const odd = [null, 7, {}, chat({ kind: "said", message: { id: "x" } }), chat({ kind: "refused", nonce: 1, reason: "x" })];
  for (const payload of odd) expect(talk.handle(payload)).toBe(false);
  for (let id = 0; id < 2000; id += 1) {
    talk.handle(chat({ kind: "said", message: message(id + 10, "p2", "x".repeat(10_000)) }));
    talk.handle(gesture({ kind: "reacted", endpointId: "p2", reaction: "no" }));
  }
  const { messages, reactions } = talk.shown();
  expect([messages.length, reactions.length]).toEqual([500, 32]);
  expect(messages[0]?.text.length).toBe(4096);
});
