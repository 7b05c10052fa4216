// Home in a window of 480 by 360: hosting and joining are sheets.
import { cleanup, fireEvent, screen } from "@testing-library/svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { expectAccessible } from "../axe";
import { atHome, recent, settings } from "../fixtures";
import { byId, has, said, showPage } from "./page";

beforeEach(() => {
  const isSmall = (query: string) => query.includes("max-width: 759px");
  vi.spyOn(window, "matchMedia").mockImplementation(
    (query) => Object.assign(new EventTarget(), { matches: isSmall(query), media: query }) as unknown as MediaQueryList,
  );
});

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

describe("home in a small window", () => {
  test("keeps name, meter, toggles, rooms and the two doors", async () => {
    await showPage({ ...atHome, recent });
    for (const testid of ["name-input", "meter", "mic-toggle", "camera-toggle", "settings-button", "recent-room"]) {
      expect(has(testid), testid).toBe(true);
    }
    expect(has("camera-picker")).toBe(false);
    expect(document.querySelectorAll(".accent")).toHaveLength(1);
    await expectAccessible();
  });

  test("hosts from a sheet that opens on its main action", async () => {
    const { backend } = await showPage(atHome);
    await fireEvent.click(byId("open-host"));
    expect(document.activeElement).toBe(byId("host-button"));
    await expectAccessible();
    await fireEvent.click(byId("host-button"));
    await said();
    expect(backend.requests).toEqual([["hostRoom", "Priya's room"]]);
  });

  test("joins from a sheet that opens on its field, and Esc puts it away", async () => {
    await showPage(atHome);
    await fireEvent.click(byId("open-join"));
    expect(document.activeElement).toBe(byId("join-input"));
    await fireEvent(screen.getByRole("dialog"), new Event("cancel", { cancelable: true }));
    expect(has("join-input")).toBe(false);
  });

  test("puts the sheet away to ask for the name", async () => {
    await showPage({ ...atHome, settings: { ...settings, name: "" } });
    await fireEvent.click(byId("open-host"));
    await fireEvent.click(byId("host-button"));
    await said();
    expect(has("host-button")).toBe(false);
    expect(document.activeElement).toBe(byId("name-input"));
    expect(screen.getByText(/Say your name first/)).toBeTruthy();
  });
});
