// What this browser remembers of the person between visits: in its own storage, for this host alone.

import { isSpoken } from "../../i18n/language";
import type { Settings } from "../types";

const KEY = "snug";

/** What is kept. Device ids mean something to this page only. */
export type Kept = Pick<Settings, "name" | "camera_on" | "microphone_on" | "language"> & {
  camera: string | null;
  microphone: string | null;
  speaker: string | null;
  /** What this server knows this browser by: 32 hexadecimal digits, or nothing yet. */
  key: string;
};

const FIRST: Kept = {
  name: "",
  camera_on: true,
  microphone_on: true,
  language: "system",
  camera: null,
  microphone: null,
  speaker: null,
  key: "",
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
  for (const name of ["name", "camera", "microphone", "speaker", "key"] as const) {
    const value: unknown = Reflect.get(found, name);
    if (typeof value === "string") kept[name] = value;
  }
  for (const name of ["camera_on", "microphone_on"] as const) {
    const value: unknown = Reflect.get(found, name);
    if (typeof value === "boolean") kept[name] = value;
  }
  const language: unknown = Reflect.get(found, "language");
  if (isSpoken(language)) kept.language = language;
  return kept;
}

/** Makes what a server is to know this browser by. */
export function freshKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Keeps it; a browser that keeps nothing asks again next time. */
export function keep(storage: Pick<Storage, "setItem">, kept: Kept): void {
  try {
    storage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // A private window, or a full one.
  }
}
