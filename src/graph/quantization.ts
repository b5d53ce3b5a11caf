/** How whole numbers stand for real ones: real = scale · (number − zero point). */

/** Of a value or a tensor of weights. */
export interface Quantization {
  /** One number, or one for each index along `axis`. */
  readonly scale: readonly number[];
  /** As many as there are scales. */
  readonly zeroPoint: readonly number[];
  /** The dimension that has a scale for each index, or null for one scale. */
  readonly axis: number | null;
}
