// Mounts the whole page on a program of the test's own.
import { render } from "@testing-library/svelte";
import { tick } from "svelte";
import { vi } from "vitest";

import PageRoot from "../../src/App.svelte";
import type { Snapshot } from "../../src/ipc/types";
import { App } from "../../src/state/app.svelte";
import { TileClient } from "../../src/tiles/client";
import { memoryBackend } from "../backend";
import { FakeEnvironment, settle } from "../tiles/environment";

/** Shows `snapshot`, once the program has said it. */
export async function showPage(snapshot: Snapshot) {
  const backend = memoryBackend(snapshot);
  const onappearance = vi.fn();
  const onlanguage = vi.fn();
  const app = new App(backend, new TileClient(new FakeEnvironment()));
  const page = render(PageRoot, { app, onappearance, onlanguage });
  await said();
  return { backend, onappearance, onlanguage, app, ...page };
}

/** Lets the page hear and draw what the program said. */
export async function said(): Promise<void> {
  await settle();
  await tick();
}

/** Finds what has the test id. */
export function byId<Kind extends HTMLElement>(testid: string): Kind {
  const found = document.querySelector<Kind>(`[data-testid="${testid}"]`);
  if (found === null) throw new Error(`nothing on the page has the test id ${testid}`);
  return found;
}

/** Says whether something has the test id. */
export function has(testid: string): boolean {
  return document.querySelector(`[data-testid="${testid}"]`) !== null;
}
