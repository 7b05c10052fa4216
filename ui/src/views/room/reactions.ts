// The glyph of each reaction, in the order in which they are offered.
import FaceGrinning from "@lucide/svelte/icons/face-grinning";
import Heart from "@lucide/svelte/icons/heart";
import PartyPopper from "@lucide/svelte/icons/party-popper";
import ThumbsDown from "@lucide/svelte/icons/thumbs-down";
import ThumbsUp from "@lucide/svelte/icons/thumbs-up";

import type { Glyph } from "../../components/glyph";
import type { Reaction } from "../../ipc/types";

export const reactionGlyphs: readonly (readonly [Reaction, Glyph])[] = [
  ["yes", ThumbsUp],
  ["heart", Heart],
  ["laugh", FaceGrinning],
  ["cheer", PartyPopper],
  ["no", ThumbsDown],
];

export function glyphOf(reaction: Reaction): Glyph {
  return reactionGlyphs.find(([one]) => one === reaction)?.[1] ?? ThumbsUp;
}
