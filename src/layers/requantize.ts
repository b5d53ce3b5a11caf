/**
 * From the sum of a convolution of whole numbers to a number of its output, in XNNPACK's arithmetic (which LiteRT.js computes
 * too): y = clamp(round(f32(f32(sum) · multiplier)), lo, hi), ties to even. gemmlowp's double rounding, which TFLite's own
 * reference kernels have, differs from it in one number of some thousands.
 */

/** 1.5 · 2^23: a float32 to which this is added has no digits left after the point; ties go to even. */
export const MAGIC = 12582912;

/** Beyond every bound, and few enough for MAGIC. */
const LARGE = 2 ** 22;

/** Rounds a float32 to the nearest whole number, ties to even. |v| < 2^22. */
export const roundTiesToEven = (v: number): number => Math.fround(v + MAGIC) - MAGIC;

/**
 * Clamped without a branch, which would be guessed wrong as often as right: (v + |v|) / 2 is the larger of v and 0. By
 * `Math.min` and `Math.max` a number takes 12 ns instead of 7.
 * @param sum i32
 * @param multiplier a float32
 * @param lo, hi the bounds of the result
 */
export function requantize(sum: number, multiplier: number, lo: number, hi: number): number {
  const scaled = Math.fround(Math.fround(sum) * multiplier);
  if (!(Math.abs(scaled) < LARGE)) return scaled > 0 ? hi : lo; // rare; NaN becomes lo
  const above = roundTiesToEven(scaled) - lo;
  const below = hi - lo - 0.5 * (above + Math.abs(above));
  return hi - 0.5 * (below + Math.abs(below));
}
