// Turns what the rules find wrong into sentences.
import { words } from "../../i18n/words.svelte";
import type { LinkFault } from "../../rules/link";
import type { NameFault } from "../../rules/names";
import { roomNameFault } from "../../rules/names";

const { home } = words;

/** Says what is wrong with the person's name. */
export function nameSentence(fault: NameFault): string {
  if (fault === "empty") return home.nameMissing;
  return fault === "too_long" ? home.nameTooLong : home.nameUnusable;
}

/** Says what is wrong with a room's name; an empty one is no fault: the suggestion is taken. */
export function roomSentence(fault: Exclude<NameFault, "empty">): string {
  const sentences = {
    too_long: home.roomTooLong,
    invisible: home.nameUnusable,
    slash: home.roomSlash,
    dots: home.roomDots,
  };
  return sentences[fault];
}

/** Says what is wrong with what is to be joined. */
export function linkSentence(fault: LinkFault): string {
  const sentences: Record<LinkFault, string> = {
    empty: home.linkEmpty,
    too_long: home.linkTooLong,
    not_encrypted: home.linkNotEncrypted,
    unknown_scheme: home.linkUnknownScheme,
    no_room: home.linkNoRoom,
  };
  return sentences[fault];
}

/** Suggests a room's name from the person's: their first name's. */
export function suggestedRoom(name: string): string {
  const [first = ""] = name.trim().split(/\s+/u);
  const suggestion = home.roomOf(first);
  return first === "" || roomNameFault(suggestion) !== null ? home.ourRoom : suggestion;
}
