import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import { tick } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Room, Snapshot } from "../../src/ipc/types";
import Toast from "../../src/views/room/Toast.svelte";
import { appContext } from "../../src/state/app.svelte";
import { expectAccessible } from "../axe";
import { problem } from "../fixtures";
import {
  alone,
  crowd,
  four,
  inRoom,
  LINKS, WORDS,
  mara,
  myself,
  nothingPluggedIn,
  person,
  reconnecting,
  six,
  tomas,
  withMe,
} from "../fixtures/room";
import { browserForm } from "../../src/rules/link";
import { qrCode } from "../../src/rules/qr";
import { resizeWindow, showRoom, startApp } from "./show";

beforeEach(() => {
  resizeWindow(1120, 720);
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const tiles = () => screen.getAllByTestId("tile");
const tileOf = (id: string) => {
  const tile = tiles().find(({ dataset }) => dataset["person"] === id);
  if (tile === undefined) throw new Error(`no tile of ${id}`);
  return tile;
};
const press = (key: string, target: Element = document.body) => fireEvent.keyDown(target, { key });

const states: Record<string, Snapshot> = {
  four,
  alone,
  six,
  crowd,
  reconnecting,
  nothing: nothingPluggedIn(problem("no_device")),
  stopped: inRoom([mara, myself({ tile: null })], { connection: "capture_stopped" }),
  connecting: inRoom([myself()], { connection: "connecting_media", links: [] }),
};

describe.each(Object.entries(states))("the room: %s", (_name, snapshot) => {
  test.each([[1120, 720], [640, 480], [480, 360]])("has nothing that axe objects to at %dx%d", async (width, height) => {
    resizeWindow(width, height);
    const { app } = await showRoom(snapshot);
    await expectAccessible();
    app.ui.openDrawer("people");
    await tick();
    await expectAccessible();
  });
});

test.each(["invite", "leave", "shortcuts"] as const)("the sheet %s has nothing that axe objects to", async (sheet) => {
  const { app } = await showRoom(four);
  app.ui.openSheet(sheet);
  await tick();
  expect(screen.getByRole("dialog")).toBeTruthy();
  await expectAccessible();
});

describe("tiles", () => {
  test("stand for people, oneself last, each with a name and what is the matter", async () => {
    await showRoom(reconnecting);
    expect(tiles().map(({ dataset }) => dataset["person"])).toEqual(["p1", "p2", "p3", "me"]);
    expect(tileOf("p2").dataset["reconnecting"]).toBe("true");
    expect(within(tileOf("p2")).getByText("Reconnecting")).toBeTruthy();
    expect(tileOf("p3").dataset["muted"]).toBe("true");
    expect(within(tileOf("p3")).getByText("Muted")).toBeTruthy();
    expect(tileOf("me").textContent).toContain("You");
    expect(tileOf("me").dataset["me"]).toBe("true");
  });

  test("move to new places when somebody comes or a drawer opens, not while the window is dragged", async () => {
    const { say, app, container } = await showRoom(four);
    vi.useFakeTimers();
    const isMoving = () => container.querySelector(".stage")?.classList.contains("moving");
    expect(isMoving()).toBe(false);
    resizeWindow(1000, 700);
    await tick();
    expect(isMoving()).toBe(false);
    await say({ stage: six.stage });
    expect(isMoving()).toBe(true);
    await vi.advanceTimersByTimeAsync(320);
    expect(isMoving()).toBe(false);
    app.ui.openDrawer("people");
    await tick();
    expect(isMoving()).toBe(true);
  });

  test("fit the stage as the look has it", async () => {
    await showRoom(four);
    expect(tiles().map(({ style }) => [style.width, style.height])).toEqual(Array(4).fill(["538px", "286px"]));
  });

  test("show initials without a camera, and no canvas", async () => {
    await showRoom(six);
    expect(within(tileOf("p1")).getByText("AH")).toBeTruthy();
    expect(tileOf("p1").querySelector("canvas")).toBeNull();
    expect(tileOf("p4").querySelector("canvas")).not.toBeNull();
  });

  test("tell two of one name apart", async () => {
    await showRoom(six);
    expect(tileOf("p3").textContent?.replace(/\s+/g, " ")).toContain("Alex 1");
    expect(tileOf("p5").textContent?.replace(/\s+/g, " ")).toContain("Alex 2");
    expect(tileOf("p4").textContent).not.toContain("1");
  });

  test("ring at once when somebody speaks; never oneself, nor who is muted", async () => {
    const { app } = await showRoom(four);
    app.levels.accept({ me: -20, people: { p1: -20, p3: -20, me: -20 } });
    await tick();
    expect(tiles().map(({ dataset }) => dataset["speaking"])).toEqual(["true", "false", "false", "false"]);
  });

  test("one's own is mirrored only when wished, and muted as soon as the microphone is off", async () => {
    const { say, backend } = await showRoom(four);
    const canvas = () => tileOf("me").querySelector("canvas");
    expect(canvas()?.classList.contains("mirror")).toBe(true);
    expect(tileOf("p1").querySelector("canvas")?.classList.contains("mirror")).toBe(false);
    await say({ settings: { ...four.settings, mirror: false } });
    expect(canvas()?.classList.contains("mirror")).toBe(false);
    const { me } = withMe(backend.current, { microphone: { is_on: false }, camera: { is_on: false } });
    await say({ me });
    expect(tileOf("me").dataset["muted"]).toBe("true");
    expect(canvas()).toBeNull();
  });

  test("only those on screen are watched, page by page", async () => {
    const { environment } = await showRoom(crowd);
    await environment.open();
    const watched = () => environment.socket.watched.at(-1)?.tiles.map(({ tile }) => tile);
    expect(watched()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    await fireEvent.click(screen.getByRole("button", { name: "Page 2 of 3" }));
    await environment.pass(40);
    expect(watched()).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 17]);
    expect(screen.getByRole("button", { name: "Page 2 of 3" }).getAttribute("aria-current")).toBe("page");
  });

  test("whoever's picture the network does not carry is said to have none; who has no camera on is not", async () => {
    const words = "Picture off: the network is too slow for it";
    const held = { is_held_back: true };
    const off = { ...tomas, ...held, tile: null };
    const { say } = await showRoom(inRoom([{ ...mara, ...held }, off, myself(held)]));
    for (const id of [mara.id, "me"]) {
      expect(tileOf(id).dataset["heldBack"]).toBe("true");
      expect(within(tileOf(id)).getByText(words)).toBeTruthy();
    }
    expect(tileOf(tomas.id).dataset["heldBack"]).toBe("false");
    expect(within(tileOf(tomas.id)).queryByText(words)).toBeNull();
    await say({ stage: inRoom([mara, tomas, myself()]).stage });
    expect(screen.queryByText(words)).toBeNull();
  });

  test("what a drawer or a sheet covers in a small window is not watched", async () => {
    const { app, environment } = await showRoom(four);
    await environment.open();
    const watched = async () => {
      await tick();
      await environment.pass(40);
      return environment.socket.watched.at(-1)?.tiles.length;
    };
    app.ui.openDrawer("people");
    expect(await watched()).toBe(4);
    resizeWindow(480, 360);
    expect(await watched()).toBe(0);
    app.ui.closeDrawer();
    expect(await watched()).toBe(4);
    app.ui.openSheet("leave");
    expect(await watched()).toBe(0);
  });

  test("a speaker of a later page comes to the first", async () => {
    const { app } = await showRoom(crowd);
    app.levels.accept({ me: null, people: { p15: -20 } });
    await tick();
    expect(tileOf("p15").dataset["speaking"]).toBe("true");
  });

  test("a snapshot that changes nothing about a picture does not begin it anew", async () => {
    const { say } = await showRoom(four);
    const canvas = tileOf("p1").querySelector("canvas");
    await say({ recent: [] });
    expect(tileOf("p1").querySelector("canvas")).toBe(canvas);
  });

  test("loudness is asked for in the room and not after", async () => {
    const { environment, unmount } = await showRoom(four);
    await environment.open();
    expect(environment.socket.watched.at(-1)?.levels).toBe(true);
    unmount();
    await environment.pass(40);
    expect(environment.socket.watched.at(-1)).toEqual({ tiles: [], levels: false });
  });
});

describe("the bar", () => {
  test("says whether microphone and camera are on, and asks to change that", async () => {
    const { backend, say } = await showRoom(four);
    const microphone = screen.getByTestId("mic-button");
    expect(microphone.getAttribute("aria-pressed")).toBe("true");
    await fireEvent.click(microphone);
    await fireEvent.click(screen.getByTestId("camera-button"));
    expect(backend.requests).toEqual([["setMicrophoneOn", false], ["setCameraOn", false]]);
    await say({ me: withMe(four, { microphone: { is_on: false } }).me });
    expect(microphone.getAttribute("aria-pressed")).toBe("false");
  });

  test("a device in trouble is tried again; one that is gone leads to settings", async () => {
    const busy = withMe(four, { camera: { is_running: false, problem: problem("camera_busy") } });
    const { backend, app, say } = await showRoom(busy);
    const camera = screen.getByTestId("camera-button");
    expect(camera.getAttribute("aria-pressed")).toBe("false");
    await fireEvent.click(camera);
    expect(backend.requests).toEqual([["setCameraOn", true]]);
    await say({ me: withMe(four, { camera: { is_running: false, problem: problem("camera_absent") } }).me });
    await fireEvent.click(camera);
    expect(backend.requests).toHaveLength(1);
    expect(app.ui.isSettingsOpen).toBe(true);
  });

  test("a mouse takes no focus from where it was: space still means hold to talk", async () => {
    await showRoom(four);
    expect(await fireEvent.mouseDown(screen.getByTestId("mic-button"))).toBe(false);
  });

  test("in a small window it has the room's name, and everything is still there", async () => {
    resizeWindow(480, 360);
    await showRoom(four);
    const bar = within(screen.getByTestId("bar"));
    expect(bar.getByTestId("room-name")).toBeTruthy();
    expect(bar.getByTestId("encryption")).toBeTruthy();
    for (const what of ["mic", "camera", "leave", "people", "invite", "settings"]) {
      expect(bar.getByTestId(`${what}-button`)).toBeTruthy();
    }
    expect(screen.getAllByRole("heading", { level: 1 })).toHaveLength(1);
  });
});

describe("keys", () => {
  test("m and v turn microphone and camera off, p opens people, Esc closes, ? lists the keys", async () => {
    const { backend, app } = await showRoom(four);
    await press("m");
    await press("v");
    expect(backend.requests).toEqual([["setMicrophoneOn", false], ["setCameraOn", false]]);
    await press("p");
    expect(screen.getByTestId("people-drawer")).toBeTruthy();
    await press("Escape");
    expect(screen.queryByTestId("people-drawer")).toBeNull();
    await press("?");
    expect(app.ui.sheet).toBe("shortcuts");
    await press("m");
    expect(backend.requests).toHaveLength(2);
  });

  test("space held while muted is heard until it is let go", async () => {
    const { backend } = await showRoom(withMe(four, { microphone: { is_on: false } }));
    await press(" ");
    await fireEvent.keyDown(document.body, { key: " ", repeat: true });
    await fireEvent.keyUp(document.body, { key: " " });
    await fireEvent.keyUp(document.body, { key: " " });
    expect(backend.requests).toEqual([["setMicrophoneOn", true], ["setMicrophoneOn", false]]);
  });

  test("a window that loses the keyboard mutes again", async () => {
    const { backend } = await showRoom(withMe(four, { microphone: { is_on: false } }));
    await press(" ");
    await fireEvent.blur(window);
    expect(backend.requests.at(-1)).toEqual(["setMicrophoneOn", false]);
  });

  test("space does nothing to a live microphone, and presses a button that has the focus", async () => {
    const { backend } = await showRoom(four);
    await press(" ");
    await fireEvent.keyUp(document.body, { key: " " });
    await press(" ", screen.getByTestId("people-button"));
    expect(backend.requests).toEqual([]);
  });
});

describe("people", () => {
  test("are listed as they came, oneself marked, the drawer taking and giving back the focus", async () => {
    await showRoom(four);
    const button = screen.getByTestId("people-button");
    button.focus();
    await fireEvent.click(button);
    const drawer = screen.getByTestId("people-drawer");
    expect(document.activeElement).toBe(drawer);
    const rows = screen.getAllByTestId("person-row");
    expect(rows.map(({ dataset }) => dataset["person"])).toEqual(["p1", "p2", "p3", "me"]);
    expect(rows[3]?.textContent).toContain("(you)");
    expect(rows[3]?.textContent).toContain("Host");
    expect(within(rows[2] as HTMLElement).getByText("Muted")).toBeTruthy();
    await fireEvent.click(within(drawer).getByRole("button", { name: "Close" }));
    await new Promise((resolve) => requestAnimationFrame(resolve));
    expect(document.activeElement).toBe(button);
  });

  test("who came without Snug is said to be in a browser, unless there is more to say", async () => {
    const guest = person(1, "Grete", { is_in_browser: true });
    const lost = person(2, "Gus", { is_in_browser: true, is_reconnecting: true });
    const { app } = await showRoom(inRoom([guest, lost, myself()]));
    app.ui.openDrawer("people");
    await tick();
    const rows = screen.getAllByTestId("person-row").map((row) => row.textContent);
    expect(rows.map((row) => row.includes("In a browser"))).toEqual([true, false, false]);
    expect(rows[1]).toContain("Reconnecting");
  });

  test("make the tiles smaller where the drawer docks, and cover everything in a small window", async () => {
    const { app, container } = await showRoom(four);
    app.ui.openDrawer("people");
    await tick();
    expect(tiles()[0]?.style.width).toBe("366px");
    const behind = container.querySelector<HTMLElement>(".behind");
    expect(behind?.contains(screen.getByTestId("bar"))).toBe(true);
    expect(behind?.inert).toBe(false);
    resizeWindow(480, 360);
    await tick();
    expect(behind?.inert).toBe(true);
    expect(screen.getByTestId("people-drawer").getAttribute("aria-modal")).toBe("true");
  });

  test("who comes and who leaves is said to a screen reader", async () => {
    const { say, container } = await showRoom(inRoom([mara, myself()]));
    const said = () => [...container.querySelectorAll("[role=status]")].map((part) => part.textContent).join("");
    expect(said()).not.toContain("came in");
    await say({ stage: inRoom([tomas, myself()]).stage });
    expect(said()).toContain("Tomás came in. Mara Lindqvist left.");
  });
});

describe("leaving", () => {
  const host = "192.168.1.20:7684";
  const sheetOf = async (snapshot: Snapshot) => {
    const shown = await showRoom(snapshot);
    await fireEvent.click(screen.getByTestId("leave-button"));
    return { ...shown, sheet: screen.getByTestId("leave-sheet"), confirm: screen.getByTestId("leave-confirm") };
  };

  test("as host ends the room for all, and says so", async () => {
    const { backend, sheet, confirm } = await sheetOf(four);
    expect(sheet.textContent).toContain("When you leave, it ends for everyone.");
    expect(confirm.textContent).toContain("End for all");
    expect(document.activeElement).toBe(confirm);
    await fireEvent.click(confirm);
    expect(backend.requests).toEqual([["leaveRoom"]]);
    expect(screen.queryByTestId("leave-sheet")).toBeNull();
  });

  test("as guest leaves the others", async () => {
    const { sheet, confirm } = await sheetOf(inRoom([mara, myself()], { host }));
    expect(sheet.textContent).toContain("Leave Harbour crew?");
    expect(confirm.textContent?.trim()).toBe("Leave");
  });

  test("can be thought better of", async () => {
    const { backend } = await sheetOf(four);
    await fireEvent.click(screen.getByRole("button", { name: "Stay" }));
    expect([backend.requests.length, screen.queryByTestId("leave-sheet")]).toEqual([0, null]);
  });

  test("a window asked to close asks once, then closes", async () => {
    const { backend } = await showRoom(four);
    backend.askToClose();
    await tick();
    const confirm = screen.getByTestId("leave-confirm");
    expect(confirm.textContent).toContain("End for all and close");
    await fireEvent.click(confirm);
    expect(backend.requests).toEqual([["quitConfirmed"]]);
  });
});

describe("inviting", () => {
  test("copies the best link, says so there, and shows what to type", async () => {
    const { backend } = await showRoom(four);
    await fireEvent.click(screen.getByTestId("invite-button"));
    const sheet = within(screen.getByTestId("invite-sheet"));
    const typed = sheet.getByRole<HTMLInputElement>("textbox", { name: "Type it in Snug" });
    expect(typed.value).toBe("192.168.1.20/Harbour crew");
    const opened = sheet.getByRole<HTMLInputElement>("textbox", { name: "Without Snug, in a browser" });
    expect(opened.value).toMatch(/^https:\/\/192\.168\.1\.20:7684\/room\/Harbour%20crew#k=/);
    await fireEvent.click(sheet.getByRole("button", { name: "Copy" }));
    await tick();
    expect(backend.requests).toEqual([["copyLink", LINKS[0]]]);
    expect(sheet.getByRole("button", { name: "Copied" })).toBeTruthy();
  });

  test("shows the address as a code for phones, and the words that the host sees", async () => {
    await showRoom(four);
    await fireEvent.click(screen.getByTestId("invite-button"));
    const sheet = within(screen.getByTestId("invite-sheet"));
    const code = sheet.getByRole("img", { name: "Link to this room as a QR code" });
    expect(code.querySelector("path")?.getAttribute("d")).toBe(qrCode(browserForm(LINKS[0] ?? "") ?? "")?.path);
    expect(sheet.getByTestId("words").textContent).toBe(WORDS.join(" "));
    expect(sheet.queryByTestId("words-match")).toBeNull();
  });

  test("a guest compares the words, and nobody is asked again once they match", async () => {
    const { backend, say } = await showRoom(inRoom([mara, myself()], { host: "10.0.0.4:7684", is_pinned: false }));
    await fireEvent.click(screen.getByTestId("encryption"));
    expect(screen.getByText(/^Not verified:/)).toBeTruthy();
    await fireEvent.click(screen.getByTestId("words-match"));
    expect(backend.requests).toEqual([["wordsMatch"]]);
    await say({ stage: inRoom([mara, myself()], { host: "10.0.0.4:7684", is_pinned: true }).stage });
    expect(screen.getByText(/^Verified:/)).toBeTruthy();
    expect(screen.queryByTestId("words-match")).toBeNull();
  });

  test("alone, the link is one press away; later the words are others", async () => {
    const { backend, say } = await showRoom(alone);
    expect(screen.getByText("You are the first one here.")).toBeTruthy();
    await fireEvent.click(screen.getByRole("button", { name: "Copy link" }));
    expect(backend.requests).toEqual([["copyLink", LINKS[0]]]);
    await say({ stage: four.stage });
    expect(screen.queryByText("You are the first one here.")).toBeNull();
    await say({ stage: alone.stage });
    expect(screen.getByText("Nobody else is here now.")).toBeTruthy();
  });
});

describe("the connection", () => {
  test.each([
    ["reconnecting", "Your network dropped. Holding your place."],
    ["capture_stopped", "Your network dropped. Camera and microphone are off until it is back."],
    ["connecting_media", "Connecting sound and picture"],
  ] as const)("%s is told", async (connection: Room["connection"], words) => {
    const { say } = await showRoom(inRoom([mara, myself()], { connection }));
    expect(screen.getByTestId("connection-note").textContent?.trim()).toBe(words);
    await say({ stage: inRoom([mara, myself()]).stage });
    expect(screen.queryByTestId("connection-note")).toBeNull();
  });

  test.each(["reconnecting", "capture_stopped"] as const)("while it is %s the others are dimmed", async (connection) => {
    const { say } = await showRoom(inRoom([mara, myself()], { connection }));
    expect(tileOf("p1").dataset["reconnecting"]).toBe("true");
    expect(tileOf("me").dataset["reconnecting"]).toBe("false");
    await say({ stage: inRoom([mara, myself()]).stage });
    expect(tileOf("p1").dataset["reconnecting"]).toBe("false");
  });

  test("stopped capture looks stopped", async () => {
    await showRoom(inRoom([mara, myself()], { connection: "capture_stopped" }));
    expect(screen.getByTestId("mic-button").getAttribute("aria-pressed")).toBe("false");
    expect(screen.getByTestId("camera-button").getAttribute("aria-pressed")).toBe("false");
    expect(tileOf("me").dataset["muted"]).toBe("true");
    expect(tileOf("me").querySelector("canvas")).toBeNull();
  });

  test("what encryption means is said when asked, and put away by Esc", async () => {
    await showRoom(inRoom([mara, myself()], { host: "192.168.1.20:7684", is_pinned: true }));
    const button = screen.getByTestId("encryption");
    expect(button.textContent).toContain("Encrypted to the host");
    await fireEvent.click(button);
    expect(screen.getByText(/passes them on and could see them/)).toBeTruthy();
    expect(screen.getByText(/^Verified:/)).toBeTruthy();
    await press("Escape", button);
    expect(screen.queryByText(/passes them on/)).toBeNull();
  });
});

describe("news", () => {
  const unplugged = {
    number: 7,
    code: "microphone_unplugged",
    message: "",
    details: { ...problem("").details, device: "Your headset", instead: "the built-in microphone" },
  };
  const showToast = async (snapshot: Snapshot) => {
    const shown = await startApp(snapshot);
    vi.useFakeTimers();
    render(Toast, { context: appContext(shown.app) });
    await tick();
    return shown;
  };

  test("stands for six seconds, then the program is told that it was seen", async () => {
    const { backend } = await showToast({ ...withMe(four, { microphone: { is_on: false } }), notice: unplugged });
    const words = "Your headset was unplugged. Using the built-in microphone, still muted.";
    expect(screen.getByTestId("toast").textContent).toContain(words);
    await vi.advanceTimersByTimeAsync(5900);
    expect(backend.requests).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(backend.requests).toEqual([["dismissNotice", 7]]);
  });

  test("stays while somebody reads it", async () => {
    const { backend } = await showToast({ ...four, notice: unplugged });
    await fireEvent.pointerEnter(screen.getByTestId("toast"));
    await vi.advanceTimersByTimeAsync(20_000);
    expect(backend.requests).toEqual([]);
    await fireEvent.pointerLeave(screen.getByTestId("toast"));
    await vi.advanceTimersByTimeAsync(6000);
    expect(backend.requests).toEqual([["dismissNotice", 7]]);
  });

  test("about a device leads to the devices", async () => {
    const { app, backend } = await showToast({ ...four, notice: unplugged });
    await fireEvent.click(screen.getByRole("button", { name: "Change" }));
    expect(app.ui.isSettingsOpen).toBe(true);
    expect(backend.requests).toEqual([["dismissNotice", 7]]);
  });

  test.each([
    [{ device: "Desk camera", instead: "Built-in camera" }, "Desk camera was unplugged. Using Built-in camera."],
    [{ device: "Desk camera", instead: null }, "Desk camera was unplugged. Plug it in again, or choose another camera."],
  ])("about a camera: %o", async (details, words) => {
    const snapshot = withMe(four, { microphone: { is_on: false } });
    await showToast({ ...snapshot, notice: { ...problem("camera_unplugged", details), number: 1 } });
    expect(screen.getByTestId("toast").textContent).toContain(words);
  });

  test("of what one did oneself is none", async () => {
    const { backend } = await showToast({ ...four, notice: { ...unplugged, code: "link_copied" } });
    expect(screen.queryByTestId("toast")).toBeNull();
    expect(backend.requests).toEqual([["dismissNotice", 7]]);
  });

  test("a refused request is told", async () => {
    const { app } = await showToast(four);
    app.ui.refuse(problem("camera_busy"));
    await tick();
    expect(screen.getByTestId("toast").textContent).toContain("Another program is using the camera.");
    await vi.advanceTimersByTimeAsync(6000);
    expect(app.ui.refusal).toBeNull();
  });
});
