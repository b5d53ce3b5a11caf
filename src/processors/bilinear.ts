/** Bilinear sampling along one axis. What upsamples a map of classes and what enlarges a heatmap both read by it. */

/** Between which two values each position lies, and the weight of the second. */
export interface Taps {
  first: Int32Array;
  second: Int32Array;
  weight: Float64Array;
}

/**
 * @param positions counted from the centre of the first value, from 0 to the centre of the last; a weight is exact, so it
 *   is a float32 where the position is. At NaN the weight is NaN too
 * @param count of the values
 */
export function linearTaps(positions: Float32Array | Float64Array, count: number): Taps {
  const { length } = positions;
  const taps = { first: new Int32Array(length), second: new Int32Array(length), weight: new Float64Array(length) };
  for (const [i, position] of positions.entries()) {
    // Rounding may carry a position past the last centre: both neighbours are then the last value.
    const first = Math.min(Math.floor(position), count - 1);
    taps.first[i] = first;
    taps.second[i] = Math.min(first + 1, count - 1);
    taps.weight[i] = Math.min(1, position - first);
  }
  return taps;
}
