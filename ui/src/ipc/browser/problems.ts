// What a browser or the room refuses, as problems that the catalogue has words for.

import type { Problem, ProblemDetails } from "../types";

export type Input = "camera" | "microphone";

/** Makes a problem without words of its own: those of its code are in the catalogue. */
export function problemOfCode(code: string, details: Partial<ProblemDetails> = {}): Problem {
  const about = { host: null, room: null, device: null, instead: null, link: null, ...details };
  return { code, message: "", hint: "", details: about };
}

/** Says why a camera or microphone did not open (Media Capture and Streams, getUserMedia). */
export function inputProblem(input: Input, error: unknown, device: string | null): Problem {
  // Not every browser makes an Error of each of them.
  const { name } = (typeof error === "object" && error !== null ? error : {}) as { name?: unknown };
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return problemOfCode(`${input}_blocked`);
    case "NotFoundError":
    case "OverconstrainedError":
      return problemOfCode("no_device", { device });
    case "NotReadableError":
    case "AbortError":
      return problemOfCode(`${input}_busy`, { device });
    default:
      return problemOfCode(`${input}_failed`, { device });
  }
}

/** Reads the reason with which a room refused. */
export function refusal(answer: unknown, about: Partial<ProblemDetails>): Problem {
  const reason = typeof answer === "object" && answer !== null ? (answer as { reason?: unknown }).reason : null;
  return problemOfCode(typeof reason === "string" ? reason : "refused", about);
}
