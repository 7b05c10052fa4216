// How a loudness becomes lit cells: quick up, slow down.

/** How fast the lit part falls, as a share of the whole a second: quick enough to follow words, slow enough to read. */
const FALL_PER_S = 0.8;

/** Least time between two paints: 20 a second. */
export const PAINT_MS = 50;

/** Counts the lit ones among `cells` for a fullness of 0 to 1. */
export function litCells(fullness: number, cells: number): number {
  return Math.round(Math.min(1, Math.max(0, fullness)) * cells);
}

/** Lets `shown` follow `fullness` after `elapsed_ms`: at once when louder, falling when quieter. */
export function follow(shown: number, fullness: number, elapsed_ms: number): number {
  return Math.max(fullness, shown - (FALL_PER_S * elapsed_ms) / 1000, 0);
}
