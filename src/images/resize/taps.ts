/** Which source pixels make which output pixels, and by what weights. Source: Pillow's libImaging/Resample.c. */
import type { Filter } from './filters.js';

/** 8 bits for the result, 2 for overshoot of filters with negative lobes; the other 22 are the fraction. */
export const FRACTION_BITS = 32 - 8 - 2;
/** Where a sum begins, so that it is rounded when its fraction is cut off. */
export const HALF = 1 << (FRACTION_BITS - 1);

/** Which source pixels make output pixels `first` to `first + count` along one axis. */
export interface Taps {
  /** Per output pixel: the first source pixel, and how many follow on. Neither start nor end ever goes back. [count] each */
  start: Int32Array;
  length: Int32Array;
  /** Fixed-point weights, `stride` a pixel. [count, stride] */
  weights: Int32Array;
  stride: number;
}

/**
 * Pillow's precompute_coeffs and normalize_coeffs_8bpc.
 * @param box the part of the source that becomes the result, [from, to); taps at its edges reach out of it
 */
export function makeTaps(
  inSize: number,
  outSize: number,
  filter: Filter,
  first: number,
  count: number,
  [from, to]: readonly [number, number] = [0, inSize],
): Taps {
  const scale = (to - from) / outSize;
  const stretch = Math.max(1, scale);
  const support = filter.support * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const taps: Taps = {
    start: new Int32Array(count),
    length: new Int32Array(count),
    weights: new Int32Array(count * stride),
    stride,
  };
  const exact = new Float64Array(stride);
  for (let i = 0; i < count; i++) {
    const center = from + (first + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const length = Math.min(inSize, Math.trunc(center + support + 0.5)) - start;
    let sum = 0;
    for (let x = 0; x < length; x++) {
      // Multiplying by the reciprocal, as Pillow does: dividing rounds differently.
      exact[x] = filter.weight((x + start - center + 0.5) * (1 / stretch));
      sum += exact[x]!;
    }
    for (let x = 0; x < length; x++) {
      const weight = (sum === 0 ? exact[x]! : exact[x]! / sum) * (1 << FRACTION_BITS);
      taps.weights[i * stride + x] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    taps.start[i] = start;
    taps.length[i] = length;
  }
  return taps;
}

/** The first source pixel any of the taps reads, and the one after the last. */
export function extent({ start, length }: Taps): [number, number] {
  const last = start.length - 1;
  return [start[0]!, start[last]! + length[last]!];
}

/** The most source pixels that one output pixel is made of. */
export const longest = ({ length }: Taps): number => length.reduce((most, each) => Math.max(most, each), 1);
