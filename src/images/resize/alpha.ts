/** Colors of a row weighted by alpha, and back: Pillow's modes RGBA and RGBa. Source: its libImaging/Convert.c. */

/** RGBA → RGBa, in place: colors times alpha / 255, rounded. */
export function premultiplyRow(data: Uint8ClampedArray): void {
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3]!;
    if (alpha === 255) continue;
    for (let c = 0; c < 3; c++) {
      const product = data[i + c]! * alpha + 128;
      data[i + c] = ((product >> 8) + product) >> 8;
    }
  }
}

/** RGBa → RGBA, in place: colors times 255 / alpha, rounded down and clamped. */
export function unpremultiplyRow(data: Uint8ClampedArray): void {
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3]!;
    if (alpha === 0 || alpha === 255) continue;
    for (let c = 0; c < 3; c++) data[i + c] = Math.trunc((255 * data[i + c]!) / alpha);
  }
}
