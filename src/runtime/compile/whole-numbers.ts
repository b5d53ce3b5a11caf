/**
 * The constants of steps of whole numbers, in XNNPACK's arithmetic and roundings (as LiteRT and LiteRT.js compute): from the
 * scales of what a step reads and writes to multipliers and bounds.
 */
import { MobileNetError } from '../../base/errors.js';
import { roundHalfEven } from '../../base/round.js';
import { centeredRange, type Quantization } from '../../graph/quantization.js';
import type { IntegerWeights } from '../../layers/kernel-i16.js';
import type { FusedActivation } from '../../layers/spec.js';

const { fround, floor, round, log2, max, min, abs } = Math;

/** The bounds of a step's numbers: those of their type, and those of the activation. */
export function storeBounds(to: Quantization, activation: FusedActivation = 'none'): { lo: number; hi: number } {
  const { lo, hi } = centeredRange(to);
  if (activation === 'none') return { lo, hi };
  const six = floor(fround(fround(6 / fround(to.scale)) + 0.5)); // TFLite rounds halves up here
  return { lo: max(lo, 0), hi: activation === 'relu6' ? min(hi, six) : hi };
}

/**
 * What makes a sum a number of the output, for each channel: f32(f32(input scale · weight scale) / output scale).
 * @throws MobileNetError QUANT where scales are so far apart that one is infinite
 */
export function multipliers(
  from: Quantization,
  weightScales: Float32Array,
  to: Quantization,
  tensor: string,
): Float32Array {
  const result = new Float32Array(weightScales.length);
  const [x, y] = [fround(from.scale), fround(to.scale)];
  for (const [k, scale] of weightScales.entries()) {
    result[k] = fround(x * scale) / y;
    if (Number.isFinite(result[k])) continue;
    throw new MobileNetError(
      'QUANT',
      `${tensor}: expected a scale of the size of input and output, got ${scale} at ${k}; a product of scales leaves float32`,
      { tensor },
    );
  }
  return result;
}

/**
 * How an average of so many numbers is rounded: of uint8 as TFLite's AVERAGE_POOL does it, which keeps the scale; else by a
 * multiplier, f32(from / f32(count · to)), as its MEAN.
 */
export function pooling(from: Quantization, count: number, to: Quantization) {
  const keeps = to.type === 'uint8' && from.scale === to.scale && from.zeroPoint === to.zeroPoint;
  const multiplier = keeps ? null : fround(fround(from.scale) / fround(count * fround(to.scale)));
  return { multiplier, ...centeredRange(to) };
}

/** Bits of an addition's multipliers: with numbers of 9 bits XNNPACK's 21, so that both products fit into i32 together. */
const ADD_BITS = { uint8: 20, int8: 20, int16: 16 } as const;

/**
 * Of an addition: both scales as whole numbers over 2^shift.
 * @throws MobileNetError QUANT where the scales are further apart than XNNPACK allows
 */
export function addMultipliers(x: Quantization, other: Quantization, to: Quantization, name: string) {
  const [a, b] = [x, other].map(({ scale }) => fround(fround(scale) / fround(to.scale)));
  const exponent = floor(log2(max(a, b)));
  if (!(exponent >= -10 && exponent < 8)) {
    throw new MobileNetError(
      'QUANT',
      `${name}: expected scales at most 2^8 times, at least 2^-10 times that of the sum, got ${max(a, b)} times; calibrate the model anew`,
      { tensor: name },
    );
  }
  const shift = ADD_BITS[to.type] - exponent;
  const whole = (ratio: number) => roundHalfEven(fround(ratio * 2 ** shift));
  return { xMultiplier: whole(a), otherMultiplier: whole(b), shift };
}

/** From one scale to another: 256 times their ratio. */
export const requantizeMultiplier = (from: Quantization, to: Quantization): number =>
  roundHalfEven(fround(256 * fround(fround(from.scale) / fround(to.scale))));

/**
 * Refuses weights with which a sum could leave i32, where additions would wrap: any result may come of that.
 * @param weights [K, …]
 * @param from what the step reads, which bounds its numbers
 * @throws MobileNetError QUANT
 */
export function refuseOverflow(weights: IntegerWeights, bias: Int32Array, from: Quantization, tensor: string): void {
  const { lo, hi } = centeredRange(from);
  const most = max(-lo, hi);
  const perChannel = weights.length / bias.length;
  for (const [k, start] of bias.entries()) {
    let sum = 0;
    for (let i = k * perChannel; i < (k + 1) * perChannel; i++) sum += abs(weights[i]);
    if (sum * most + abs(start) < 2 ** 31) continue;
    throw new MobileNetError(
      'QUANT',
      `${tensor}: sums of channel ${k} may reach ${round(sum * most + abs(start))}, more than 32 bits hold; quantize it with fewer bits`,
      { tensor },
    );
  }
}
