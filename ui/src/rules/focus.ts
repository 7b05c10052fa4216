// Places tiles when one of them takes the stage: that one big, the others in a strip at the right, or
// beneath it where the stage is narrow. Source: the look's "Shared screen or pin". Whole CSS pixels.
// (An upright phone has a strip of its own: `placeSpotlight` in grid.ts.)

import type { Rect, Size } from "./grid";

/** Narrower stages, of windows under 760, have the strip beneath. */
const BESIDE_FROM = 728;
const STRIP_WIDTH = 192;
/** A tile of the strip at the right is so tall. */
const TALL = { min: 112, max: 144 };
/** A tile of the strip beneath is so tall, and so wide. */
const LOW = { height: 96, min: 112, max: 171 };

function isBeside(stage: Size): boolean {
  return stage.width >= BESIDE_FROM;
}

/** Says how many tiles fit beside the big one; at least one. */
export function stripRoom(stage: Size, gap: number): number {
  const [length, least] = isBeside(stage) ? [stage.height, TALL.min] : [stage.width, LOW.min];
  return Math.max(1, Math.floor((length + gap) / (least + gap)));
}

/** Places `count` tiles, the big one first. */
export function placeFocus(count: number, stage: Size, gap: number): Rect[] {
  if (count === 0) return [];
  const strip = count - 1;
  if (strip === 0) return [{ x: 0, y: 0, width: stage.width, height: stage.height }];
  return isBeside(stage) ? placeBeside(strip, stage, gap) : placeBeneath(strip, stage, gap);
}

function placeBeside(strip: number, stage: Size, gap: number): Rect[] {
  const width = Math.max(0, stage.width - STRIP_WIDTH - gap);
  const share = Math.floor((stage.height - (strip - 1) * gap) / strip);
  const height = Math.max(0, Math.min(TALL.max, share));
  const small = Array.from({ length: strip }, (_, at) => ({
    x: width + gap,
    y: at * (height + gap),
    width: STRIP_WIDTH,
    height,
  }));
  return [{ x: 0, y: 0, width, height: stage.height }, ...small];
}

function placeBeneath(strip: number, stage: Size, gap: number): Rect[] {
  const low = Math.min(LOW.height, Math.floor(stage.height / 2));
  const share = Math.floor((stage.width - (strip - 1) * gap) / strip);
  const width = Math.max(0, Math.min(LOW.max, share));
  const left = Math.round((stage.width - strip * width - (strip - 1) * gap) / 2);
  const height = Math.max(0, stage.height - low - gap);
  const small = Array.from({ length: strip }, (_, at) => ({
    x: left + at * (width + gap),
    y: height + gap,
    width,
    height: low,
  }));
  return [{ x: 0, y: 0, width: stage.width, height }, ...small];
}
