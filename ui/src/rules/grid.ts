// Places tiles on the stage: for each number of columns the tile that fits, then the largest.
// Source: the look's "Grid". Pure: sizes in, rectangles out, all in CSS pixels.

export interface Size {
  width: number;
  height: number;
}

export interface Rect extends Size {
  x: number;
  y: number;
}

export interface Grid {
  columns: number;
  rows: number;
  tile: Size;
}

/** A wider tile would show more wall than face. */
const WIDEST = 1.9;
/** The narrowest tile on a stage that is wider than tall, and on one that is taller than wide. */
const NARROWEST = { landscape: 1, portrait: 0.8 };
/** Areas closer than this share count as a tie, so that rounding never adds a hole. */
const TIE = 1e-6;

/** Chooses columns and tile size for `count` tiles. Nothing fits a stage smaller than its gaps: null. */
export function chooseGrid(count: number, stage: Size, gap: number): Grid | null {
  let best: Grid | null = null;
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const tile = largestTile(columns, rows, stage, gap);
    if (tile === null) continue;
    const grid = { columns, rows, tile };
    if (best === null || isBetter(grid, best, count)) best = grid;
  }
  return best;
}

/** Places `count` tiles; the block is centred, and so is its last row. Whole pixels. */
export function placeTiles(count: number, stage: Size, gap: number): Rect[] {
  const grid = chooseGrid(count, stage, gap);
  if (grid === null) return [];
  const { columns, rows, tile } = grid;
  const top = (stage.height - spanned(rows, tile.height, gap)) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const left = (stage.width - spanned(inRow, tile.width, gap)) / 2;
    const x = left + (index % columns) * (tile.width + gap);
    const y = top + row * (tile.height + gap);
    // Edges are rounded, not sizes: neighbours then keep the same gap to within a pixel.
    const [x0, y0] = [Math.round(x), Math.round(y)];
    return {
      x: x0,
      y: y0,
      width: Math.round(x + tile.width) - x0,
      height: Math.round(y + tile.height) - y0,
    };
  });
}

/** How many tiles stand side by side in the strip, and how tall one is for its width. */
const STRIP = { columns: 3, shape: 1.4, shareMax: 0.5 };

/**
 * Places `count` tiles on an upright phone: the first is big, the others stand in a strip of three
 * beneath, in as many rows as they need. Whole pixels.
 */
export function placeSpotlight(count: number, stage: Size, gap: number): Rect[] {
  if (count === 0) return [];
  const rows = Math.ceil((count - 1) / STRIP.columns);
  const width = Math.floor((stage.width - (STRIP.columns - 1) * gap) / STRIP.columns);
  const most = rows === 0 ? 0 : (stage.height * STRIP.shareMax) / rows - gap;
  const height = Math.max(0, Math.floor(Math.min(width * STRIP.shape, most)));
  const top = stage.height - rows * (height + gap);
  const big = { x: 0, y: 0, width: stage.width, height: Math.max(0, Math.round(top)) };
  const strip = Array.from({ length: count - 1 }, (_, index) => {
    const row = Math.floor(index / STRIP.columns);
    const x = (index % STRIP.columns) * (width + gap);
    return { x, y: big.height + gap + row * (height + gap), width, height };
  });
  return [big, ...strip];
}

function largestTile(columns: number, rows: number, stage: Size, gap: number): Size | null {
  const width = (stage.width - (columns - 1) * gap) / columns;
  const height = (stage.height - (rows - 1) * gap) / rows;
  if (width <= 0 || height <= 0) return null;
  const narrowest = stage.height > stage.width ? NARROWEST.portrait : NARROWEST.landscape;
  if (width > height * WIDEST) return { width: height * WIDEST, height };
  if (width < height * narrowest) return { width, height: width / narrowest };
  return { width, height };
}

function isBetter(grid: Grid, than: Grid, count: number): boolean {
  const [area, other] = [areaOf(grid.tile), areaOf(than.tile)];
  if (Math.abs(area - other) > TIE * other) return area > other;
  return grid.columns * grid.rows - count < than.columns * than.rows - count;
}

function areaOf(size: Size): number {
  return size.width * size.height;
}

function spanned(count: number, size: number, gap: number): number {
  return count * size + (count - 1) * gap;
}
