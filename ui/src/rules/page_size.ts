// How many tiles go on a page: what this machine shows smoothly, found by watching it.
//
// A page begins with what a machine without a graphics processor paints. Pictures that come and are
// not painted in time, for some seconds on end, make it smaller; painting that leaves most of the
// time free, with the page full, makes it larger. A size that was too much is not tried again during
// the stay: tiles that come and go by themselves are worse than a page more.

/** Sizes of a page: those whose grid has no holes on a usual stage. */
export const PAGE_SIZES = [4, 6, 9, 12, 16] as const;
export const FIRST_PAGE_SIZE = 9;

/** What painting came to over a while. */
export interface Work {
  /** Pictures that came, of all tiles. */
  readonly came: number;
  /** Those of them that were painted. */
  readonly painted: number;
  /** Time that painting took, in milliseconds. */
  readonly paintMs: number;
  /** The while, in milliseconds. */
  readonly lastedMs: number;
  /** Tiles that were shown. */
  readonly tiles: number;
}

export interface PageSize {
  readonly size: number;
  /** No larger than this: the next one was too much. */
  readonly atMost: number;
  /** Rounds on end that were too slow, and rounds on end that left room. */
  readonly late: number;
  readonly roomy: number;
}

export const FIRST: PageSize = { size: FIRST_PAGE_SIZE, atMost: PAGE_SIZES.at(-1) ?? FIRST_PAGE_SIZE, late: 0, roomy: 0 };

/** Rounds on end, one a second, until a page gets smaller: a start or a resize is over by then. */
export const LATE_ROUNDS = 4;
/** Rounds on end until it gets larger. */
export const ROOMY_ROUNDS = 10;

/** Fewer pictures a round tell nothing. */
const CAME_MIN = 10;
const LATE = { painted: 0.75, busy: 0.5 };
/** Busy is the share that the larger page would take. */
const ROOMY = { painted: 0.95, busy: 0.25 };

/** Takes in one round of work. */
export function judge(before: PageSize, work: Work): PageSize {
  if (work.came < CAME_MIN || work.lastedMs <= 0) return before;
  const painted = work.painted / work.came;
  const busy = work.paintMs / work.lastedMs;
  const larger = PAGE_SIZES.find((size) => size > before.size && size <= before.atMost);
  const isLate = painted < LATE.painted || busy > LATE.busy;
  const isFull = work.tiles >= before.size - 1;
  const isRoomy = larger !== undefined && isFull && painted >= ROOMY.painted && busy * (larger / before.size) < ROOMY.busy;
  const late = isLate ? before.late + 1 : 0;
  const roomy = isRoomy ? before.roomy + 1 : 0;
  if (late >= LATE_ROUNDS) return smaller(before, work.tiles);
  if (larger !== undefined && roomy >= ROOMY_ROUNDS) return { ...before, size: larger, late: 0, roomy: 0 };
  return { ...before, late, roomy };
}

/** Fewer tiles than are shown, if there are fewer sizes at all. */
function smaller(before: PageSize, shown: number): PageSize {
  const most = Math.min(before.size, shown);
  const size = PAGE_SIZES.findLast((each) => each < most) ?? PAGE_SIZES[0];
  return { size, atMost: size, late: 0, roomy: 0 };
}
