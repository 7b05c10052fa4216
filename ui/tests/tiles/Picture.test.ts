import { cleanup, render } from "@testing-library/svelte";
import { afterEach, expect, test } from "vitest";

import { App, appContext } from "../../src/state/app.svelte";
import { TileClient } from "../../src/tiles/client";
import Picture from "../../src/tiles/Picture.svelte";
import { memoryBackend } from "../backend";
import { expectAccessible } from "../axe";
import { atHome } from "../fixtures";
import { FakeEnvironment } from "./environment";
import { i420Message } from "./messages";

afterEach(cleanup);

function show(props: { tile: number; mirror?: boolean; label?: string; testid?: string; covered?: boolean }) {
  const environment = new FakeEnvironment();
  const app = new App(memoryBackend(atHome), new TileClient(environment));
  const view = render(Picture, { props, context: appContext(app) });
  const canvas = () => {
    const found = view.container.querySelector("canvas");
    if (found === null) throw new Error("no canvas");
    found.getContext = (() => ({})) as unknown as typeof found.getContext;
    return found;
  };
  return { ...view, environment, canvas };
}

test("is see-through until the first picture, then as large as that", async () => {
  const { environment, canvas } = show({ tile: 0, label: "Your picture", testid: "preview" });
  await environment.open();
  expect(canvas().classList.contains("waiting")).toBe(true);
  expect(environment.socket.watched[0]?.tiles).toHaveLength(1);
  canvas();
  environment.socket.receive(i420Message(0, 320, 180));
  environment.paint();
  await Promise.resolve();
  expect([canvas().width, canvas().height]).toEqual([320, 180]);
  expect(canvas().classList.contains("waiting")).toBe(false);
  expect(canvas().dataset["testid"]).toBe("preview");
  await expectAccessible("part");
});

test("the same tile shown again begins nothing anew; another does, and none is left when it goes", async () => {
  const { environment, canvas, rerender, unmount } = show({ tile: 3 });
  await environment.open();
  const first = canvas();
  await rerender({ tile: 3 });
  expect(canvas()).toBe(first);
  await rerender({ tile: 4 });
  expect(canvas()).not.toBe(first);
  await environment.pass(40);
  expect(environment.socket.watched.at(-1)?.tiles.map(({ tile }) => tile)).toEqual([4]);
  unmount();
  await environment.pass(40);
  expect(environment.socket.watched.at(-1)?.tiles).toEqual([]);
});

test("a covered picture rests: nothing is watched, the last one stays, and it goes on later", async () => {
  const { environment, canvas, rerender } = show({ tile: 3 });
  await environment.open();
  canvas();
  environment.socket.receive(i420Message(3, 320, 180));
  environment.paint();
  const before = canvas();
  await rerender({ tile: 3, covered: true });
  await environment.pass(40);
  expect(environment.socket.watched.at(-1)?.tiles).toEqual([]);
  expect(canvas()).toBe(before);
  expect([before.width, before.classList.contains("waiting")]).toEqual([320, false]);
  await rerender({ tile: 3, covered: false });
  await environment.pass(40);
  expect(environment.socket.watched.at(-1)?.tiles).toHaveLength(1);
});

test("a mirrored picture is turned on screen only", () => {
  const { canvas } = show({ tile: 0, mirror: true });
  expect(canvas().classList.contains("mirror")).toBe(true);
  expect(canvas().getAttribute("aria-hidden")).toBe("true");
});
