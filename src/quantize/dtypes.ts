/** The whole numbers of a network that is made quantized, by dtype. */
import { RAW_RANGES } from '../graph/quantization.js';

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

const levels = (dtype: QuantizedDtype): Levels => {
  const [min, max] = RAW_RANGES[dtype];
  return { min, max, weight: max };
};

export const LEVELS: Readonly<Record<QuantizedDtype, Levels>> = { int8: levels('int8'), int16: levels('int16') };
