import { describe, expect, test } from "vitest";

import { NO_ORDER, type Order, pagesOf, reorder, SWAP_EVERY_MS, swapDue } from "../../src/rules/order";

const PAGE_SIZE = 9;
const people = (count: number) => Array.from({ length: count }, (_, at) => `p${at}`);
const says = (...ids: string[]) => new Set(ids);
const settled = (count: number): Order => reorder(NO_ORDER, people(count), says(), 0, PAGE_SIZE);

describe("pages", () => {
  test("one's own tile is the last of the first page", () => {
    expect(pagesOf(settled(3), "me", PAGE_SIZE)).toEqual([["p0", "p1", "p2", "me"]]);
  });

  test("nine tiles on a page, nobody twice, nobody missing", () => {
    const pages = pagesOf(settled(25), "me", PAGE_SIZE);
    expect(pages.map((page) => page.length)).toEqual([PAGE_SIZE, PAGE_SIZE, 8]);
    expect(pages[0]?.at(-1)).toBe("me");
    expect(new Set(pages.flat()).size).toBe(26);
  });

  test("exactly nine need no second page", () => {
    expect(pagesOf(settled(8), "me", PAGE_SIZE)).toHaveLength(1);
  });

  test("somebody alone has one page", () => {
    expect(pagesOf(NO_ORDER, "me", PAGE_SIZE)).toEqual([["me"]]);
  });
});

describe("places", () => {
  test("are kept when somebody leaves, and newcomers come last", () => {
    const order = reorder(settled(4), ["p3", "new", "p0", "p2"], says(), 1, PAGE_SIZE);
    expect(order.others).toEqual(["p0", "p2", "p3", "new"]);
  });

  test("do not change because somebody on the first page speaks", () => {
    expect(reorder(settled(20), people(20), says("p7"), 9000, PAGE_SIZE).others).toEqual(people(20));
  });
});

describe("a speaker of a later page", () => {
  test("takes the place of whoever was silent longest, who takes theirs", () => {
    let order = settled(12);
    for (const id of ["p1", "p0", "p2", "p4", "p5", "p6", "p7"]) order = reorder(order, people(12), says(id), 10, PAGE_SIZE);
    order = reorder(order, people(12), says("p10"), 20, PAGE_SIZE);
    expect(order.others.indexOf("p10")).toBe(3);
    expect(order.others.indexOf("p3")).toBe(10);
  });

  test("waits 3 s after the last swap", () => {
    const swapped = reorder(settled(12), people(12), says("p10"), 1000, PAGE_SIZE);
    expect(swapped.swappedAt).toBe(1000);
    expect(swapDue(swapped, says("p11"), PAGE_SIZE)).toBe(1000 + SWAP_EVERY_MS);
    expect(swapDue(swapped, says("p10"), PAGE_SIZE)).toBeNull();
    const early = reorder(swapped, people(12), says("p11"), 1000 + SWAP_EVERY_MS - 1, PAGE_SIZE);
    expect(early.others).toEqual(swapped.others);
    const due = reorder(early, people(12), says("p11"), 1000 + SWAP_EVERY_MS, PAGE_SIZE);
    expect(due.others.indexOf("p11")).toBeLessThan(PAGE_SIZE - 1);
  });

  test("never takes the place of somebody who speaks", () => {
    const all = people(12);
    const order = reorder(settled(12), all, new Set(all), 1000, PAGE_SIZE);
    expect(order.others).toEqual(all);
    expect(order.swappedAt).toBeNull();
  });

  test("at most one swap in 3 s, however many speak", () => {
    let order = settled(30);
    let swaps = 0;
    for (let now = 0; now < 30_000; now += 50) {
      const next = reorder(order, people(30), says(`p${9 + (now / 50) % 21}`), now, PAGE_SIZE);
      if (next.swappedAt !== order.swappedAt) swaps += 1;
      order = next;
    }
    expect(swaps).toBeGreaterThan(1);
    expect(swaps).toBeLessThanOrEqual(30_000 / SWAP_EVERY_MS);
    expect(new Set(order.others).size).toBe(30);
  });
});
