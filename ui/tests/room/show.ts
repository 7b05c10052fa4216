// Puts a room on a page of the test's own.
import { render } from "@testing-library/svelte";
import { tick } from "svelte";

import type { Snapshot } from "../../src/ipc/types";
import { App, appContext } from "../../src/state/app.svelte";
import { TileClient } from "../../src/tiles/client";
import RoomView from "../../src/views/room/RoomView.svelte";
import { memoryBackend } from "../backend";
import { FakeEnvironment } from "../tiles/environment";

/** Makes the window so large. */
export function resizeWindow(width: number, height: number): void {
  Object.assign(window, { innerWidth: width, innerHeight: height });
  window.dispatchEvent(new Event("resize"));
}

/** Makes a page that shows nothing yet. */
export async function startApp(snapshot: Snapshot) {
  const backend = memoryBackend(snapshot);
  const environment = new FakeEnvironment();
  const app = new App(backend, new TileClient(environment));
  await app.start();
  return { app, backend, environment };
}

/** Shows `snapshot`, which has to be of a room. */
export async function showRoom(snapshot: Snapshot) {
  const { app, backend, environment } = await startApp(snapshot);
  const view = render(RoomView, { context: appContext(app) });
  await tick();
  const say = async (change: Partial<Snapshot>) => {
    backend.say(change);
    await tick();
  };
  return { ...view, app, backend, environment, say };
}
