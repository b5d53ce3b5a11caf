/** From a range to a scale and a zero point. */
import type { MobileNetV2ImageProcessor } from '../processors/image-processor.js';
import type { Levels } from './dtypes.js';
import type { Range } from './observers.js';

/** real = scale · (raw − zeroPoint). */
export interface ValueScale {
  /** A float32 number. */
  scale: number;
  zeroPoint: number;
}

/** A range below which nothing is in it. */
const NOTHING = 1e-12;

/** Whether a value is always zero, or so near to it that no scale would be of use. */
export const isNothing = ({ low, high }: Range): boolean => !(Math.max(high, 0) - Math.min(low, 0) > NOTHING);

/** The range widened until zero is in it, for padding and ReLU are zero and must be exact. */
export function scaleOf(range: Range, { min, max }: Levels): ValueScale {
  if (isNothing(range)) return { scale: 1, zeroPoint: 0 };
  const [from, to] = [Math.min(range.low, 0), Math.max(range.high, 0)];
  const scale = Math.fround((to - from) / (max - min));
  const zeroPoint = Math.min(Math.max(Math.round(min - from / scale), min), max);
  return { scale, zeroPoint };
}

/** How pixels become whole numbers. */
export interface InputScale extends ValueScale {
  /**
   * What must be added to a pixel value of the float network so that a byte becomes a whole number. Zero, or half a step: the
   * first convolution's bias takes it away again.
   */
  shift: number;
}

/** A number that is whole but for rounding in float32. */
const isWhole = (x: number): boolean => Math.abs(x - Math.round(x)) < 1e-4;

/**
 * The scale with which each byte p of a picture, (p/255 − mean)/std as a pixel value, is a whole number: std·255 steps to 1.
 * Zero must be whole as well. It is p = 127.5 where the mean is 0.5: with room enough every step is halved; with 8 bits
 * the picture is moved by half a step, to 127.
 *
 * Null for channels with means of their own, and for pixels that do not come from bytes.
 */
export function scaleOfBytes(processor: MobileNetV2ImageProcessor, { min, max }: Levels): InputScale | null {
  const { do_rescale, rescale_factor, do_normalize, image_mean, image_std } = processor;
  if (!do_rescale || rescale_factor === null || !isWhole(1 / rescale_factor)) return null;
  const [mean, std] = do_normalize ? [only(image_mean), only(image_std)] : [0, 1];
  if (mean === null || std === null || !(std > 0)) return null;
  const zero = mean / rescale_factor;
  if (!(zero >= 0 && zero <= 255)) return null;
  const step = rescale_factor / std;
  const parts = Math.floor((max - min) / 255);
  for (let part = 1; part <= parts; part++) {
    if (!isWhole(zero * part)) continue;
    return { scale: Math.fround(step / part), zeroPoint: min + Math.round(zero * part), shift: 0 };
  }
  const moved = Math.floor(zero);
  return { scale: Math.fround(step), zeroPoint: min + moved, shift: step * (zero - moved) };
}

/** The range of the pixel values of bytes; null where the processor does not say. */
export function rangeOfBytes(processor: MobileNetV2ImageProcessor): Range | null {
  const { do_rescale, rescale_factor, do_normalize, image_mean, image_std } = processor;
  if (!do_rescale || rescale_factor === null) return null;
  const means = do_normalize ? [image_mean ?? 0].flat() : [0];
  const deviations = do_normalize ? [image_std ?? 1].flat() : [1];
  const ends = means.flatMap((mean, channel) => {
    const std = deviations[channel] ?? deviations[0];
    return [-mean / std, (255 * rescale_factor - mean) / std];
  });
  return { low: Math.min(...ends), high: Math.max(...ends) };
}

/** The number that all channels have; null where they differ. */
function only(given: number | readonly number[] | null): number | null {
  if (given === null) return null;
  const all = [given].flat();
  return all.every((each) => each === all[0]) ? all[0] : null;
}
