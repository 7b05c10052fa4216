// A link as a QR code (ISO/IEC 18004), as plain numbers: nothing here touches the page.

import { encode } from "uqr";

/** Modules of quiet space on each side; the standard asks for four. */
const QUIET = 4;
/** Longer texts make a code too fine to be read off a screen. */
const TEXT_LENGTH_MAX = 600;

export interface QrCode {
  /** Modules on each side, the quiet space included. */
  readonly size: number;
  /** The dark modules as SVG path data, one unit a module. It holds numbers and letters of its own alone. */
  readonly path: string;
}

/** Encodes `text`; null where it is too long to be read off a screen. */
export function qrCode(text: string): QrCode | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const { size, data } = encode(text, { ecc: "M", border: QUIET });
  const runs = data.flatMap((row, y) => darkRuns(row).map(([x, width]) => `M${x} ${y}h${width}v1h-${width}z`));
  return { size, path: runs.join("") };
}

/** Joins neighbours in a row: where each run of dark modules begins, and how long it is. */
function darkRuns(row: readonly boolean[]): (readonly [number, number])[] {
  const runs: [number, number][] = [];
  row.forEach((isDark, x) => {
    if (!isDark) return;
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === x) last[1] += 1;
    else runs.push([x, 1]);
  });
  return runs;
}
