// Which tile stands where, and who is swapped into the first page because they speak.
//
// Places are kept as long as possible: a face that jumps about is worse than one that is missing.
// One's own tile is the last of the first page. How many make a page is the caller's to say.

/** At most one swap in this time. */
export const SWAP_EVERY_MS = 3000;

export interface Order {
  /** The others, first page first. */
  readonly others: readonly string[];
  /** When each of them was last heard. */
  readonly heard: ReadonlyMap<string, number>;
  /** When somebody was last swapped in; null for never. */
  readonly swappedAt: number | null;
}

export const NO_ORDER: Order = { others: [], heard: new Map(), swappedAt: null };

/** Takes in who is there (as they came, without oneself) and who speaks now. */
export function reorder(order: Order, others: readonly string[], speaking: ReadonlySet<string>, now: number, size: number): Order {
  const present = new Set(others);
  const stayed = order.others.filter((id) => present.has(id));
  const known = new Set(stayed);
  const all = [...stayed, ...others.filter((id) => !known.has(id))];
  const heard = new Map([...order.heard].filter(([id]) => present.has(id)));
  for (const id of speaking) {
    if (present.has(id)) heard.set(id, now);
  }
  const swapped = maySwap(order, now) ? swapIn(all, speaking, heard, othersOnFirstPage(true, size)) : null;
  return { others: swapped ?? all, heard, swappedAt: swapped ? now : order.swappedAt };
}

/** Says when a speaker whom the last swap keeps waiting may be swapped in; null when nobody waits. */
export function swapDue(order: Order, speaking: ReadonlySet<string>, size: number): number | null {
  if (order.swappedAt === null) return null;
  const later = order.others.slice(othersOnFirstPage(true, size));
  return later.some((id) => speaking.has(id)) ? order.swappedAt + SWAP_EVERY_MS : null;
}

/** Lays the order out in pages of so many tiles; `me` closes the first one. */
export function pagesOf(order: Order, me: string | null, size: number): string[][] {
  const first = order.others.slice(0, othersOnFirstPage(me !== null, size));
  const rest = order.others.slice(first.length);
  const pages = [me === null ? first : [...first, me]];
  for (let at = 0; at < rest.length; at += size) pages.push(rest.slice(at, at + size));
  return pages;
}

function maySwap(order: Order, now: number): boolean {
  return order.swappedAt === null || now - order.swappedAt >= SWAP_EVERY_MS;
}

function othersOnFirstPage(withMe: boolean, size: number): number {
  return Math.max(0, size - (withMe ? 1 : 0));
}

/** Gives the first speaker of a later page the place of whoever was silent longest; null when nobody needs one. */
function swapIn(
  all: readonly string[],
  speaking: ReadonlySet<string>,
  heard: ReadonlyMap<string, number>,
  room: number,
): string[] | null {
  const from = all.findIndex((id, at) => at >= room && speaking.has(id));
  if (from < 0) return null;
  let to = -1;
  for (const [at, id] of all.slice(0, room).entries()) {
    if (speaking.has(id)) continue;
    const quieter = to < 0 || (heard.get(id) ?? 0) < (heard.get(all[to] ?? "") ?? 0);
    if (quieter) to = at;
  }
  if (to < 0) return null;
  const swapped = [...all];
  [swapped[from], swapped[to]] = [all[to] ?? "", all[from] ?? ""];
  return swapped;
}
