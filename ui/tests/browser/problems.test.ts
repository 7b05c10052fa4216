import { expect, test } from "vitest";

import { inputProblem, refusal } from "../../src/ipc/browser/problems";
import { deviceWords, problemWords } from "../../src/i18n/problems";

test("each way in which a browser refuses a camera has its sentence", () => {
  const title = (name: string, device: string | null = null) =>
    deviceWords("camera", inputProblem("camera", new DOMException("", name), device)).title;
  expect(title("NotAllowedError")).toBe("The browser does not let this page use the camera.");
  expect(title("NotFoundError")).toBe("There is no camera on this computer.");
  expect(title("OverconstrainedError", "Desk camera")).toBe("Desk camera is not connected.");
  expect(title("NotReadableError")).toBe("Another program is using the camera.");
  expect(title("TypeError")).toBe("The camera stopped working.");
});

test("a refusal is told in the room's own reason, and nonsense is a refusal too", () => {
  const about = { host: "10.0.0.1:7684", room: "a" };
  expect(problemWords(refusal({ reason: "no such room" }, about)).title).toContain("no room called a");
  expect(problemWords(refusal({ reason: "room_full" }, about)).title).toBe("a is full.");
  for (const answer of [null, {}, "no", { reason: 7 }]) expect(refusal(answer, about).code).toBe("refused");
});
