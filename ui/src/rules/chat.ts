// What the chat makes of plain text: which of it are links, and what is new to the reader.

/** Longest text of one message in bytes: the room's own limit (crates/protocol). */
export const CHAT_BYTES_MAX = 4096;

const LINK_LENGTH_MAX = 2048;

/** A part of a text: words, or a link with where it leads. */
export interface Part {
  text: string;
  /** An address that a browser opens; null for words. */
  href: string | null;
}

const LINK = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f]+/giu;
const CLOSING: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/** Splits a text at its web links. Whatever else it holds stays words, however it looks. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const shown = withoutTail(match[0]);
    const href = hrefOf(shown);
    if (href === null) continue;
    if (match.index > end) parts.push({ text: text.slice(end, match.index), href: null });
    parts.push({ text: shown, href });
    end = match.index + shown.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end), href: null });
  return parts;
}

/** Leaves out what ends the sentence, not the link: a bracket stays when the link opened it. */
function withoutTail(link: string): string {
  // Counted once: a long row of brackets must not take long.
  const surplus = new Map(Object.entries(CLOSING).map(([close, open]) => [close, count(link, close) - count(link, open)]));
  let end = link.length;
  for (; end > 0; end -= 1) {
    const last = link.charAt(end - 1);
    const left = surplus.get(last);
    if (left === undefined ? !/[.,;:!?*_~|]/.test(last) : left <= 0) break;
    if (left !== undefined) surplus.set(last, left - 1);
  }
  return link.slice(0, end);
}

function count(text: string, letter: string): number {
  return text.split(letter).length - 1;
}

/** Reads a link as browsers do; null for one that pretends to lead elsewhere by naming somebody before its host. */
function hrefOf(text: string): string | null {
  if (text.length > LINK_LENGTH_MAX || !URL.canParse(text)) return null;
  const url = new URL(text);
  const isWeb = url.protocol === "http:" || url.protocol === "https:";
  return isWeb && url.username === "" && url.password === "" ? url.href : null;
}

/** Says whether a text is too long to be said. */
export function isTooLong(text: string): boolean {
  return new TextEncoder().encode(text.trim()).length > CHAT_BYTES_MAX;
}

/** What of a message decides. */
interface Said {
  id: number;
  person: string;
  at_ms: number;
}

/** Counts what others said after the last message that was read. */
export function unreadOf(messages: readonly Said[], read: number): number {
  return messages.filter(({ id, person }) => id > read && person !== "me").length;
}

/** Messages of one person within so long stand under one name. */
const TOGETHER_MS = 120_000;

/** Says whether a message goes on with the one before. */
export function goesOn(message: Said, before: Said | undefined): boolean {
  if (before === undefined || before.person !== message.person) return false;
  return Math.abs(message.at_ms - before.at_ms) < TOGETHER_MS;
}
