/** The whole numbers of a quantized network, by dtype. */

/** `int8`: 8 bits. `int16`: 12 bits in 16, so that sums of products stay within 32 bits. */
export type QuantizedDtype = 'int8' | 'int16';

/** What a type can hold. */
export interface Levels {
  /** The least and the greatest raw number of a value. */
  min: number;
  max: number;
  /** Weights lie in [-weight, weight]: symmetric, so that they have no zero point. */
  weight: number;
}

export const LEVELS: Readonly<Record<QuantizedDtype, Levels>> = {
  int8: { min: -128, max: 127, weight: 127 },
  int16: { min: -2048, max: 2047, weight: 2047 },
};
