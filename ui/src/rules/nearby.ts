// Rooms on this network: which of them has the light.
import type { FoundRoom } from "../ipc/types";

/** Returns the link of the room that has the view's accent: the one under the pointer or the focus;
 * at rest the first on this network, unless a link is being typed. */
export function litRoom(pointed: string | null, typed: string, found: readonly FoundRoom[]): string | null {
  if (pointed !== null) return pointed;
  return typed.trim() === "" ? (found[0]?.link ?? null) : null;
}
