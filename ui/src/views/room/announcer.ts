// Says who came and who left, who raised a hand and what was said, for whoever cannot see it change.

import { words } from "../../i18n/words.svelte";
import type { Social } from "../../ipc/types";
import type { ShownPerson } from "./people";

/** Makes a function that says what changed since it was asked last; nothing the first time. */
export function comingsAndGoings(): (people: readonly ShownPerson[]) => string {
  let before: ReadonlyMap<string, string> | null = null;
  let said = "";
  return (people) => {
    const now = new Map(people.map(({ id, shownName }) => [id, shownName]));
    if (before !== null) {
      const came = [...now].filter(([id]) => !before?.has(id)).map(([, name]) => words.room.cameIn(name));
      const left = [...before].filter(([id]) => !now.has(id)).map(([, name]) => words.room.wentOut(name));
      if (came.length + left.length > 0) said = [...came, ...left].join(" ");
    }
    before = now;
    return said;
  };
}

/** So much of a message is read out while the chat is closed. */
const READ_OUT_MAX = 200;

/**
 * Makes a function that says whose hand went up and what was said since it was asked last; nothing
 * the first time. While the chat is open it reads its messages out itself.
 */
export function handsAndWords(): (social: Social, others: readonly ShownPerson[], isChatOpen: boolean) => string {
  let before: Social | null = null;
  let said = "";
  return (social, others, isChatOpen) => {
    const last = before;
    before = social;
    if (last === null || !last.is_there || last === social) return said;
    const nameOf = (id: string) => others.find((person) => person.id === id)?.shownName;
    const raised = social.hands.filter((id) => !last.hands.includes(id)).flatMap((id) => nameOf(id) ?? []);
    const news = raised.map((name) => words.chat.raisedHand(name));
    const message = social.messages.at(-1);
    const isNew = message !== undefined && message.id > (last.messages.at(-1)?.id ?? 0) && message.person !== "me";
    if (isNew && !isChatOpen) {
      const text = Array.from(message.text).slice(0, READ_OUT_MAX).join("");
      news.push(words.chat.said(message.name.trim() === "" ? words.room.guest : message.name, text));
    }
    if (news.length > 0) said = news.join(" ");
    return said;
  };
}
