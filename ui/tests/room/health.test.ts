// The drawer of call health: opened by its button, asked once a second, said in sentences.
import { cleanup, fireEvent, screen } from "@testing-library/svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Health } from "../../src/ipc/types";
import { expectAccessible } from "../axe";
import { inRoom, myself, person } from "../fixtures/room";
import { resizeWindow, showRoom } from "./show";

beforeEach(() => {
  resizeWindow(1120, 720);
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
  cleanup();
});

const three = inRoom([person(1, "Mara"), person(2, "Tomás"), myself()]);

function vitals(elapsed_s: number, lost: number): Health {
  const picture = { width: 320, height: 180, frames: 15 * elapsed_s, layer: 1 };
  const came = { bytes: 50_000 * elapsed_s, packets: 110 * elapsed_s, lost: 0, jitter_ms: 2, picture };
  return {
    elapsed_s,
    round_trip_ms: 84,
    uplink_loss: 0,
    sent: { bytes: 250_000 * elapsed_s, frames: 25 * elapsed_s },
    people: { p1: came, p2: { ...came, lost: lost * elapsed_s, jitter_ms: 31, picture: null } },
  };
}

const row = (id: string) => document.querySelector<HTMLElement>(`[data-testid="health-row"][data-person="${id}"]`)!;

test("says who loses packets, with everybody's numbers, the troubled first", async () => {
  const { backend } = await showRoom(three);
  const button = screen.getByTestId("health-button");
  expect(button.getAttribute("aria-expanded")).toBe("false");
  await fireEvent.click(button);
  expect(screen.getByText("Measuring.")).toBeTruthy();
  await expectAccessible();
  backend.vitals = vitals(10, 10);
  await vi.advanceTimersByTimeAsync(1000);
  backend.vitals = vitals(11, 10);
  await vi.advanceTimersByTimeAsync(1000);
  expect(screen.getByText("1 connection is weak.")).toBeTruthy();
  expect(row("p2").textContent).toContain("Tomás's network is losing 1 in 12 packets.");
  expect(screen.getAllByTestId("health-row")[0]).toBe(row("p2"));
  expect(row("p1").dataset["trouble"]).toBeUndefined();
  for (const shown of ["320×180", "15 /s", "0.4 Mb/s", "1 of 3", "VP8, Opus", "0.0 %"]) {
    expect(row("p1").textContent).toContain(shown);
  }
  for (const shown of ["84 ms", "2.0 Mb/s", "25 /s"]) expect(row("me").textContent).toContain(shown);
  await expectAccessible();
});

test("asks only while it is open", async () => {
  const { backend } = await showRoom(three);
  const asked = vi.spyOn(backend, "health");
  await vi.advanceTimersByTimeAsync(5000);
  expect(asked).not.toHaveBeenCalled();
  await fireEvent.click(screen.getByTestId("health-button"));
  await vi.advanceTimersByTimeAsync(3000);
  const during = asked.mock.calls.length;
  expect(during).toBeGreaterThanOrEqual(3);
  await fireEvent.keyDown(document.body, { key: "Escape" });
  await vi.advanceTimersByTimeAsync(5000);
  expect(asked.mock.calls.length).toBe(during);
});

test("says of a dropped network that and nothing else", async () => {
  const { say } = await showRoom(three);
  await fireEvent.click(screen.getByTestId("health-button"));
  await say(inRoom([person(1, "Mara"), person(2, "Tomás"), myself()], { connection: "reconnecting" }));
  expect(row("me").textContent).toContain("Your network dropped.");
  expect(row("p1").dataset["trouble"]).toBeUndefined();
});
