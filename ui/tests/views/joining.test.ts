import { cleanup, fireEvent, screen } from "@testing-library/svelte";
import { afterEach, describe, expect, test } from "vitest";

import type { Joining, Snapshot } from "../../src/ipc/types";
import { expectAccessible } from "../axe";
import { atHome, problem } from "../fixtures";
import { inRoom, myself } from "../fixtures/room";
import { byId, has, said, showPage } from "./page";

afterEach(cleanup);

const way: Joining = { room: "Harbour crew", host: "192.168.1.20:7684", step: "agreeing_keys", is_waiting: false, decides: null };
const onTheWay: Snapshot = { ...atHome, stage: { kind: "joining", ...way } };
const link = "snug://192.168.1.20/Harbour%20crew";

function failed(code: string, details = { host: "192.168.1.20:7684", room: "Harbour crew", link }): Snapshot {
  return { ...atHome, problem: problem(code, details) };
}

describe("the way into a room", () => {
  test("shows its steps, and where it is", async () => {
    const { backend } = await showPage(onTheWay);
    expect(screen.getByRole("heading", { level: 1 }).textContent).toContain("Joining Harbour crew");
    const steps = screen.getAllByRole("listitem");
    expect(steps.map((step) => step.textContent.trim())).toEqual([
      "Reached the host",
      "Agreeing keys",
      "Entering the room",
    ]);
    expect(steps.map((step) => step.getAttribute("aria-current"))).toEqual([null, "step", null]);
    await expectAccessible();

    backend.say({ stage: { kind: "joining", ...way, step: "entering", is_waiting: false, decides: null } });
    await said();
    const told = screen.getAllByRole("status").map((status) => status.textContent.trim());
    expect(told).toContain("Entering the room");
  });

  test("is called opening where the room is one's own", async () => {
    await showPage({ ...atHome, stage: { kind: "joining", ...way, host: null } });
    expect(screen.getByRole("heading", { level: 1 }).textContent).toContain("Opening Harbour crew");
  });

  test("is left by Cancel, by Home and by Esc", async () => {
    const { backend } = await showPage(onTheWay);
    await fireEvent.click(byId("cancel"));
    await fireEvent.click(screen.getByRole("button", { name: "Home" }));
    await fireEvent.keyDown(document.body, { key: "Escape" });
    expect(backend.requests).toEqual([["cancelJoining"], ["cancelJoining"], ["cancelJoining"]]);
  });

  test("keeps the preview where it is when it fails", async () => {
    const { backend } = await showPage(onTheWay);
    const canvas = byId("preview");
    backend.say({ stage: { kind: "home" }, problem: failed("no_answer").problem });
    await said();
    expect(byId("preview")).toBe(canvas);
  });
});

describe("a way that ended before the door", () => {
  test("says why, and the focus is on the next step", async () => {
    const { backend } = await showPage(failed("no_answer"));
    expect(byId("problem").textContent.replace(/\s+/g, " ").trim()).toBe(
      "No answer from 192.168.1.20:7684. Is Snug open on that computer? Is its firewall on?",
    );
    expect(document.activeElement).toBe(byId("try-again"));
    await expectAccessible();
    await fireEvent.click(byId("try-again"));
    expect(backend.requests).toEqual([["joinRoom", link]]);
  });

  test("leads home, where everything typed is still there", async () => {
    const { backend } = await showPage(atHome);
    await fireEvent.input(byId("join-input"), { target: { value: "192.168.1.20/Harbour crew" } });
    await fireEvent.click(byId("join-button"));
    backend.say({ stage: { kind: "joining", ...way } });
    await said();
    expect(has("joining")).toBe(true);
    backend.say({ stage: { kind: "home" }, problem: failed("no_answer").problem });
    await said();
    await fireEvent.click(byId("home-button"));
    expect(backend.requests.at(-1)).toEqual(["dismissProblem"]);
    backend.say({ problem: null });
    await said();
    expect(byId<HTMLInputElement>("join-input").value).toBe("192.168.1.20/Harbour crew");
  });

  test("is forgotten once the person is in", async () => {
    const { backend } = await showPage(atHome);
    await fireEvent.input(byId("join-input"), { target: { value: "192.168.1.20/Harbour crew" } });
    backend.say({ stage: inRoom([myself()]).stage });
    await said();
    expect(has("room")).toBe(true);
    backend.say({ stage: { kind: "home" } });
    await said();
    expect(byId<HTMLInputElement>("join-input").value).toBe("");
  });

  test("is tried again by hosting where the room was one's own, and cannot be where nothing is known", async () => {
    const { backend } = await showPage({ ...atHome, problem: problem("host_failed", { room: "Our room" }) });
    await fireEvent.click(byId("try-again"));
    expect(backend.requests).toEqual([["hostRoom", "Our room"]]);
    backend.say({ problem: problem("internal") });
    await said();
    expect(has("try-again")).toBe(false);
    expect(has("home-button")).toBe(true);
  });

  test.each(["changed_key", "wrong_key"])("of %s ends in a new link, not in another try", async (code) => {
    const { backend } = await showPage(failed(code));
    expect(has("try-again")).toBe(false);
    expect(byId("new-link").classList.contains("accent")).toBe(true);
    await fireEvent.click(byId("new-link"));
    expect(backend.requests).toEqual([["dismissProblem"]]);
    backend.say({ problem: null });
    await said();
    expect(document.activeElement).toBe(byId("join-input"));
  });

  test.each(["changed_key", "wrong_key", "no such room", "not_snug", "media_unreachable", "connection_lost"])(
    "has words for %s",
    async (code) => {
      await showPage(failed(code));
      expect(byId("problem").dataset["code"]).toBe(code);
      expect(byId("problem").textContent.trim()).not.toBe("");
      await expectAccessible();
    },
  );
});
