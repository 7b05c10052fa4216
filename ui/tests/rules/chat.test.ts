// What the chat makes of plain text.
import { expect, test } from "vitest";

import { goesOn, isTooLong, partsOf, unreadOf } from "../../src/rules/chat";

const links = (text: string) => partsOf(text).flatMap(({ text, href }) => (href === null ? [] : [[text, href]]));

test("web links can be pressed, and what ends the sentence is no part of them", () => {
  const text = "Plan: https://harbour.local/plan?a=1#b, and (http://10.0.0.1:8080/x_(y)).";
  expect(links(text)).toEqual([
    ["https://harbour.local/plan?a=1#b", "https://harbour.local/plan?a=1#b"],
    ["http://10.0.0.1:8080/x_(y)", "http://10.0.0.1:8080/x_(y)"],
  ]);
  const whole = partsOf(text).map((part) => part.text);
  expect(whole.join("")).toBe(text);
  expect(partsOf("no links")).toEqual([{ text: "no links", href: null }]);
});

test.each([
  "javascript:alert(1)",
  "data:text/html,<b>",
  "file:///etc/passwd",
  "snug://host/room",
  "https://bank.example@evil.example/",
  "https://",
  "xhttps://evil.example",
  `https://example.org/${"x".repeat(3000)}`,
])("%s stays words", (text) => expect(links(text)).toEqual([]));

test("markup around a link stays words", () => {
  const parts = partsOf('<a href="https://example.org/x" onclick=alert(1)>');
  expect(parts.map(({ href }) => href)).toEqual([null, "https://example.org/x", null]);
});

test("a hundred thousand brackets are read in no time", () => {
  const start = performance.now();
  partsOf(`https://a${")".repeat(4000)} `.repeat(20));
  expect(performance.now() - start).toBeLessThan(2000);
});

test("length is counted as the room counts it", () => {
  expect(isTooLong("é".repeat(2048))).toBe(false);
  expect(isTooLong("é".repeat(2049))).toBe(true);
});

test("what others said after the last message read is unread", () => {
  const said = (id: number, person: string, at_ms = 0) => ({ id, person, at_ms });
  expect(unreadOf([said(1, "a"), said(2, "me"), said(3, "a"), said(4, "b")], 1)).toBe(2);
  expect(goesOn(said(2, "a", 1000), said(1, "a"))).toBe(true);
  expect(goesOn(said(2, "a", 200_000), said(1, "a"))).toBe(false);
  expect(goesOn(said(2, "b"), said(1, "a"))).toBe(false);
  expect(goesOn(said(1, "a"), undefined)).toBe(false);
});
