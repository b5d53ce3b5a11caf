/**
 * From the sum of a convolution of whole numbers to a number of its output, in XNNPACK's arithmetic (which LiteRT.js computes
 * too): y = clamp(round(f32(f32(sum) · multiplier)), lo, hi), ties to even. gemmlowp's double rounding, which TFLite's own
 * reference kernels have, differs from it in one number of some thousands.
 */

/** 1.5 · 2^23: a float32 to which this is added has no digits left after the point; ties go to even. */
export const MAGIC = 12582912;

/** Rounds a float32 to the nearest whole number, ties to even. |v| < 2^22. */
export const roundTiesToEven = (v: number): number => Math.fround(v + MAGIC) - MAGIC;

/**
 * @param sum i32
 * @param multiplier a float32
 * @param lo, hi the bounds of the result
 */
export function requantize(sum: number, multiplier: number, lo: number, hi: number): number {
  // Clamped before it is rounded, which gives the same, so that a number of any size rounds right.
  const scaled = Math.min(Math.max(Math.fround(Math.fround(sum) * multiplier), lo), hi);
  return roundTiesToEven(scaled);
}
