import { describe, expect, test } from "vitest";

import { initials, letters, numberSameNames, personNameFault, roomNameFault } from "../../src/rules/names";

describe("initials", () => {
  test.each([
    ["Mara Lindqvist", "ML"],
    ["Tomás", "T"],
    ["aleksandra wołodźko-krzyżanowska-nowak", "AW"],
    ["Kwame  Kofi Osei", "KO"],
    ["高橋 由紀", "高"],
    ["김민수", "김"],
    ["Ольга Иванова", "ОИ"],
    ["سارة أحمد", "سأ"],
    ["e\u0301mile zola", "E\u0301Z"],
    ["👩‍👩‍👧 family", "👩‍👩‍👧"],
    ["👩‍👩‍👧", "👩‍👩‍👧"],
    ["(Ada) Lovelace", "AL"],
    ["… ---", ""],
    ["", ""],
    ["R2 D2", "RD"],
  ])("%s is %s", (name, expected) => {
    expect(initials(name)).toBe(expected);
  });
});

test("letters are what a reader counts", () => {
  expect(letters("e\u0301👩‍👩‍👧x")).toHaveLength(3);
});

describe("names that may be typed are those that the program takes", () => {
  test.each(["Stand up", "книги", "部屋", "غرفة", "👩‍👩‍👧 family", "a.b", "...", "C#", "部".repeat(64)])("%s", (name) => {
    expect(roomNameFault(name)).toBeNull();
    expect(personNameFault(name)).toBeNull();
  });

  test.each([
    ["", "empty"],
    ["   ", "empty"],
    ["x".repeat(65), "too_long"],
    ["👩".repeat(60), "too_long"],
    ["a\nb", "invisible"],
    ["\u202eabc", "invisible"],
    ["a\u2066b", "invisible"],
  ])("%j is %s", (name, fault) => {
    expect(roomNameFault(name)).toBe(fault);
    expect(personNameFault(name)).toBe(fault);
  });

  test.each([
    ["a/b", "slash"],
    [".", "dots"],
    [" .. ", "dots"],
  ])("a person may be called %j, a room may not", (name, fault) => {
    expect(roomNameFault(name)).toBe(fault);
    expect(personNameFault(name)).toBeNull();
  });
});

test("only people of one name are numbered, as they came", () => {
  const people = [
    { id: "1", name: "Alex" },
    { id: "2", name: "Mara" },
    { id: "3", name: " alex" },
  ];
  expect(Object.fromEntries(numberSameNames(people))).toEqual({ "1": 1, "2": null, "3": 2 });
});
