/** How pictures are prepared for a network whose pixels are scaled linearly, with no regard to their proportions. */
import { expected } from '../base/errors.js';
import type { Preprocessor } from './mapping.js';

/** What happens to a number x on its way: `x * scale + offset`, by channel. */
export interface Scaling {
  scale: number[];
  offset: number[];
}

export type PixelRange = readonly [low: number, high: number];

/** How pictures come to their size, where that is more than a resize by the bilinear filter. */
export interface Geometry {
  resize: readonly [number, number] | { shortest_edge: number } | undefined;
  crop: readonly [number, number] | undefined;
  /** Pillow's number of the filter. */
  resample: number;
}

/**
 * @param size [height, width] of the input; 224 where the source does not say
 * @param scaling by the source's own layers, undefined where it has none
 * @param range of the pixels that enter the source
 */
export function picturesOf(
  size: readonly [number, number] | undefined,
  scaling: Scaling | undefined,
  range: PixelRange,
  geometry: Geometry = { resize: size, crop: undefined, resample: 2 },
): Preprocessor {
  const [height, width] = size ?? [224, 224];
  const { resize = [height, width], crop, resample } = geometry;
  const entering = scalingOf(range);
  const { scale, offset } = scaling === undefined ? entering : after(entering, scaling);
  // (x / 255 − mean) / deviation = x · scale + offset
  const std = scale.map((one) => tidy(1 / (255 * one)));
  return {
    do_resize: true,
    size: 'shortest_edge' in resize ? resize : { height: resize[0], width: resize[1] },
    resample,
    do_center_crop: crop !== undefined,
    crop_size: { height, width },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: offset.map((one, c) => tidy(-one * std[c]) + 0),
    image_std: std,
  };
}

function scalingOf(range: PixelRange): Scaling {
  const [low, high] = range;
  if (!(Number.isFinite(low) && Number.isFinite(high) && low < high)) {
    throw expected('pixelRange', 'two numbers, the lower first', range);
  }
  return { scale: new Array<number>(3).fill((high - low) / 255), offset: new Array<number>(3).fill(low) };
}

/** 0.5 rather than 0.49999999999999994. */
const tidy = (value: number): number => Number(value.toPrecision(12));

/** One step after another: `then` works on what `first` gives. */
export function after(first: Scaling | undefined, then: Scaling): Scaling {
  if (first === undefined) return then;
  return {
    scale: first.scale.map((one, c) => one * then.scale[c]),
    offset: first.offset.map((one, c) => one * then.scale[c] + then.offset[c]),
  };
}
