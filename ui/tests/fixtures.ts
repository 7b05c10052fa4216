// Made-up snapshots: one plain state of the program to start from, changed by each test as it needs.
import type { DeviceState, Problem, ProblemDetails, FoundRoom, RecentRoom, Settings, Snapshot } from "../src/ipc/types";

/** A device that runs. */
export function running(name: string): DeviceState {
  return { is_on: true, is_running: true, name, problem: null };
}

/** A device that the person turned off. */
export function off(): DeviceState {
  return { is_on: false, is_running: false, name: null, problem: null };
}

/** A device that should run and does not. */
export function troubled(code: string): DeviceState {
  return { is_on: true, is_running: false, name: null, problem: problem(code) };
}

/** A problem that is about nothing in particular, unless `details` says so. */
export function problem(code: string, details: Partial<ProblemDetails> = {}): Problem {
  return {
    code,
    message: "",
    hint: "",
    details: { host: null, room: null, device: null, instead: null, link: null, ...details },
  };
}

export const settings: Settings = {
  name: "Priya Raman",
  camera: { kind: "default" },
  microphone: { kind: "default" },
  speaker: null,
  camera_on: true,
  microphone_on: true,
  mirror: true,
  appearance: "system",
  language: "system",
  graphics: "auto",
};

/** Priya at home with everything plugged in. */
export const atHome: Snapshot = {
  revision: 1,
  stage: { kind: "home" },
  me: {
    camera: running("Built-in camera"),
    microphone: running("Yeti Nano"),
    speaker: running("Desk speakers"),
    is_listening: false,
  },
  devices: {
    cameras: [
      { id: "cam-0", name: "Built-in camera", is_default: true },
      { id: "cam-1", name: "Desk camera", is_default: false },
    ],
    microphones: [
      { id: "mic-0", name: "Yeti Nano", is_default: true },
      { id: "mic-1", name: "Built-in microphone", is_default: false },
    ],
    speakers: [{ id: "spk-0", name: "Desk speakers", is_default: true }],
  },
  settings,
  recent: [],
  rooms: [],
  looks_for_rooms: true,
  problem: null,
  notice: null,
};

export const found: FoundRoom[] = [
  { link: "snug://192.168.1.7/Harbour%20crew#k=a", room: "Harbour crew", host: "maras-laptop", people: 4, is_locked: false, is_verified: false },
  { link: "snug://192.168.1.8/Harbour%20crew#k=b", room: "Harbour crew", host: "lab-server", people: 1, is_locked: false, is_verified: false },
  { link: "snug://192.168.1.9/Budget#k=c", room: "Budget, just us", host: "ingrid", people: 2, is_locked: true, is_verified: true },
];

export const recent: RecentRoom[] = [
  { link: "snug://maras-laptop:7684/Harbour%20crew", room: "Harbour crew", host: "maras-laptop:7684" },
  { link: "snug://lab-server:7684/physics", room: "第三教室 · Physics", host: "lab-server:7684" },
  { link: "snug://192.168.1.20:7684/budget", room: "Budget, just us", host: "192.168.1.20:7684" },
];
