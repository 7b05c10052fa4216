// What may be typed into the field that joins a room. Only the plain mistakes are caught here,
// before anything is asked; the program parses the text itself and has the last word.

/** Snug's own port: need not be written. */
const PORT = 7684;
const TEXT_LENGTH_MAX = 2048;

export type LinkFault = "empty" | "too_long" | "not_encrypted" | "unknown_scheme" | "no_room";

/** Says what keeps `text` from being a link, `host/room` or one of `knownRooms`; null when nothing does. */
export function linkFault(text: string, knownRooms: readonly string[] = []): LinkFault | null {
  const typed = text.trim();
  if (typed === "") return "empty";
  if (knownRooms.includes(typed)) return null;
  if (typed.length > TEXT_LENGTH_MAX) return "too_long";
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(typed)?.[1]?.toLowerCase();
  if (scheme === "http") return "not_encrypted";
  if (scheme !== undefined && scheme !== "snug" && scheme !== "https") return "unknown_scheme";
  const place = scheme === undefined ? typed : typed.slice(scheme.length + 3);
  const [host = "", ...path] = place.split("/");
  return host === "" || path.join("") === "" ? "no_room" : null;
}

/** Shortens a link to what a person can type in Snug: `host/room`, the port only when it is not Snug's own. */
export function typedForm(link: string): string | null {
  const match = /^snug:\/\/([^/#?]+)\/([^#?]+)/i.exec(link);
  if (match === null) return null;
  const [, host = "", room = ""] = match;
  const short = host.endsWith(`:${PORT}`) ? host.slice(0, -`:${PORT}`.length) : host;
  return `${short}/${decoded(room)}`;
}

/**
 * Turns a link for Snug into one that a browser opens: the same room on the page that its host serves.
 * The key goes along, so that Snug can be given it too; browsers tell nobody what follows a `#`.
 */
export function browserForm(link: string): string | null {
  const match = /^snug:\/\/([^/#?]+)\/([^#?]+)(#.*)?$/i.exec(link);
  if (match === null) return null;
  const [, host = "", room = "", key = ""] = match;
  const place = /:\d+$/.test(host) ? host : `${host}:${PORT}`;
  return `https://${place}/room/${room}${key}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray percent sign is a part of the name then.
    return text;
  }
}
