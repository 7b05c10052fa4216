import { describe, expect, test } from "vitest";

import {
  cameraChoice,
  fileName,
  hasSpeaker,
  inputChoices,
  isAbsent,
  type Listed,
  microphoneChoice,
  PICK_FILE,
  speakerChoice,
  speakerChoices,
} from "../../src/views/me/choices";
import { atHome, problem, running, troubled } from "../fixtures";

const cameras = { entries: atHome.devices.cameras, used: "Built-in camera" };
const microphones = { entries: atHome.devices.microphones, used: "Yeti Nano" };
const speakers = { entries: atHome.devices.speakers, used: null };
const one = { entries: cameras.entries.slice(0, 1), used: null };
const none = { entries: [], used: null };
const labels = ({ options }: { options: { label: string }[] }) => options.map(({ label }) => label);

describe("the list of cameras", () => {
  test("has the system's favourite first, then each by itself, then the stand-ins", () => {
    const choices = inputChoices("camera", cameras, { kind: "default" }, "test_and_file");
    expect(labels(choices)).toEqual([
      "Built-in camera (default)",
      "Built-in camera",
      "Desk camera",
      "Test pattern",
      "A file...",
    ]);
    expect(choices.value).toBe("default");
  });

  test("has one line for the only camera, and none for a file where none is asked for", () => {
    const choices = inputChoices("camera", one, { kind: "default" }, "test");
    expect(labels(choices)).toEqual(["Built-in camera", "Test pattern"]);
  });

  test("says that there is none", () => {
    expect(labels(inputChoices("camera", none, { kind: "default" }, "test"))).toEqual(["No camera", "Test pattern"]);
  });

  test("keeps a chosen camera that is not connected, and tells what is used for now", () => {
    const chosen = (listed: Listed) => {
      const { options, value } = inputChoices("camera", listed, { kind: "device", value: "gone" }, "test");
      return options.find((option) => option.value === value)?.label;
    };
    expect(chosen(cameras)).toBe("Built-in camera for now");
    expect(chosen(none)).toBe("Not connected");
  });

  test("shows the chosen stand-in, a file by its name", () => {
    const pattern = inputChoices("camera", cameras, { kind: "test_pattern" }, "test");
    expect(pattern.options.find(({ value }) => value === pattern.value)?.label).toBe("Test pattern");
    const file = inputChoices("camera", cameras, { kind: "file", value: "/home/p/clip.y4m" }, "test");
    expect(file.options.find(({ value }) => value === file.value)?.label).toBe("clip.y4m");
  });
});

test("every line asks for what it says", () => {
  for (const choice of [{ kind: "default" }, { kind: "device", value: "cam-1" }, { kind: "test_pattern" }] as const) {
    expect(cameraChoice(inputChoices("camera", cameras, choice, "test").value)).toEqual(choice);
  }
  for (const choice of [{ kind: "default" }, { kind: "device", value: "mic-1" }, { kind: "test_tone" }] as const) {
    expect(microphoneChoice(inputChoices("microphone", microphones, choice, "test").value)).toEqual(choice);
  }
  for (const id of [null, "spk-0"]) expect(speakerChoice(speakerChoices(speakers, id).value)).toBe(id);
  expect(PICK_FILE).not.toBe("file");
});

test("a file's name is the last part of its path", () => {
  expect(fileName("/home/p/clip.y4m")).toBe("clip.y4m");
  expect(fileName("C:\\Films\\clip.y4m")).toBe("clip.y4m");
});

test("having none is not the same as trouble with one", () => {
  expect(isAbsent(troubled("no_device"))).toBe(true);
  expect(isAbsent(troubled("camera_busy"))).toBe(false);
  expect(isAbsent(running("Built-in camera"))).toBe(false);
  const away = { ...troubled("no_device"), problem: problem("no_device", { device: "Desk camera" }) };
  expect(isAbsent(away)).toBe(false);
});

test("a speaker is there until the program says that there is none", () => {
  expect(hasSpeaker(atHome)).toBe(true);
  expect(hasSpeaker({ ...atHome, revision: 0, devices: { ...atHome.devices, speakers: [] } })).toBe(true);
  expect(hasSpeaker({ ...atHome, devices: { ...atHome.devices, speakers: [] } })).toBe(false);
  expect(hasSpeaker({ ...atHome, me: { ...atHome.me, speaker: troubled("no_device") } })).toBe(false);
});
