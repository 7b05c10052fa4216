// Chat, hands and reactions as the page knows them, and what of the chat was read.

import { unreadOf } from "../rules/chat";
import type { Reacted, Social } from "../ipc/types";

export const NO_SOCIAL: Social = { is_there: false, messages: [], refused: null, hands: [], reactions: [] };

/** How long a reaction is on screen. */
const REACTION_MS = 4000;

export class SocialStore {
  #current = $state.raw<Social>(NO_SOCIAL);
  #read = $state(0);
  /** Reactions that are on screen now. */
  #shown = $state.raw<readonly Reacted[]>([]);
  #reacted = 0;
  /** What is typed and not said yet: it outlives the drawer. */
  draft = $state("");

  get current(): Social {
    return this.#current;
  }

  get reactions(): readonly Reacted[] {
    return this.#shown;
  }

  /** How many messages of others were not read. */
  get unread(): number {
    return unreadOf(this.#current.messages, this.#read);
  }

  accept(social: Social): void {
    const before = this.#current;
    this.#current = social;
    const latest = social.messages.at(-1)?.id ?? 0;
    // A room that began anew counts from one again.
    if (latest < this.#read) this.#read = 0;
    if (!social.is_there) this.#forget();
    const { refused } = social;
    if (refused !== null && refused.number !== before.refused?.number && this.draft === "") this.draft = refused.text;
    this.#show(social.reactions);
  }

  /** All there is was read. */
  readAll(): void {
    this.#read = Math.max(this.#read, this.#current.messages.at(-1)?.id ?? 0);
  }

  /** Outside a room nothing of it is kept. */
  #forget(): void {
    this.#read = 0;
    this.#reacted = 0;
    this.#shown = [];
    this.draft = "";
  }

  #show(reactions: readonly Reacted[]): void {
    const latest = reactions.at(-1)?.number ?? 0;
    if (latest < this.#reacted) this.#reacted = 0;
    const fresh = reactions.filter(({ number }) => number > this.#reacted);
    this.#reacted = latest;
    if (fresh.length === 0) return;
    this.#shown = [...this.#shown, ...fresh];
    setTimeout(() => {
      this.#shown = this.#shown.filter((one) => !fresh.includes(one));
    }, REACTION_MS);
  }
}
