/**
 * Pictures as training sees them: a part of random size and place, mirrored or not, in other light. Sources: torchvision's
 * `RandomResizedCrop.get_params`, `RandomHorizontalFlip`, `ColorJitter`, with its formulas for bytes, and Pillow's
 * `Image.resize(box=…)` for the pixels.
 */
import type { Pixels } from '../../base/pixels.js';
import { roundHalfEven } from '../../base/round.js';
import { Resampling } from '../../images/resize/filters.js';
import { resize } from '../../images/resize/resize.js';
import type { Window } from '../../images/resize/rows.js';
import type { Random } from '../random.js';

type Range = readonly [low: number, high: number];

/** What may happen to a picture. Names and meanings are torchvision's. */
export interface Augmentation {
  /** Share of the picture's area that the crop keeps. */
  scale: Range;
  /** Of the crop, width to height. */
  ratio: Range;
  /** How often pictures are mirrored, 0 to 1. */
  flip: number;
  /** Factors are drawn from 1 − x to 1 + x; 0 leaves the picture as it is. */
  brightness: number;
  contrast: number;
  saturation: number;
}

/** How one picture is changed. */
export interface Change {
  crop: Window;
  flip: boolean;
  /** In this order. */
  colors: readonly (readonly [ColorChange, factor: number])[];
}

/** As often as torchvision tries before it takes the middle of the picture. */
const TRIES = 10;

/** Draws what happens to a picture of this size. */
export function drawChange(
  { scale, ratio, flip, ...strengths }: Augmentation,
  { width, height }: Pick<Pixels, 'width' | 'height'>,
  random: Random,
): Change {
  const crop = drawCrop(scale, ratio, width, height, random);
  const mirrored = random.uniform() < flip;
  const order = random.permutation(COLORS.length);
  const colors: [ColorChange, number][] = [];
  for (const i of order) {
    const name = COLORS[i]!;
    const strength = strengths[name];
    if (strength > 0) colors.push([name, random.uniform(Math.max(0, 1 - strength), 1 + strength)]);
  }
  return { crop, flip: mirrored, colors };
}

function drawCrop(scale: Range, ratio: Range, width: number, height: number, random: Random): Window {
  const logs = [Math.log(ratio[0]), Math.log(ratio[1])] as const;
  for (let i = 0; i < TRIES; i++) {
    const area = width * height * random.uniform(...scale);
    const shape = Math.exp(random.uniform(...logs));
    const w = roundHalfEven(Math.sqrt(area * shape));
    const h = roundHalfEven(Math.sqrt(area / shape));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = random.integer(height - h + 1);
    return { left: random.integer(width - w + 1), top, width: w, height: h };
  }
  const shape = Math.min(ratio[1], Math.max(ratio[0], width / height));
  const w = Math.max(1, Math.min(width, roundHalfEven(height * shape)));
  const h = Math.max(1, Math.min(height, roundHalfEven(width / shape)));
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

/**
 * The crop at `width`×`height`, mirrored and colored.
 * @param resample filter; bilinear for pictures, nearest for masks
 */
export function applyChange(
  image: Pixels,
  { crop, flip, colors }: Change,
  width: number,
  height: number,
  resample: 0 | 2 = Resampling.bilinear,
): Pixels {
  const cropped = resize(image, width, height, resample, undefined, undefined, crop);
  if (flip) mirror(cropped.data, width, cropped.channels);
  if (colors.length === 0) return cropped;
  const colored = cropped.channels === 1 ? inColor(cropped) : cropped;
  for (const [name, factor] of colors) COLOR_CHANGES[name](colored.data, factor);
  return colored;
}

/** Grey as RGB: torchvision is given pictures that were made RGB, and its weights for grey do not quite add up to 1. */
function inColor({ data, width, height }: Pixels): Pixels {
  const rgb = new Uint8ClampedArray(data.length * 3);
  for (let i = 0; i < data.length; i++) rgb.fill(data[i]!, 3 * i, 3 * i + 3);
  return { data: rgb, width, height, channels: 3 };
}

function mirror(data: Pixels['data'], width: number, channels: number): void {
  const rowBytes = width * channels;
  for (let row = 0; row < data.length; row += rowBytes) {
    for (let left = row, right = row + rowBytes - channels; left < right; left += channels, right -= channels) {
      for (let c = 0; c < channels; c++) {
        const byte = data[left + c]!;
        data[left + c] = data[right + c]!;
        data[right + c] = byte;
      }
    }
  }
}

const COLORS = ['brightness', 'contrast', 'saturation'] as const;
type ColorChange = (typeof COLORS)[number];

/** In place, on RGB. Arithmetic is float32, and what is after the point is cut off, as torch makes bytes of floats. */
export const COLOR_CHANGES: Readonly<Record<ColorChange, (data: Pixels['data'], factor: number) => void>> = {
  brightness(data, factor) {
    const lit = Uint8Array.from({ length: 256 }, (_, byte) => blend(byte, 0, factor));
    for (let i = 0; i < data.length; i++) data[i] = lit[data[i]!]!;
  },
  contrast(data, factor) {
    let sum = 0;
    for (let i = 0; i < data.length; i += 3) sum += grey(data, i);
    const mean = Math.fround(sum / (data.length / 3));
    const stretched = Uint8Array.from({ length: 256 }, (_, byte) => blend(byte, mean, factor));
    for (let i = 0; i < data.length; i++) data[i] = stretched[data[i]!]!;
  },
  saturation(data, factor) {
    for (let i = 0; i < data.length; i += 3) {
      const own = grey(data, i);
      for (let c = i; c < i + 3; c++) data[c] = blend(data[c]!, own, factor);
    }
  },
};

const { fround } = Math;
const [RED, GREEN, BLUE] = [0.2989, 0.587, 0.114].map(fround) as [number, number, number];

/** torchvision's `rgb_to_grayscale`. */
const grey = (data: Pixels['data'], i: number): number =>
  Math.trunc(fround(fround(fround(RED * data[i]!) + fround(GREEN * data[i + 1]!)) + fround(BLUE * data[i + 2]!)));

/** torchvision's `_blend`. */
function blend(a: number, b: number, ratio: number): number {
  const sum = fround(fround(fround(ratio) * a) + fround(fround(1 - ratio) * b));
  return Math.trunc(Math.min(255, Math.max(0, sum)));
}
