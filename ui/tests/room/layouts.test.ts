// Grid, speaker, pinned, and pages: as shown, by mouse and by keyboard.
import { cleanup, fireEvent, screen } from "@testing-library/svelte";
import { tick } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { expectAccessible } from "../axe";
import { inRoom, myself, person } from "../fixtures/room";
import { byId, has, said, showPage } from "../views/page";
import { resizeWindow, showRoom } from "./show";

beforeEach(() => resizeWindow(1120, 720));
afterEach(() => {
  vi.useRealTimers();
  cleanup();
});

const crowd = (count: number) => Array.from({ length: count }, (_, at) => person(at + 1, `Guest ${at + 1}`));
const four = inRoom([...crowd(3), myself()]);

const widths = (): Record<string, number> =>
  Object.fromEntries(screen.getAllByTestId("tile").map((tile) => [tile.dataset["person"], parseInt(tile.style.width)]));
const onPage = () => screen.getAllByTestId("tile").map((tile) => tile.dataset["person"]);
const pinOf = (id: string) =>
  document.querySelector<HTMLButtonElement>(`[data-person="${id}"] [data-testid="pin"]`)!;

/** The one tile that is larger than all others, or nobody. */
function big(): string | null {
  const [first, second] = Object.entries(widths()).sort(([, a], [, b]) => b - a);
  return first !== undefined && second !== undefined && first[1] > 2 * second[1] ? first[0] : null;
}

describe("the layouts", () => {
  test("are a grid at first, and by L or the button whoever speaks large", async () => {
    const { app } = await showRoom(four);
    expect(big()).toBeNull();
    await fireEvent.keyDown(document.body, { key: "l" });
    expect(big()).toBe("p1");
    app.levels.accept({ me: null, people: { p3: -20 } });
    await tick();
    expect(big()).toBe("p3");
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "All alike" }));
    expect(big()).toBeNull();
  });

  test("leave the light where it is when somebody coughs, and move it to who goes on", async () => {
    vi.useFakeTimers();
    const { app } = await showRoom(four);
    await fireEvent.keyDown(document.body, { key: "l" });
    app.levels.accept({ me: null, people: { p3: -20 } });
    await tick();
    app.levels.accept({ me: null, people: { p2: -20 } });
    await vi.advanceTimersByTimeAsync(600);
    expect(big()).toBe("p3");
    app.levels.accept({ me: null, people: { p2: -20 } });
    await vi.advanceTimersByTimeAsync(2000);
    expect(big()).toBe("p2");
  });

  test("pin by a button that says whom, survive comings and goings, and let go", async () => {
    const { say } = await showRoom(four);
    const pin = screen.getByRole("button", { name: "Pin Guest 2 to the stage" });
    pin.focus();
    await fireEvent.click(pin);
    expect(big()).toBe("p2");
    expect(pinOf("p2").getAttribute("aria-pressed")).toBe("true");
    expect(document.activeElement).toBe(pinOf("p2"));
    await expectAccessible();
    await say(inRoom([person(2, "Guest 2"), person(9, "New"), myself()]));
    expect(big()).toBe("p2");
    await say(inRoom([person(9, "New"), myself()]));
    expect(big()).toBeNull();
    await say(inRoom([person(9, "New"), person(2, "Guest 2"), myself()]));
    expect(big()).toBe("p2");
    await fireEvent.click(pinOf("p2"));
    expect(big()).toBeNull();
  });

  test("pin oneself too, and offer nobody to pin where there is no choice", async () => {
    const { say } = await showRoom(four);
    await fireEvent.click(pinOf("me"));
    expect(big()).toBe("me");
    await say(inRoom([myself()]));
    expect(has("pin")).toBe(false);
  });

  test.each([
    [640, 480],
    [480, 360],
  ])("fit a window of %i by %i", async (width, height) => {
    resizeWindow(width, height);
    await showRoom(inRoom([...crowd(5), myself()]));
    await fireEvent.click(pinOf("p2"));
    for (const tile of screen.getAllByTestId("tile")) expect(parseInt(tile.style.width)).toBeGreaterThan(90);
    expect(widths()["p2"]).toBeGreaterThan(400);
    await expectAccessible();
  });
});

describe("pages", () => {
  const many = inRoom([...crowd(20), myself()]);

  test("of a strip hold what it has room for, and every one of them the pinned tile", async () => {
    await showRoom(many);
    await fireEvent.click(pinOf("p2"));
    expect(onPage()).toHaveLength(5);
    await fireEvent.click(screen.getByRole("button", { name: /^Page 2 of/ }));
    expect(big()).toBe("p2");
    expect(onPage()).not.toContain("me");
  });

  test("that are not shown are not watched", async () => {
    const { app, environment } = await showRoom(many);
    await environment.open();
    await environment.pass(0);
    const watched = () => (app.tiles as unknown as { watching(): { tiles: { tile: number }[] } }).watching().tiles.map(({ tile }) => tile);
    expect(watched()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    await fireEvent.click(screen.getByRole("button", { name: "Page 3 of 3" }));
    expect(watched()).toEqual([18, 19, 20]);
  });

  test("get smaller where pictures are not painted in time", async () => {
    vi.useFakeTimers();
    const { app } = await showRoom(many);
    expect(onPage()).toHaveLength(9);
    app.tiles.takeWork = () => ({ came: 200, painted: 90, paintMs: 400, lastedMs: 1000, tiles: 9 });
    await vi.advanceTimersByTimeAsync(5000);
    expect(onPage()).toHaveLength(6);
  });

  test("are where they were after settings, and so is the pin", async () => {
    await showPage(many);
    await fireEvent.click(screen.getByRole("button", { name: "Page 2 of 3" }));
    const before = onPage();
    expect(before).not.toContain("me");
    await fireEvent.click(byId("settings-button"));
    expect(has("room")).toBe(false);
    await fireEvent.click(byId("back"));
    expect(onPage()).toEqual(before);
    await fireEvent.click(pinOf("p10"));
    await fireEvent.click(byId("settings-button"));
    await fireEvent.click(byId("back"));
    expect(big()).toBe("p10");
  });

  test("begin anew in another room", async () => {
    const { backend } = await showPage(many);
    await fireEvent.click(screen.getByRole("button", { name: "Page 2 of 3" }));
    backend.say({ stage: { kind: "home" } });
    await said();
    backend.say({ stage: many.stage });
    await said();
    expect(onPage()).toContain("me");
  });
});
