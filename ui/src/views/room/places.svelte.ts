// Keeps who stands where while people come, go and speak.

import { untrack } from "svelte";

import { NO_ORDER, type Order, pagesOf, reorder, swapDue } from "../../rules/order";

export class Places {
  #order = $state.raw<Order>(NO_ORDER);
  #page = $state(0);
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes in who is there, as they came and without oneself, and who speaks. */
  update(others: readonly string[], speaking: ReadonlySet<string>): void {
    const now = this.#now();
    // Whoever calls this in an effect must not depend on what it writes.
    const before = untrack(() => this.#order);
    const order = reorder(before, others, speaking, now);
    this.#order = order;
    clearTimeout(this.#timer);
    const due = swapDue(order, speaking);
    if (due !== null) this.#timer = setTimeout(() => this.update(others, speaking), Math.max(1, due - now));
  }

  /** The pages, with oneself at the end of the first. */
  pages(me: string | null): string[][] {
    return pagesOf(this.#order, me);
  }

  /** The page that is shown, of so many; the last one when it is gone. */
  pageOf(count: number): number {
    return Math.min(this.#page, count - 1);
  }

  show(page: number): void {
    this.#page = page;
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
