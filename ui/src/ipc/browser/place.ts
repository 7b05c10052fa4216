// Where this page came from: its host, and the room that its address names.

import { roomNameFault } from "../../rules/names";

const ROOM_PATH = /^\/room\/([^/]+)\/?$/;

/** Reads the room of a path such as `/room/Harbour%20crew`; null where it names none. */
export function roomAt(path: string): string | null {
  const encoded = ROOM_PATH.exec(path)?.[1];
  if (encoded === undefined) return null;
  try {
    const room = decodeURIComponent(encoded).normalize("NFC").trim();
    return roomNameFault(room) === null ? room : null;
  } catch {
    // A stray percent sign: the server serves no page there either.
    return null;
  }
}

/** Writes the path of a room's page. */
export function pathOf(room: string): string {
  return `/room/${encodeURIComponent(room.normalize("NFC"))}`;
}

/** Says where the sockets of the page's own server are. */
export function socketAt({ protocol, host }: Pick<Location, "protocol" | "host">): string {
  return `${protocol === "http:" ? "ws" : "wss"}://${host}/socket`;
}

/** Asks the page's own server for its key in words; none where it does not say. */
export async function wordsOf(origin: string): Promise<string[]> {
  try {
    const answer = await fetch(`${origin}/words`);
    const said: unknown = await answer.json();
    return isWords(said) ? said : [];
  } catch {
    // An older server, or a network that broke: the page goes without.
    return [];
  }
}

function isWords(said: unknown): said is string[] {
  return Array.isArray(said) && said.length === 8 && said.every((word) => typeof word === "string" && word.length <= 16);
}
