/** Colours of classes, and a picture with them laid over it. */

/**
 * The colour map of PASCAL VOC, whose label files everyone's viewers know: the bits of the class are dealt out to red,
 * green and blue in turn, from the highest bit of each down. Class 0 is black.
 * @returns [256,3]
 */
export function vocPalette(): Uint8Array {
  const palette = new Uint8Array(256 * 3);
  for (let id = 0; id < 256; id++) {
    for (let rest = id, bit = 7; rest > 0; rest >>= 3, bit--) {
      for (let channel = 0; channel < 3; channel++) palette[id * 3 + channel] |= ((rest >> channel) & 1) << bit;
    }
  }
  return palette;
}

export interface OverlayOptions {
  /** Class of every pixel. */
  ids: Uint8Array;
  palette: Uint8Array;
  /** 0 leaves the picture, 1 covers it. */
  opacity: number;
  /** The class that is left as it is, if there is one. */
  background: number | null;
}

/** Blends colours over RGB pixels [P,3]. */
export function overlay(rgb: ArrayLike<number>, { ids, palette, opacity, background }: OverlayOptions): Uint8Array {
  const out = Uint8Array.from(rgb);
  for (const [pixel, id] of ids.entries()) {
    if (id === background) continue;
    for (let channel = 0; channel < 3; channel++) {
      const at = pixel * 3 + channel;
      out[at] = Math.round(out[at] + (palette[id * 3 + channel] - out[at]) * opacity);
    }
  }
  return out;
}
