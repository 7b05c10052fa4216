// The base parts: what they say to a screen reader, and what keys and clicks do.
import Mic from "@lucide/svelte/icons/mic";
import { cleanup, fireEvent, render, screen } from "@testing-library/svelte";
import { createRawSnippet, tick } from "svelte";
import { afterEach, describe, expect, test, vi } from "vitest";

import Avatar from "../../src/components/Avatar.svelte";
import Button from "../../src/components/Button.svelte";
import Field from "../../src/components/Field.svelte";
import IconButton from "../../src/components/IconButton.svelte";
import Meter from "../../src/components/Meter.svelte";
import { follow, litCells } from "../../src/components/meter";
import Picker from "../../src/components/Picker.svelte";
import ProblemNote from "../../src/components/ProblemNote.svelte";
import Sheet from "../../src/components/Sheet.svelte";
import Switch from "../../src/components/Switch.svelte";
import { initials } from "../../src/rules/names";
import { expectAccessible } from "../axe";

afterEach(cleanup);

const words = (html: string) => createRawSnippet(() => ({ render: () => `<span>${html}</span>` }));

describe("Button", () => {
  test("is a plain button with its word", async () => {
    const onclick = vi.fn();
    render(Button, { children: words("Host"), onclick, "data-testid": "host-button" });
    const button = screen.getByRole("button", { name: "Host" });
    expect(button.getAttribute("type")).toBe("button");
    expect(button.dataset["testid"]).toBe("host-button");
    await fireEvent.click(button);
    expect(onclick).toHaveBeenCalledOnce();
    await expectAccessible("part");
  });
});

describe("IconButton", () => {
  test("has its word as label, and shows it with the key in a tooltip", async () => {
    const { container } = render(IconButton, { icon: Mic, label: "Mute", hotkey: "M", "aria-pressed": true });
    const button = screen.getByRole("button", { name: "Mute", pressed: true });
    expect(button.getAttribute("aria-keyshortcuts")).toBe("M");
    expect(container.querySelector(".tip")?.textContent).toBe("MuteM");
    await expectAccessible("part");
  });

  test("puts the tooltip away on Esc until the focus leaves", async () => {
    const { container } = render(IconButton, { icon: Mic, label: "Mute" });
    const anchor = container.querySelector(".anchor");
    await fireEvent.keyDown(screen.getByRole("button"), { key: "Escape" });
    expect(anchor?.classList.contains("dismissed")).toBe(true);
    await fireEvent.focusOut(screen.getByRole("button"));
    expect(anchor?.classList.contains("dismissed")).toBe(false);
  });
});

describe("Field", () => {
  test("says what is wrong in words that belong to the line, and keeps the value", async () => {
    render(Field, { label: "Your name", value: "Pr", error: "Say your name first." });
    const input = screen.getByRole<HTMLInputElement>("textbox", { name: "Your name" });
    expect(input.value).toBe("Pr");
    expect(input.getAttribute("aria-invalid")).toBe("true");
    const described = document.getElementById(input.getAttribute("aria-describedby") ?? "");
    expect(described?.textContent.trim()).toBe("Say your name first.");
    await expectAccessible("part");
  });
});

describe("Picker", () => {
  const options = [
    { value: "a", label: "Built-in camera" },
    { value: "b", label: "Desk camera" },
  ];

  test("asks for a choice, and shows the present one until the program has taken it", async () => {
    const onchoose = vi.fn();
    const { rerender } = render(Picker, { label: "Camera", options, value: "a", onchoose });
    const list = screen.getByRole<HTMLSelectElement>("combobox", { name: "Camera" });
    await fireEvent.change(list, { target: { value: "b" } });
    expect(onchoose).toHaveBeenCalledWith("b");
    expect(list.value).toBe("a");
    await rerender({ value: "b" });
    expect(list.value).toBe("b");
    await expectAccessible("part");
  });
});

