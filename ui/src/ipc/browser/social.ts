// Chat, hands and reactions in a browser: what the room says in its `snug` channel event, and what
// is said to it. Plain data. What was not said back is said again in the next place: the room counts
// what each place says, and hears nothing twice.

import type { ChatMessage, ChatRefusedFor, Reacted, Reaction, Social } from "../types";

/** What a server may make this page remember. */
const MESSAGES_MAX = 500;
const REACTIONS_MAX = 32;
const HANDS_MAX = 256;
const TEXT_LENGTH_MAX = 4096;
const NAME_LENGTH_MAX = 64;
/** Words that wait to be said back. */
const UNSAID_MAX = 16;

const REACTIONS: ReadonlySet<unknown> = new Set<Reaction>(["yes", "no", "heart", "laugh", "cheer"]);
const REASONS: ReadonlySet<unknown> = new Set<ChatRefusedFor>(["empty", "too_long", "too_fast"]);

/** The payload of a `snug` channel event. */
export type Event = Record<string, unknown>;

export class Talk {
  #isThere = false;
  #messages: ChatMessage[] = [];
  #refused: Social["refused"] = null;
  #hands: string[] = [];
  #reactions: Reacted[] = [];
  readonly #unsaid = new Map<number, string>();
  #nonce = 0;
  #count = 0;
  /** The ids that the person has had in this room. */
  readonly #mine = new Set<string>();

  /** In the room as this one, perhaps again; returns what to say. */
  enter(me: string): Event[] {
    this.#mine.add(me);
    this.#hands = [];
    return [...this.#unsaid].map(([nonce, text]) => chat({ kind: "say", nonce, text }));
  }

  /** Takes what the room says. Says whether anything changed. */
  handle(payload: unknown): boolean {
    const what = field(payload, "what");
    const kind = `${String(field(payload, "type"))} ${String(field(what, "kind"))}`;
    if (kind === "chat said") return this.#said(what);
    if (kind === "chat history") return this.#history(what);
    if (kind === "chat refused") return this.#refuse(what);
    if (kind === "gesture hands") {
      this.#hands = listOf(field(what, "endpointIds")).filter((id) => typeof id === "string").slice(0, HANDS_MAX);
      return true;
    }
    return kind === "gesture reacted" && this.#reacted(what);
  }

  /** Returns what says `text` to everybody; null when too much waits already. */
  say(text: string): Event | null {
    if (this.#unsaid.size >= UNSAID_MAX) {
      this.#refuseText("too_fast", text);
      return null;
    }
    this.#nonce += 1;
    this.#unsaid.set(this.#nonce, text);
    return chat({ kind: "say", nonce: this.#nonce, text });
  }

  shown(): Social {
    const person = (id: string) => (this.#mine.has(id) ? "me" : id);
    return {
      is_there: this.#isThere,
      messages: this.#messages.map((message) => ({ ...message, person: person(message.person) })),
      refused: this.#refused,
      hands: this.#hands.map(person),
      reactions: this.#reactions.map((one) => ({ ...one, person: person(one.person) })),
    };
  }

  #said(what: unknown): boolean {
    const nonce = field(what, "nonce");
    if (typeof nonce === "number") for (const one of this.#unsaid.keys()) if (one <= nonce) this.#unsaid.delete(one);
    const message = messageIn(field(what, "message"));
    if (message === null || this.#messages.some(({ id }) => id === message.id)) return false;
    this.#messages = [...this.#messages, message].slice(-MESSAGES_MAX);
    return true;
  }

  #history(what: unknown): boolean {
    this.#isThere = true;
    this.#messages = listOf(field(what, "messages")).slice(-MESSAGES_MAX).flatMap((one) => messageIn(one) ?? []);
    return true;
  }

  #refuse(what: unknown): boolean {
    const nonce = field(what, "nonce");
    const reason = field(what, "reason");
    const text = typeof nonce === "number" ? this.#unsaid.get(nonce) : undefined;
    if (text === undefined || !REASONS.has(reason)) return false;
    this.#unsaid.delete(nonce as number);
    this.#refuseText(reason as ChatRefusedFor, text);
    return true;
  }

  #refuseText(reason: ChatRefusedFor, text: string): void {
    this.#count += 1;
    this.#refused = { number: this.#count, reason, text };
  }

  #reacted(what: unknown): boolean {
    const person = field(what, "endpointId");
    const reaction = field(what, "reaction");
    if (typeof person !== "string" || !REACTIONS.has(reaction)) return false;
    this.#count += 1;
    const one = { number: this.#count, person, reaction: reaction as Reaction };
    this.#reactions = [...this.#reactions, one].slice(-REACTIONS_MAX);
    return true;
  }
}

export function hand(isUp: boolean): Event {
  return { type: "gesture", what: { kind: "hand", isUp } };
}

export function lowerHand(endpointId: string): Event {
  return { type: "gesture", what: { kind: "lowerHand", endpointId } };
}

export function reaction(what: Reaction): Event {
  return { type: "gesture", what: { kind: "react", reaction: what } };
}

function chat(what: Event): Event {
  return { type: "chat", what };
}

function messageIn(value: unknown): ChatMessage | null {
  const id = field(value, "id");
  const at_ms = field(value, "atMs");
  const person = field(value, "endpointId");
  const name = field(value, "name");
  const text = field(value, "text");
  if (typeof id !== "number" || typeof at_ms !== "number" || typeof person !== "string") return null;
  if (typeof name !== "string" || typeof text !== "string") return null;
  return { id, at_ms, person, name: name.slice(0, NAME_LENGTH_MAX), text: text.slice(0, TEXT_LENGTH_MAX) };
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
