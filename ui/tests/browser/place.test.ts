import { expect, test } from "vitest";

import { pathOf, roomAt, socketAt } from "../../src/ipc/browser/place";

test("the room of an address is read back as it was written", () => {
  for (const room of ["a", "Harbour crew", "第三教室 · Physics", "100%", "a?b#c", "café"]) {
    expect(roomAt(pathOf(room)), room).toBe(room);
  }
  expect(pathOf("Harbour crew")).toBe("/room/Harbour%20crew");
});

test("an address that names no room, or none that can be, gives none", () => {
  for (const path of ["/", "/room", "/room/", "/room/a/b", "/room/a%2Fb", "/room/%", "/room/%20", "/rooms/a"]) {
    expect(roomAt(path), path).toBeNull();
  }
});

test("two ways of writing one letter are one room", () => {
  expect(roomAt("/room/cafe%CC%81")).toBe("café");
});

test("sockets are where the page is, and as safe", () => {
  expect(socketAt({ protocol: "https:", host: "10.0.0.1:7684" })).toBe("wss://10.0.0.1:7684/socket");
  expect(socketAt({ protocol: "http:", host: "localhost:7684" })).toBe("ws://localhost:7684/socket");
});
