// Who stands where while people come, go and speak, and what the person chose about it: for as long
// as they are in the room, whatever covers the stage meanwhile.

import { untrack } from "svelte";

import { NO_ORDER, type Order, pagesOf, reorder, swapDue } from "../rules/order";
import { FIRST, judge, type PageSize, type Work } from "../rules/page_size";
import { DARK, light, lightDue, type Spotlight } from "../rules/spotlight";

/** All alike, or who speaks big. */
export type Arrangement = "grid" | "speaker";

export class Places {
  #order = $state.raw<Order>(NO_ORDER);
  #spotlight = $state.raw<Spotlight>(DARK);
  #pageSize = $state.raw<PageSize>(FIRST);
  #page = $state(0);
  #arrangement = $state<Arrangement>("grid");
  #pinned = $state<string | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get arrangement(): Arrangement {
    return this.#arrangement;
  }

  /** Who keeps the stage; stays pinned while they are away, for they may come back. */
  get pinned(): string | null {
    return this.#pinned;
  }

  /** Tiles that this machine shows smoothly on one page. */
  get pageSize(): number {
    return this.#pageSize.size;
  }

  /** Takes in who is there, as they came and without oneself, who speaks, and how many fit on a page. */
  update(others: readonly string[], speaking: ReadonlySet<string>, size: number): void {
    const now = this.#now();
    // Whoever calls this in an effect must not depend on what it writes.
    const [orderBefore, lightBefore] = untrack(() => [this.#order, this.#spotlight] as const);
    const order = reorder(orderBefore, others, speaking, now, size);
    const spotlight = light(lightBefore, others, speaking, now);
    this.#order = order;
    this.#spotlight = spotlight;
    clearTimeout(this.#timer);
    const due = [swapDue(order, speaking, size), lightDue(spotlight)].filter((each) => each !== null);
    if (due.length === 0) return;
    this.#timer = setTimeout(() => this.update(others, speaking, size), Math.max(1, Math.min(...due) - now));
  }

  /** Takes in what painting came to over the last second. */
  judge(work: Work): void {
    this.#pageSize = judge(this.#pageSize, work);
  }

  /** Who stands big among `present`, oneself included: the pinned one, or in the speaker layout whoever
   * has the light, or else came first; null in a grid. */
  bigOf(present: ReadonlySet<string>, isSpeakerLayout: boolean): string | null {
    if (this.#pinned !== null && present.has(this.#pinned)) return this.#pinned;
    if (!isSpeakerLayout) return null;
    const { lit } = this.#spotlight;
    return lit !== null && present.has(lit) ? lit : (this.#order.others[0] ?? null);
  }

  /** The pages of so many tiles, with oneself at the end of the first; `big` is on none of them. */
  pages(me: string | null, big: string | null, size: number): string[][] {
    const order = big === null ? this.#order : { ...this.#order, others: this.#order.others.filter((id) => id !== big) };
    return pagesOf(order, me === big ? null : me, size);
  }

  /** The page that is shown, of so many; the last one when it is gone. */
  pageOf(count: number): number {
    return Math.max(0, Math.min(this.#page, count - 1));
  }

  show(page: number): void {
    this.#page = page;
  }

  arrange(arrangement: Arrangement): void {
    this.#arrangement = arrangement;
    this.#page = 0;
  }

  /** Gives somebody the stage, or takes it back. */
  pin(id: string): void {
    this.#pinned = this.#pinned === id ? null : id;
    this.#page = 0;
  }

  /** Nothing is on the stage for now: nobody is swapped until it shows again. */
  rest(): void {
    clearTimeout(this.#timer);
  }

  /** Forgets the room that was left; what the machine can show stays known. */
  leave(): void {
    this.rest();
    this.#order = NO_ORDER;
    this.#spotlight = DARK;
    this.#page = 0;
    this.#pinned = null;
  }
}
