// What stands in the lists of cameras, microphones and speakers, and what each line asks for.
import { words } from "../../i18n/words.svelte";
import type { CameraChoice, DeviceEntry, DeviceState, MicrophoneChoice, Snapshot } from "../../ipc/types";

export interface Option {
  value: string;
  label: string;
}

/** A list and its chosen line. */
export interface Choices {
  options: Option[];
  value: string;
}

type Choice = CameraChoice | MicrophoneChoice;

const DEFAULT = "default";
const DEVICE = "device:";
const TEST = "test";
const FILE = "file";

/** The line that opens the system's dialog for a file. */
export const PICK_FILE = "pick";

const { devices: said } = words;

/** What a list is made from. */
export interface Listed {
  entries: readonly DeviceEntry[];
  /** What really runs, perhaps in place of the chosen one. */
  used: string | null;
}

/** What may stand in for a device: a test picture or tone, and the line that asks for a file. */
export type StandIns = "none" | "test" | "test_and_file";

/** Lists cameras, or microphones, and their stand-ins. */
export function inputChoices(
  role: "camera" | "microphone",
  listed: Listed,
  choice: Choice,
  standIns: StandIns,
): Choices {
  const { options, value } = deviceChoices(said.none[role], listed, deviceOf(choice));
  const test = role === "camera" ? said.testPattern : said.testTone;
  if (standIns !== "none") options.push({ value: TEST, label: test });
  if (choice.kind === "file") options.push({ value: FILE, label: fileName(choice.value) });
  if (standIns === "test_and_file") options.push({ value: PICK_FILE, label: said.file });
  if (choice.kind === "file") return { options, value: FILE };
  return { options, value: choice.kind.startsWith("test") ? TEST : value };
}

/** Lists speakers. */
export function speakerChoices(listed: Listed, id: string | null): Choices {
  return deviceChoices(said.none.speaker, listed, id);
}

/** Reads which camera a line asks for. */
export function cameraChoice(value: string): CameraChoice {
  if (value === TEST) return { kind: "test_pattern" };
  const device = speakerChoice(value);
  return device === null ? { kind: "default" } : { kind: "device", value: device };
}

/** Reads which microphone a line asks for. */
export function microphoneChoice(value: string): MicrophoneChoice {
  const choice = cameraChoice(value);
  return choice.kind === "test_pattern" ? { kind: "test_tone" } : (choice as MicrophoneChoice);
}

/** Reads which device a line asks for; null is the system's favourite. */
export function speakerChoice(value: string): string | null {
  return value.startsWith(DEVICE) ? value.slice(DEVICE.length) : null;
}

/** There is no device of the kind at all, which is normal and no fault. */
export function isAbsent({ problem }: DeviceState): boolean {
  if (problem === null || problem.details.device !== null) return false;
  return problem.code === "no_device" || problem.code.endsWith("_absent");
}

/** Says whether anything can be heard on this computer. */
export function hasSpeaker({ me, devices, revision }: Snapshot): boolean {
  // Before the program has spoken nobody knows.
  return revision === 0 || (devices.speakers.length > 0 && !isAbsent(me.speaker));
}

/** Takes the last part of a path of any system. */
export function fileName(path: string): string {
  return path.split(/[/\\]/).at(-1) || path;
}

/** One device needs one line; of several, the system's favourite comes first and stays the favourite when that changes. */
function deviceChoices(none: string, { entries, used }: Listed, id: string | null): Choices {
  const favourite = entries.find((entry) => entry.is_default) ?? entries[0];
  const isPlain = entries.length < 2 && id === null;
  const first = favourite === undefined ? none : isPlain ? favourite.name : said.favourite(favourite.name);
  const options = [{ value: DEFAULT, label: first }];
  if (!isPlain) options.push(...entries.map((entry) => ({ value: DEVICE + entry.id, label: entry.name })));
  if (id === null) return { options, value: DEFAULT };
  const value = DEVICE + id;
  if (!entries.some((entry) => entry.id === id)) options.push({ value, label: used === null ? said.away : said.forNow(used) });
  return { options, value };
}

function deviceOf(choice: Choice): string | null {
  return choice.kind === "device" ? choice.value : null;
}
