// How a loudness becomes lit cells: a dB scale, quick up, slow down.

/** What lights no cell, in dBFS. */
const FLOOR_DBFS = -60;

/** How fast the lit part falls, in dB a second: quick enough to follow words, slow enough to read. */
const FALL_DB_PER_S = 40;

/** Least time between two paints: 20 a second. */
export const PAINT_MS = 50;

/** Counts the lit ones among `cells` for a loudness in dBFS. */
export function litCells(level: number, cells: number): number {
  const share = (level - FLOOR_DBFS) / -FLOOR_DBFS;
  return Math.round(Math.min(1, Math.max(0, share)) * cells);
}

/** Lets `shown` follow `level` after `elapsed_ms`: at once when louder, falling when quieter. */
export function follow(shown: number, level: number, elapsed_ms: number): number {
  return Math.max(level, shown - (FALL_DB_PER_S * elapsed_ms) / 1000, FLOOR_DBFS);
}
