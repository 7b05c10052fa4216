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
