import { cleanup, fireEvent, screen } from "@testing-library/svelte";
import { afterEach, describe, expect, test, vi } from "vitest";

import { atHome, found, off, problem, recent, settings, troubled } from "../fixtures";
import { expectAccessible } from "../axe";
import { byId, has, said, showPage } from "./page";

afterEach(cleanup);

const newcomer = { ...atHome, settings: { ...settings, name: "" } };
const accents = () => document.querySelectorAll(".accent");

async function type(testid: string, text: string): Promise<void> {
  await fireEvent.input(byId(testid), { target: { value: text } });
}

describe("home", () => {
  test("shows the person, their devices and the ways into a room, and one accent", async () => {
    await showPage(atHome);
    expect(byId<HTMLInputElement>("name-input").value).toBe("Priya Raman");
    expect(byId<HTMLInputElement>("host-name").value).toBe("Priya's room");
    expect(screen.getByRole("combobox", { name: "Camera" })).toHaveProperty("value", "default");
    expect(byId("preview").tagName).toBe("CANVAS");
    expect(has("recent-room")).toBe(false);
    expect(accents()).toHaveLength(1);
    expect(accents()[0]).toBe(byId("host-button"));
    await expectAccessible();
  });

  test("draws the same places before the program has spoken", async () => {
    const { container } = await showPage(atHome);
    const places = (root: Element) => [...root.querySelectorAll("[data-testid]")].map((it) => it.getAttribute("data-testid"));
    const after = places(container);
    cleanup();
    const silent = showPage(atHome);
    const before = places(document.body);
    await silent;
    expect(before).toEqual(after);
  });

  test("hosts with one click", async () => {
    const { backend } = await showPage(atHome);
    await fireEvent.click(byId("host-button"));
    await said();
    expect(backend.requests).toEqual([["hostRoom", "Priya's room"]]);
  });

  test("hosts under another name, and under the suggested one where the field is empty", async () => {
    const { backend } = await showPage(atHome);
    await type("host-name", "Harbour crew");
    await fireEvent.submit(byId("host-name").closest("form") as HTMLFormElement);
    await said();
    await type("host-name", " ");
    await fireEvent.click(byId("host-button"));
    await said();
    expect(backend.requests).toEqual([
      ["hostRoom", "Harbour crew"],
      ["hostRoom", "Priya's room"],
    ]);
  });

  test("says what a room cannot be called", async () => {
    const { backend } = await showPage(atHome);
    await type("host-name", "a/b");
    await fireEvent.click(byId("host-button"));
    await said();
    expect(screen.getByText(/cannot hold/)).toBeTruthy();
    expect(document.activeElement).toBe(byId("host-name"));
    expect(backend.requests).toEqual([]);
    await expectAccessible();
  });

  test("joins what is typed, and Join is the next step then", async () => {
    const { backend } = await showPage(atHome);
    await type("join-input", " maras-laptop/Harbour crew ");
    expect([...accents()]).toEqual([byId("join-button")]);
    await fireEvent.click(byId("join-button"));
    await said();
    expect(backend.requests).toEqual([["joinRoom", "maras-laptop/Harbour crew"]]);
  });

  test("says under the field what is no room, keeps it, and asks nobody", async () => {
    const { backend } = await showPage(atHome);
    await type("join-input", "Harbour");
    await fireEvent.click(byId("join-button"));
    await said();
    expect(screen.getByText(/names no room that you joined before/)).toBeTruthy();
    expect(byId<HTMLInputElement>("join-input").value).toBe("Harbour");
    expect(document.activeElement).toBe(byId("join-input"));
    expect(backend.requests).toEqual([]);
    await expectAccessible();
    await type("join-input", "Harbour crew");
    expect(screen.queryByText(/names no room/)).toBeNull();
  });

  test("says under the field what the program refused", async () => {
    const { backend } = await showPage(atHome);
    backend.refusal = { ...problem("bad_link"), message: "This link is cut short.", hint: "Copy it again." };
    await type("join-input", "snug://host/room");
    await fireEvent.click(byId("join-button"));
    await said();
    expect(screen.getByText("This link is cut short. Copy it again.")).toBeTruthy();
  });

  test("joins a room of the list with one click, by its name too, and forgets it", async () => {
    const { backend } = await showPage({ ...atHome, recent });
    const rows = screen.getAllByTestId("recent-room");
    expect(rows).toHaveLength(3);
    await expectAccessible();
    await fireEvent.click(rows[1] as HTMLElement);
    await said();
    await type("join-input", "Budget, just us");
    await fireEvent.click(byId("join-button"));
    await said();
    await fireEvent.click(screen.getByRole("button", { name: "Remove Harbour crew from this list" }));
    expect(backend.requests).toEqual([
      ["joinRoom", recent[1]?.link],
      ["joinRoom", "Budget, just us"],
      ["forgetRecent", recent[0]?.link],
    ]);
  });

  test("lists rooms on this network, of one name too, and joins one with one click", async () => {
    const { backend } = await showPage({ ...atHome, recent, rooms: found });
    const rows = screen.getAllByTestId("found-room");
    expect(rows.map((row) => row.textContent?.replace(/\s+/g, " ").trim())).toEqual([
      "Harbour crew maras-laptop · 4 people · not verified Join",
      "Harbour crew lab-server · 1 person · not verified Join",
      "Budget, just us ingrid · 2 people · locked · verified Join",
    ]);
    await expectAccessible();
    expect(rows[0]?.closest("li")?.classList.contains("lit")).toBe(true);
    expect(accents()).toHaveLength(0);
    await fireEvent.click(rows[1] as HTMLElement);
    await said();
    expect(backend.requests).toEqual([["joinFound", found[1]?.link]]);
  });

  test("leaves a room out that is gone, and says what to do where there is none", async () => {
    const { backend } = await showPage({ ...atHome, rooms: found });
    backend.say({ rooms: found.slice(2) });
    await said();
    expect(screen.getAllByTestId("found-room")).toHaveLength(1);
    backend.say({ rooms: [] });
    await said();
    expect(has("found-room")).toBe(false);
    expect(screen.getByText("Host one, and everyone on this network sees it here and can walk in.")).toBeTruthy();
  });

  test("looks again when asked, once the first look is over", async () => {
    vi.useFakeTimers();
    try {
      const { backend } = await showPage(atHome);
      expect(has("look-again")).toBe(false);
      await vi.advanceTimersByTimeAsync(4000);
      await fireEvent.click(byId("look-again"));
      expect(backend.requests).toEqual([["lookAgain"]]);
      expect(has("look-again")).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });

  test("promises nothing where rooms are not looked for", async () => {
    await showPage({ ...atHome, looks_for_rooms: false });
    expect(screen.queryByText("On this network")).toBeNull();
    expect(screen.getByText("Host one and send its link, or join with a link that you were given.")).toBeTruthy();
  });

  test("lights the room under the focus instead of Host", async () => {
    await showPage({ ...atHome, recent });
    const row = screen.getAllByTestId("recent-room")[0] as HTMLElement;
    await fireEvent.focusIn(row);
    expect(accents()).toHaveLength(0);
    expect(row.closest("li")?.classList.contains("lit")).toBe(true);
    await fireEvent.focusOut(row);
    expect(accents()).toHaveLength(1);
  });
});

describe("a name", () => {
  test("is asked for when it is needed, and the wish is kept until it is there", async () => {
    const { backend } = await showPage(newcomer);
    expect(screen.queryByText(/Say your name/)).toBeNull();
    await type("join-input", "maras-laptop/Harbour crew");
    await fireEvent.click(byId("join-button"));
    await said();
    expect(screen.getByText(/Say your name first/)).toBeTruthy();
    expect(document.activeElement).toBe(byId("name-input"));
    expect(byId<HTMLInputElement>("join-input").value).toBe("maras-laptop/Harbour crew");
    expect(backend.requests).toEqual([]);
    await expectAccessible();

    await type("name-input", "Kwame");
    expect(screen.queryByText(/Say your name first/)).toBeNull();
    await fireEvent.submit(byId("name-input").closest("form") as HTMLFormElement);
    await said();
    expect(backend.requests).toEqual([
      ["setName", "Kwame"],
      ["joinRoom", "maras-laptop/Harbour crew"],
    ]);
  });

  test("is what a newcomer begins with", async () => {
    await showPage(newcomer);
    expect(document.activeElement).toBe(byId("name-input"));
    cleanup();
    await showPage(atHome);
    expect(document.activeElement).toBe(document.body);
  });

  test("is asked for by a link that opened Snug", async () => {
    const link = "snug://maras-laptop/Harbour%20crew";
    const { backend } = await showPage({ ...newcomer, problem: problem("name_needed", { link }) });
    expect(has("home")).toBe(true);
    expect(document.activeElement).toBe(byId("name-input"));
    expect(byId<HTMLInputElement>("join-input").value).toBe(link);
    await type("name-input", "Kwame");
    await fireEvent.submit(byId("name-input").closest("form") as HTMLFormElement);
    await said();
    expect(backend.requests).toEqual([["dismissProblem"], ["setName", "Kwame"], ["joinRoom", link]]);
  });

  test("is kept a moment after its last letter, or when the field is left", async () => {
    vi.useFakeTimers();
    try {
      const { backend } = await showPage(atHome);
      await type("name-input", "Mar");
      await type("name-input", "Mara");
      await vi.advanceTimersByTimeAsync(500);
      expect(backend.requests).toEqual([["setName", "Mara"]]);
      await type("name-input", "Mara L");
      await fireEvent.blur(byId("name-input"));
      expect(backend.requests.at(-1)).toEqual(["setName", "Mara L"]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("may be long and of any script, but not endless", async () => {
    const { backend } = await showPage(atHome);
    await type("name-input", "由美子".repeat(13));
    await fireEvent.blur(byId("name-input"));
    expect(backend.requests).toHaveLength(1);
    await type("name-input", "x".repeat(65));
    await fireEvent.blur(byId("name-input"));
    expect(screen.getByText(/too long/)).toBeTruthy();
    expect(backend.requests).toHaveLength(1);
  });

  test("suggests a room of its own as it is typed", async () => {
    await showPage(newcomer);
    expect(byId<HTMLInputElement>("host-name").value).toBe("");
    expect(byId<HTMLInputElement>("host-name").placeholder).toBe("Our room");
    await type("name-input", "Mara Lindqvist");
    expect(byId<HTMLInputElement>("host-name").value).toBe("Mara's room");
  });
});

describe("devices at home", () => {
  test("are turned off and on, and chosen", async () => {
    const { backend } = await showPage({ ...atHome, me: { ...atHome.me, microphone: off() } });
    expect(byId("mic-toggle").getAttribute("aria-pressed")).toBe("false");
    expect(byId("camera-toggle").getAttribute("aria-pressed")).toBe("true");
    await fireEvent.click(byId("mic-toggle"));
    await fireEvent.click(byId("camera-toggle"));
    await fireEvent.change(byId("camera-picker"), { target: { value: "device:cam-1" } });
    await fireEvent.change(byId("microphone-picker"), { target: { value: "test" } });
    await fireEvent.click(byId("listen"));
    await fireEvent.click(byId("test-speaker"));
    expect(backend.requests).toEqual([
      ["setMicrophoneOn", true],
      ["setCameraOn", false],
      ["chooseCamera", { kind: "device", value: "cam-1" }],
      ["chooseMicrophone", { kind: "test_tone" }],
      ["setListening", true],
      ["testSpeaker"],
    ]);
    expect(byId("meter").getAttribute("aria-valuetext")).toBe("Muted");
  });

  test("obey their keys, but not while somebody types", async () => {
    const { backend } = await showPage(atHome);
    await fireEvent.keyDown(document.body, { key: "m" });
    await fireEvent.keyDown(byId("name-input"), { key: "v" });
    await fireEvent.keyDown(document.body, { key: "v" });
    expect(backend.requests).toEqual([
      ["setMicrophoneOn", false],
      ["setCameraOn", false],
    ]);
  });

  test("may be missing: that is said kindly, and rooms are open all the same", async () => {
    const none = troubled("no_device");
    const { backend } = await showPage({
      ...atHome,
      me: { camera: none, microphone: none, speaker: none, is_listening: false },
      devices: { cameras: [], microphones: [], speakers: [] },
    });
    expect(screen.getByText("There is no camera on this computer.")).toBeTruthy();
    expect(screen.getByText("You can join without one.")).toBeTruthy();
    expect(byId("meter").getAttribute("aria-valuetext")).toBe("No microphone");
    expect(byId<HTMLButtonElement>("mic-toggle").disabled).toBe(true);
    await expectAccessible();
    await fireEvent.click(byId("host-button"));
    await said();
    expect(backend.requests).toEqual([["hostRoom", "Priya's room"]]);
  });

  test("may be busy: the camera is tried again where it stands", async () => {
    const { backend } = await showPage({ ...atHome, me: { ...atHome.me, camera: troubled("camera_busy") } });
    expect(screen.getByText("Another program is using the camera.")).toBeTruthy();
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(backend.requests).toEqual([["chooseCamera", { kind: "default" }]]);
  });

  test("show initials while the camera is off", async () => {
    const { container } = await showPage({ ...atHome, me: { ...atHome.me, camera: off() } });
    expect(has("preview")).toBe(false);
    expect(container.querySelector(".avatar")?.textContent.trim()).toBe("PR");
    await expectAccessible();
  });
});
