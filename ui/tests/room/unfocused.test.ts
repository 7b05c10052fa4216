// News while another program is in front.
import { cleanup } from "@testing-library/svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { inRoom, myself, person } from "../fixtures/room";
import { resizeWindow, showRoom } from "./show";

let hasFocus: boolean;
beforeEach(() => {
  resizeWindow(1120, 720);
  hasFocus = false;
  vi.spyOn(document, "hasFocus").mockImplementation(() => hasFocus);
});
afterEach(() => {
  vi.restoreAllMocks();
  cleanup();
});

const alone = inRoom([myself()]);
const notifications = (requests: readonly (readonly unknown[])[]) => requests.filter(([what]) => what === "notify");

test("the first who comes to somebody alone is told, by name and room", async () => {
  const { backend, say } = await showRoom(alone);
  await say({ stage: inRoom([myself(), person(1, "Mara")]).stage });
  expect(notifications(backend.requests)).toEqual([["notify", "Mara came in.", "Harbour crew"]]);
  await say({ stage: inRoom([myself(), person(1, "Mara"), person(2, "Bo")]).stage });
  expect(notifications(backend.requests)).toHaveLength(1);
  await say({ stage: alone.stage });
  await say({ stage: inRoom([myself(), person(3, "Cy")]).stage });
  expect(notifications(backend.requests).at(-1)).toEqual(["notify", "Cy came in.", "Harbour crew"]);
});

test("nobody is told who looks, or who comes to people who are there", async () => {
  hasFocus = true;
  const { backend, say } = await showRoom(alone);
  await say({ stage: inRoom([myself(), person(1, "Mara")]).stage });
  expect(notifications(backend.requests)).toEqual([]);
  cleanup();
  hasFocus = false;
  const others = await showRoom(inRoom([myself(), person(1, "Mara")]));
  expect(notifications(others.backend.requests)).toEqual([]);
});

test("a desktop that shows no news is no trouble of the call's", async () => {
  const { backend, say, app } = await showRoom(alone);
  backend.refusal = new Error("no desktop");
  await say({ stage: inRoom([myself(), person(1, "Mara")]).stage });
  await Promise.resolve();
  expect(app.ui.refusal).toBeNull();
});
