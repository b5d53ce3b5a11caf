/** How the whole numbers of a value stand for real ones: real = scale · (raw − zero point). */

/** The types that raw numbers may have, and where they begin and end. `int16` uses 12 of its bits, so that sums fit into i32. */
export const RAW_RANGES = {
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-2048, 2047],
} as const satisfies Record<string, readonly [min: number, max: number]>;

export type RawType = keyof typeof RAW_RANGES;

/** Of one value of a graph. */
export interface Quantization {
  readonly type: RawType;
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Where numbers lie that count from the zero point, as the network computes with them. */
export function centeredRange({ type, zeroPoint }: Quantization): { lo: number; hi: number } {
  const [min, max] = RAW_RANGES[type];
  return { lo: min - zeroPoint, hi: max - zeroPoint };
}
