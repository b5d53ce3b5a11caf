/**
 * From the sum of a convolution of whole numbers to a number of its output, in XNNPACK's arithmetic (which LiteRT.js computes
 * too): y = clamp(round(f32(f32(sum) · multiplier)), lo, hi), ties to even. gemmlowp's double rounding, which TFLite's own
 * reference kernels have, differs from it in one number of some thousands.
 */

/** 1.5 · 2^23: a float32 to which this is added has no digits left after the point; ties go to even. */
export const MAGIC = 12582912;

/**
 * Rounds to the nearest whole number, ties to even, by 1.5 · 2^52, which is to float64 what MAGIC is to float32. |v| < 2^51.
 * It is written as a number because bundlers make variables of a file's constants, and V8 must expect those to change.
 */
export const roundTiesToEven = (v: number): number => v + 0x18000000000000 - 0x18000000000000;

/**
 * Clamped without a branch, which would be guessed wrong as often as right: (v + |v|) / 2 is the larger of v and 0. By
 * `Math.min` and `Math.max` a number takes 12 ns instead of 7.
 * @param sum i32
 * @param multiplier a float32
 * @param lo, hi the bounds of the result
 */
export function requantize(sum: number, multiplier: number, lo: number, hi: number): number {
  const scaled = Math.fround(Math.fround(sum) * multiplier);
  if (!(Math.abs(scaled) < 0x400000)) return scaled > 0 ? hi : lo; // beyond every bound, and rare; NaN becomes lo
  const above = roundTiesToEven(scaled) - lo;
  const below = hi - lo - 0.5 * (above + Math.abs(above));
  return hi - 0.5 * (below + Math.abs(below));
}
