import { describe, expect, test } from "vitest";

import { durationAttribute, formatDuration } from "../../src/rules/duration";
import { browserForm, linkFault, typedForm } from "../../src/rules/link";

test.each([
  [-5, "0:00", "PT0H0M0S"],
  [Number.NaN, "0:00", "PT0H0M0S"],
  [42_999, "0:42", "PT0H0M42S"],
  [24 * 60_000 + 7000, "24:07", "PT0H24M7S"],
  [3_723_000, "1:02:03", "PT1H2M3S"],
  [36_000_000, "10:00:00", "PT10H0M0S"],
])("%d ms is %s", (milliseconds, clock, attribute) => {
  expect(formatDuration(milliseconds)).toBe(clock);
  expect(durationAttribute(milliseconds)).toBe(attribute);
});

describe("what joins a room", () => {
  test.each([
    "192.168.1.20/harbour crew",
    "mara-laptop.local:7700/C#",
    "snug://192.168.1.20:7684/harbour%20crew#k=abc",
    "SNUG://[fe80::1%25eth0]/room",
    "https://example.net/room/standup",
    " host/room ",
    "Harbour crew",
  ])("%s", (text) => {
    expect(linkFault(text, ["Harbour crew"])).toBeNull();
  });

  test.each([
    ["  ", "empty"],
    ["harbour", "no_room"],
    ["host/", "no_room"],
    ["/room", "no_room"],
    ["snug://host", "no_room"],
    ["http://host/room", "not_encrypted"],
    ["ftp://host/room", "unknown_scheme"],
    [`host/${"x".repeat(3000)}`, "too_long"],
  ])("%s is no link: %s", (text, fault) => {
    expect(linkFault(text)).toBe(fault);
  });
});

test.each([
  ["snug://192.168.1.20:7684/harbour%20crew#k=abc", "192.168.1.20/harbour crew"],
  ["snug://192.168.1.20/room", "192.168.1.20/room"],
  ["snug://host:7700/100%", "host:7700/100%"],
  ["https://host/room/x", null],
  ["nonsense", null],
])("%s is typed as %s", (link, typed) => {
  expect(typedForm(link)).toBe(typed);
});

test.each([
  ["snug://192.168.1.20:7684/Harbour%20crew#k=Zm9v", "https://192.168.1.20:7684/room/Harbour%20crew#k=Zm9v"],
  ["snug://desk.local/den", "https://desk.local:7684/room/den"],
  ["snug://[2001:db8::1]/den", "https://[2001:db8::1]:7684/room/den"],
  ["snug://[2001:db8::1]:9/den", "https://[2001:db8::1]:9/room/den"],
  ["https://conference.example/room/den", null],
])("a browser opens %s at %s", (link, opened) => {
  expect(browserForm(link)).toBe(opened);
});
