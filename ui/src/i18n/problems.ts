// Finds the words for a problem.
import type { Problem } from "../ipc/types";
import type { Entry, ProblemWords } from "./en/problems";
import { words } from "./words.svelte";

export type { ProblemWords } from "./en/problems";

const { problems } = words;

/** Says what happened and the next step; for a code without words, in the program's own. */
export function problemWords(problem: Problem): ProblemWords {
  const { host, room, device } = problem.details;
  const { general, words: known } = problems;
  const entry = Object.hasOwn(known, problem.code) ? (known as Readonly<Record<string, Entry>>)[problem.code] : undefined;
  // A refusal without a code of its own is told best by the room that refused.
  const isTold = problem.code === "refused" && problem.message !== "";
  if (entry === undefined || isTold) return { title: problem.message, hint: problem.hint };
  const about = {
    host: host ?? general.host,
    room: room ?? general.room,
    device: device ?? generalDevice(problem.code),
  };
  return capitalised(entry(about));
}

/** Says what is the matter with a device of the person. */
export function deviceWords(role: "camera" | "microphone" | "speaker", problem: Problem): ProblemWords {
  const isAbsent = problem.code === "no_device" || problem.code === `${role}_absent`;
  if (!isAbsent) return problemWords(problem);
  // A chosen one that is away is another matter than having none.
  return problemWords({ ...problem, code: problem.details.device === null ? `${role}_absent` : `${role}_away` });
}

/** The same as one text, for a place with room for a line. */
export function problemSentence(problem: Problem): string {
  const { title, hint } = problemWords(problem);
  return `${title} ${hint}`.trim();
}

function generalDevice(code: string): string {
  const { general } = problems;
  if (code.startsWith("camera")) return general.camera;
  if (code.startsWith("microphone")) return general.microphone;
  return code.startsWith("speaker") ? general.speaker : general.device;
}

/** A general term that begins a sentence is written with a capital. */
function capitalised({ title, hint }: ProblemWords): ProblemWords {
  const terms = Object.values(problems.general);
  const begin = (text: string) => {
    const isTerm = terms.some((term) => text.startsWith(`${term} `));
    return isTerm ? text.slice(0, 1).toLocaleUpperCase() + text.slice(1) : text;
  };
  return { title: begin(title), hint: begin(hint) };
}
