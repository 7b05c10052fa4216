// What the page draws before the program has spoken: the same places, with nothing in them yet.
import type { DeviceState, Snapshot } from "../ipc/types";

const unknown: DeviceState = { is_on: true, is_running: false, name: null, problem: null };

export const blank: Snapshot = {
  revision: 0,
  stage: { kind: "home" },
  me: { camera: unknown, microphone: unknown, speaker: unknown, is_listening: false },
  devices: { cameras: [], microphones: [], speakers: [] },
  settings: {
    name: "",
    camera: { kind: "default" },
    microphone: { kind: "default" },
    speaker: null,
    camera_on: true,
    microphone_on: true,
    mirror: true,
    appearance: "system",
    language: "system",
    graphics: "auto",
  },
  recent: [],
  rooms: [],
  looks_for_rooms: false,
  problem: null,
  notice: null,
};
