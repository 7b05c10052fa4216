import { flushSync } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { problemOf } from "../../src/ipc/backend";
import { App } from "../../src/state/app.svelte";
import { LevelsStore } from "../../src/state/levels.svelte";
import { SnapshotStore } from "../../src/state/snapshot.svelte";
import { UiState } from "../../src/state/ui.svelte";
import { TileClient } from "../../src/tiles/client";
import { memoryBackend } from "../backend";
import { atHome, problem } from "../fixtures";
import { FakeEnvironment, settle } from "../tiles/environment";

describe("SnapshotStore", () => {
  test("ignores what is older than what it shows", () => {
    const store = new SnapshotStore();
    expect(store.current).toBeNull();
    store.accept({ ...atHome, revision: 5 });
    store.accept({ ...atHome, revision: 4, recent: [{ link: "l", room: "r", host: "h" }] });
    store.accept({ ...atHome, revision: 5, problem: problem("no_answer") });
    expect(store.current).toMatchObject({ revision: 5, recent: [], problem: null });
    store.accept({ ...atHome, revision: 6 });
    expect(store.current?.revision).toBe(6);
  });
});

describe("LevelsStore", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("keeps the same set while the same people speak, however long nothing changes", () => {
    const levels = new LevelsStore(() => Date.now());
    levels.accept({ me: -35, people: { mara: -20 } });
    const { speaking } = levels;
    expect([...speaking]).toEqual(["mara"]);
    expect(levels.me).toBe(0.5);
    vi.advanceTimersByTime(60_000);
    levels.accept({ me: null, people: { mara: -21 } });
    expect(levels.speaking).toBe(speaking);
  });

  test("lets a ring go 400 ms after the voice", () => {
    const levels = new LevelsStore(() => Date.now());
    levels.accept({ me: null, people: { mara: -20 } });
    vi.advanceTimersByTime(1000);
    levels.accept({ me: null, people: { mara: -90 } });
    vi.advanceTimersByTime(390);
    expect(levels.speaking.has("mara")).toBe(true);
    vi.advanceTimersByTime(410);
    expect(levels.speaking.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("forgets the others at once, but not one's own loudness, which may never change again", () => {
    const levels = new LevelsStore(() => Date.now());
    levels.accept({ me: -35, people: { mara: -20 } });
    levels.clear();
    expect([levels.me, levels.speaking.size, vi.getTimerCount()]).toEqual([0.5, 0, 0]);
  });
});

describe("UiState", () => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

  afterEach(() => {
    document.body.innerHTML = "";
  });

  test("one sheet at a time; Esc closes what lies on top", () => {
    const ui = new UiState();
    ui.openDrawer("people");
    ui.openSettings();
    ui.openSheet("invite");
    ui.openSheet("leave");
    expect(ui.sheet).toBe("leave");
    const closed = [ui.closeTop(), ui.closeTop(), ui.closeTop(), ui.closeTop()];
    expect(closed).toEqual([true, true, true, false]);
    expect([ui.sheet, ui.isSettingsOpen, ui.drawer]).toEqual([null, false, null]);
  });

  test("the focus returns to where it was", async () => {
    document.body.innerHTML = '<button id="a"></button><button id="b" data-opens="people"></button>';
    const ui = new UiState();
    document.getElementById("a")?.focus();
    ui.openDrawer("people");
    document.getElementById("b")?.focus();
    ui.closeDrawer();
    await frame();
    expect(document.activeElement?.id).toBe("a");
  });

  test("or to the button that opens the panel, when where it was is gone", async () => {
    document.body.innerHTML = '<button id="a"></button><button id="b" data-opens="people"></button>';
    const ui = new UiState();
    document.getElementById("a")?.focus();
    ui.openDrawer("people");
    document.getElementById("a")?.remove();
    ui.closeDrawer();
    await frame();
    expect(document.activeElement?.id).toBe("b");
  });

  test("a window asked to close asks once, and only while the question stands", () => {
    const ui = new UiState();
    ui.openSettings();
    ui.askToClose();
    expect([ui.sheet, ui.isClosing, ui.isSettingsOpen]).toEqual(["leave", true, false]);
    ui.closeSheet();
    ui.openSheet("leave");
    expect(ui.isClosing).toBe(false);
  });
});

describe("App", () => {
  const make = () => {
    const backend = memoryBackend(atHome);
    const environment = new FakeEnvironment();
    return { backend, environment, app: new App(backend, new TileClient(environment)) };
  };

  test("shows the program's state, and what it says later, until it ends", async () => {
    const { app, backend } = make();
    const end = await app.start();
    expect(app.snapshot?.stage.kind).toBe("home");
    backend.say({ recent: [{ link: "l", room: "r", host: "h" }] });
    expect(app.snapshot?.recent).toHaveLength(1);
    end();
    expect(backend.listeners).toBe(0);
  });

  test("a snapshot that overtakes the first answer is kept", async () => {
    const { app, backend } = make();
    const first = backend.current;
    backend.snapshot = async () => {
      backend.say({ problem: problem("no_answer") });
      return first;
    };
    await app.start();
    expect(app.snapshot?.problem?.code).toBe("no_answer");
  });

  test("a refused request is shown until the next one", async () => {
    const { app, backend } = make();
    await app.start();
    backend.refusal = problem("busy");
    app.ask(app.backend.setCameraOn(true));
    await settle();
    expect(app.ui.refusal?.code).toBe("busy");
    backend.refusal = null;
    app.ask(app.backend.setCameraOn(false));
    expect(app.ui.refusal).toBeNull();
    expect(backend.requests).toEqual([["setCameraOn", true], ["setCameraOn", false]]);
  });

  test("closing the window during a call opens the question", async () => {
    const { app, backend } = make();
    await app.start();
    backend.askToClose();
    flushSync();
    expect(app.ui.isClosing).toBe(true);
  });
});

test("a refusal without a known shape still has words", () => {
  expect(problemOf(new Error("no window"))).toMatchObject({ code: "unknown", message: "no window" });
  expect(problemOf("gone").message).toBe("gone");
});