describe("Switch", () => {
  test("is a switch with a hint, and the whole row is the target", async () => {
    const onswitch = vi.fn();
    render(Switch, { label: "Mirror my picture", hint: "Others see you the right way round.", on: true, onswitch });
    expect(screen.getByRole("switch", { name: "Mirror my picture" })).toHaveProperty("checked", true);
    await fireEvent.click(screen.getByText("Mirror my picture"));
    expect(onswitch).toHaveBeenCalledWith(false);
    await expectAccessible("part");
  });
});

describe("Sheet", () => {
  test("takes the focus to its main action, closes on Esc and outside, and gives the focus back", async () => {
    const opener = document.createElement("button");
    opener.textContent = "Leave";
    document.body.append(opener);
    opener.focus();
    const onclose = vi.fn();
    const children = words('<button data-autofocus>Leave</button>');
    const { unmount } = render(Sheet, { title: "Leave the room?", onclose, children });
    const dialog = screen.getByRole("dialog", { name: "Leave the room?" });
    expect(document.activeElement?.textContent).toBe("Leave");
    expect(dialog.contains(document.activeElement)).toBe(true);
    await expectAccessible("part");

    await fireEvent(dialog, new Event("cancel", { cancelable: true }));
    await fireEvent.click(dialog);
    await fireEvent.click(screen.getByRole("heading"));
    expect(onclose).toHaveBeenCalledTimes(2);
    unmount();
    expect(document.activeElement).toBe(opener);
    opener.remove();
  });
});

describe("Avatar", () => {
  test.each([
    ["Priya Raman", "PR"],
    ["Tomás", "T"],
    ["由美子", "由"],
    ["  ", ""],
    ["mara de la lindqvist", "ML"],
    ["👩‍🚀 Ada", "👩‍🚀"],
  ])("of %j is %j", (name, letters) => {
    expect(initials(name)).toBe(letters);
  });

  test("without a name is a figure", () => {
    const { container } = render(Avatar, { name: "" });
    expect(container.querySelector("svg")).not.toBeNull();
  });
});

describe("Meter", () => {
  test("lights its share of the cells", () => {
    expect([-1, 0, 0.5, 1, 2].map((fullness) => litCells(fullness, 24))).toEqual([0, 0, 12, 24, 24]);
  });

  test("rises at once and falls slowly", () => {
    expect(follow(0.2, 0.9, 50)).toBe(0.9);
    expect(follow(0.9, 0.2, 50)).toBeCloseTo(0.86);
    expect(follow(0.1, 0, 1000)).toBe(0);
  });

  test("repaints at most 20 times a second, and falls until it has reached what is heard", async () => {
    vi.useFakeTimers();
    try {
      const { container, rerender } = render(Meter, { label: "Loudness", fullness: 0 });
      const lit = () => container.querySelectorAll(".lit").length;
      await vi.advanceTimersByTimeAsync(100);
      await rerender({ fullness: 0.5 });
      await vi.advanceTimersByTimeAsync(0);
      expect(lit()).toBe(4);
      await rerender({ fullness: 1 });
      await vi.advanceTimersByTimeAsync(40);
      expect(lit()).toBe(4);
      await vi.advanceTimersByTimeAsync(10);
      expect(lit()).toBe(8);
      await rerender({ fullness: 0 });
      await vi.advanceTimersByTimeAsync(2000);
      expect(lit()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test("is empty and says why while muted", async () => {
    const { container } = render(Meter, { label: "Loudness", fullness: 1, silent: "Muted" });
    await tick();
    expect(container.querySelectorAll(".lit")).toHaveLength(0);
    expect(screen.getByRole("meter", { name: "Loudness" }).getAttribute("aria-valuetext")).toBe("Muted");
    await expectAccessible("part");
  });
});

describe("ProblemNote", () => {
  test("is read out when it appears", async () => {
    render(ProblemNote, { title: "No answer from h:1.", hint: "Is Snug open there?" });
    expect(screen.getByRole("alert").textContent).toContain("No answer from h:1.");
    await expectAccessible("part");
  });
});
