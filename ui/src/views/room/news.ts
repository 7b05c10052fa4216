// Which news is shown, and in which words.

import { words as catalogue } from "../../i18n/words.svelte";
import { problemSentence } from "../../i18n/problems";
import type { Notice, Problem, Snapshot } from "../../ipc/types";

export interface News {
  /** Tells one piece of news from the next. */
  id: string;
  text: string;
  /** Another device can be chosen. */
  isAboutDevice: boolean;
  /** Number of the notice it comes from; null for a request that was refused. */
  notice: number | null;
}

const words = catalogue.room;
const ABOUT_DEVICE = /^(camera|microphone|speaker)_|^no_device$/;

/** Whoever pressed "Copy" has seen it there: no news. */
const SEEN_ELSEWHERE = new Set(["link_copied"]);

/** Picks the one piece of news that is shown; null for none. */
export function newsOf(snapshot: Snapshot, refusal: Problem | null): News | null {
  if (refusal !== null) {
    const text = problemSentence(refusal);
    return { id: `refusal ${text}`, text, isAboutDevice: ABOUT_DEVICE.test(refusal.code), notice: null };
  }
  const { notice } = snapshot;
  if (notice === null || SEEN_ELSEWHERE.has(notice.code)) return null;
  return {
    id: `notice ${notice.number}`,
    text: noticeText(notice, !snapshot.me.microphone.is_on),
    isAboutDevice: ABOUT_DEVICE.test(notice.code),
    notice: notice.number,
  };
}

function noticeText(notice: Notice, isMuted: boolean): string {
  const { device, instead } = notice.details;
  if (device === null || instead === null) return problemSentence({ ...notice, hint: "" });
  // That one stays muted is worth saying: the new device may have no light that shows it.
  return words.news.replaced(device, instead, notice.code.startsWith("microphone") && isMuted);
}
