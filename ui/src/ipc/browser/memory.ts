// What this browser remembers of the person between visits: in its own storage, for this host alone.

import type { Settings } from "../types";

const KEY = "snug";

/** What is kept. Device ids mean something to this page only. */
export type Kept = Pick<Settings, "name" | "camera_on" | "microphone_on"> & {
  camera: string | null;
  microphone: string | null;
  speaker: string | null;
};

const FIRST: Kept = {
  name: "",
  camera_on: true,
  microphone_on: true,
  camera: null,
  microphone: null,
  speaker: null,
};

/** Reads what was kept; what is missing or of another shape is as on the first visit. */
export function recall(storage: Pick<Storage, "getItem">): Kept {
  let found: unknown;
  try {
    found = JSON.parse(storage.getItem(KEY) ?? "{}");
  } catch {
    return { ...FIRST };
  }
  const kept = { ...FIRST };
  if (typeof found !== "object" || found === null) return kept;
  for (const name of ["name", "camera", "microphone", "speaker"] as const) {
    const value: unknown = Reflect.get(found, name);
    if (typeof value === "string") kept[name] = value;
  }
  for (const name of ["camera_on", "microphone_on"] as const) {
    const value: unknown = Reflect.get(found, name);
    if (typeof value === "boolean") kept[name] = value;
  }
  return kept;
}

/** Keeps it; a browser that keeps nothing asks again next time. */
export function keep(storage: Pick<Storage, "setItem">, kept: Kept): void {
  try {
    storage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // A private window, or a full one.
  }
}
