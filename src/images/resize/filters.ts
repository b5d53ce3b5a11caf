/** Pillow's filters: their numbers, names and weights. Source: Pillow's libImaging/Resample.c and Image.py. */

/** Pillow's numbers for its filters, `PIL.Image.Resampling`. */
export const Resampling = { nearest: 0, lanczos: 1, bilinear: 2, bicubic: 3, box: 4, hamming: 5 } as const;
/** Pillow's filters by name. */
export type ResamplingName = keyof typeof Resampling;
/** Pillow's filters by number, as `resample` in preprocessor_config.json. */
export type ResamplingNumber = (typeof Resampling)[ResamplingName];

/** The number of a filter given by number or (in any case) by name; undefined when there is no such filter. */
export function resamplingNumber(filter: unknown): ResamplingNumber | undefined {
  if (typeof filter === 'string') {
    const name = filter.toLowerCase();
    return Object.hasOwn(Resampling, name) ? Resampling[name as ResamplingName] : undefined;
  }
  return Object.values(Resampling).find((number) => number === filter);
}

/** A filter: its weight at a distance in (scaled) source pixels, zero beyond `support`. */
export interface Filter {
  support: number;
  weight(x: number): number;
}

// Pillow writes 0.54f and 0.46f: the constants are rounded to float32, the arithmetic is double.
const HAMMING_A = Math.fround(0.54);
const HAMMING_B = Math.fround(0.46);

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

export const FILTERS: Record<Exclude<ResamplingNumber, 0>, Filter> = {
  [Resampling.box]: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  [Resampling.bilinear]: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  [Resampling.hamming]: {
    support: 1,
    weight(x) {
      if (x === 0) return 1; // where the formula gives 1 + 3e-8, enough to change a pixel
      return Math.abs(x) >= 1 ? 0 : sinc(x) * (HAMMING_A + HAMMING_B * Math.cos(x * Math.PI));
    },
  },
  // Keys' cubic with a = -0.5.
  [Resampling.bicubic]: {
    support: 2,
    weight(signed) {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    },
  },
  [Resampling.lanczos]: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};
