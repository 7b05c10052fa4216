// Turns I420 into RGBA for a browser without WebCodecs. BT.601, limited range, as VP8 has it;
// fixed point with 8 bits, because this runs for every pixel.

/** Converts tight planes into an opaque RGBA picture of the same size. */
export function i420ToRgba(planes: Uint8Array, width: number, height: number): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray(width * height * 4);
  const chromaWidth = Math.ceil(width / 2);
  const uStart = width * height;
  const vStart = uStart + chromaWidth * Math.ceil(height / 2);
  let to = 0;
  for (let row = 0; row < height; row += 1) {
    const chromaRow = (row >> 1) * chromaWidth;
    for (let column = 0; column < width; column += 1) {
      const at = chromaRow + (column >> 1);
      const y = 298 * ((planes[row * width + column] ?? 16) - 16) + 128;
      const u = (planes[uStart + at] ?? 128) - 128;
      const v = (planes[vStart + at] ?? 128) - 128;
      rgba[to] = (y + 409 * v) >> 8;
      rgba[to + 1] = (y - 100 * u - 208 * v) >> 8;
      rgba[to + 2] = (y + 516 * u) >> 8;
      rgba[to + 3] = 255;
      to += 4;
    }
  }
  return rgba;
}
