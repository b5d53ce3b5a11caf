/**
 * Pillow's `Image.resize` on 8-bit pictures, bit for bit: a separable filter, first along rows, then along columns, in
 * 32-bit fixed point with rounding to 8 bits after each pass. When shrinking, the filter is stretched over all source
 * pixels an output pixel stands for (antialiasing). Source: Pillow's libImaging/Resample.c, Geometry.c (nearest),
 * Convert.c (premultiplied alpha) and Image.py.
 */
import { env } from '../base/env.js';
import { MobileNetError, show } from '../base/errors.js';
import type { Pixels } from '../base/pixels.js';
import { checkPixels } from '../base/pixels.js';

/** Pillow's numbers for its filters, `PIL.Image.Resampling`. */
export const Resampling = { nearest: 0, lanczos: 1, bilinear: 2, bicubic: 3, box: 4, hamming: 5 } as const;
/** Pillow's filters by name. */
export type ResamplingName = keyof typeof Resampling;
/** Pillow's filters by number, as `resample` in preprocessor_config.json. */
export type ResamplingNumber = (typeof Resampling)[ResamplingName];

/** A part of the resized picture, in its pixels. */
export interface Window {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** The number of a filter given by number or (in any case) by name; undefined when there is no such filter. */
export function resamplingNumber(filter: unknown): ResamplingNumber | undefined {
  if (typeof filter === 'string') {
    const name = filter.toLowerCase();
    return Object.hasOwn(Resampling, name) ? Resampling[name as ResamplingName] : undefined;
  }
  return Object.values(Resampling).find((number) => number === filter);
}

/**
 * Resizes a picture to `width`×`height` pixels.
 *
 * @param image 8-bit picture; with 4 channels the colours are weighted by alpha, as Pillow does for RGBA
 * @param resample filter by Pillow's number or name
 * @param window compute only this part of the result: the same bytes as cropping afterwards, without the rest
 * @returns a new picture of the window's size, or `width`×`height`
 * @throws MobileNetError ARG for impossible sizes, LIMIT when the result exceeds `env.limits.imagePixels`
 */
export function resize(
  image: Pixels,
  width: number,
  height: number,
  resample: ResamplingNumber | ResamplingName = Resampling.bilinear,
  window: Window = { left: 0, top: 0, width, height },
): Pixels {
  checkPixels(image);
  checkTarget(width, height, window);
  const filter = resamplingNumber(resample);
  if (filter === undefined) {
    throw new MobileNetError(
      'ARG',
      `resample: expected 0 to 5 or one of ${Object.keys(Resampling).join(', ')}, got ${show(resample)}`,
    );
  }
  const sameSize = width === image.width && height === image.height;
  if (sameSize || filter === Resampling.nearest) return nearest(image, width, height, window);
  if (image.channels === 4) return unpremultiply(convolve(premultiply(image), width, height, FILTERS[filter], window));
  return convolve(image, width, height, FILTERS[filter], window);
}

function checkTarget(width: number, height: number, window: Window): void {
  const whole = (size: number, least: number) => Number.isSafeInteger(size) && size >= least;
  if (!whole(width, 1) || !whole(height, 1)) {
    throw new MobileNetError('ARG', `resize: expected whole sizes ≥ 1, got ${show(width)}×${show(height)}`);
  }
  const { left, top } = window;
  const inside =
    whole(left, 0) &&
    whole(top, 0) &&
    whole(window.width, 1) &&
    whole(window.height, 1) &&
    left + window.width <= width &&
    top + window.height <= height;
  if (!inside) {
    throw new MobileNetError(
      'ARG',
      `resize: window ${window.width}×${window.height} at (${left}, ${top}) is not inside ${width}×${height}`,
    );
  }
  if (window.width * window.height > env.limits.imagePixels) {
    throw new MobileNetError(
      'LIMIT',
      `resize: ${window.width}×${window.height} pixels exceed env.limits.imagePixels (${env.limits.imagePixels})`,
    );
  }
}

/** A filter: its weight at a distance in (scaled) source pixels, zero beyond `support`. */
interface Filter {
  support: number;
  weight(x: number): number;
}

// Pillow writes 0.54f and 0.46f: the constants are rounded to float32, the arithmetic is double.
const HAMMING_A = Math.fround(0.54);
const HAMMING_B = Math.fround(0.46);

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

const FILTERS: Record<Exclude<ResamplingNumber, 0>, Filter> = {
  [Resampling.box]: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  [Resampling.bilinear]: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  [Resampling.hamming]: {
    support: 1,
    weight(x) {
      if (x === 0) return 1; // where the formula gives 1 + 3e-8, enough to change a pixel
      return Math.abs(x) >= 1 ? 0 : sinc(x) * (HAMMING_A + HAMMING_B * Math.cos(x * Math.PI));
    },
  },
  // Keys' cubic with a = -0.5.
  [Resampling.bicubic]: {
    support: 2,
    weight(signed) {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    },
  },
  [Resampling.lanczos]: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** 8 bits for the result, 2 for overshoot of filters with negative lobes; the other 22 are the fraction. */
const FRACTION_BITS = 32 - 8 - 2;
const HALF = 1 << (FRACTION_BITS - 1);

/** Which source pixels make which output pixels, for output pixels `first` to `first + count` along one axis. */
interface Taps {
  /** Per output pixel: the first source pixel, and how many follow on. [count] each */
  start: Int32Array;
  length: Int32Array;
  /** Fixed-point weights, `stride` a pixel. [count, stride] */
  weights: Int32Array;
  stride: number;
}

/** Pillow's precompute_coeffs and normalize_coeffs_8bpc. */
function makeTaps(inSize: number, outSize: number, filter: Filter, first: number, count: number): Taps {
  const scale = inSize / outSize;
  const stretch = Math.max(1, scale);
  const support = filter.support * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const taps: Taps = {
    start: new Int32Array(count),
    length: new Int32Array(count),
    weights: new Int32Array(count * stride),
    stride,
  };
  const exact = new Float64Array(stride);
  for (let i = 0; i < count; i++) {
    const center = (first + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const length = Math.min(inSize, Math.trunc(center + support + 0.5)) - start;
    let sum = 0;
    for (let x = 0; x < length; x++) {
      // Multiplying by the reciprocal, as Pillow does: dividing rounds differently.
      exact[x] = filter.weight((x + start - center + 0.5) * (1 / stretch));
      sum += exact[x]!;
    }
    for (let x = 0; x < length; x++) {
      const weight = (sum === 0 ? exact[x]! : exact[x]! / sum) * (1 << FRACTION_BITS);
      taps.weights[i * stride + x] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    taps.start[i] = start;
    taps.length[i] = length;
  }
  return taps;
}

/**
 * Both passes, over what the window needs only. Along an axis that keeps its size every filter here is the identity, so
 * Pillow's skipping of that pass needs no code.
 */
function convolve(image: Pixels, width: number, height: number, filter: Filter, window: Window): Pixels {
  const { channels } = image;
  const horizontal = makeTaps(image.width, width, filter, window.left, window.width);
  const vertical = makeTaps(image.height, height, filter, window.top, window.height);
  const stride = image.width * channels;
  const [left, right] = extent(horizontal);
  const [top, bottom] = extent(vertical);

  // Each pass rounds to 8 bits, so their order shows. Pillow 13 takes the columns first when that is less work (its
  // ImagingResampleInner); earlier versions never did.
  const lost = image.height - height;
  const columnsFirst = lost > 0 && lost > 2 * (image.width - width);
  let data: Uint8ClampedArray<ArrayBuffer>;
  if (columnsFirst) {
    const needed = (right - left) * channels;
    const between = alongColumns(image.data, stride, left * channels, needed, vertical, 0);
    data = alongRows(between, needed, 0, window.height, horizontal, left, channels);
  } else {
    const between = alongRows(image.data, stride, top, bottom - top, horizontal, 0, channels);
    data = alongColumns(between, window.width * channels, 0, window.width * channels, vertical, top);
  }
  return { data, width: window.width, height: window.height, channels };
}

/** The first source pixel any of the taps reads, and the one after the last. */
function extent({ start, length }: Taps): [number, number] {
  const last = start.length - 1;
  return [start[0]!, start[last]! + length[last]!];
}

/**
 * The pass along rows: `rows` rows of x from `firstRow` on, `stride` bytes apart, → [rows, taps, channels].
 * The first pixel of a row of x is pixel `left` of the source.
 */
function alongRows(
  x: Pixels['data'],
  stride: number,
  firstRow: number,
  rows: number,
  taps: Taps,
  left: number,
  channels: number,
): Uint8ClampedArray<ArrayBuffer> {
  const rowLength = taps.start.length * channels;
  const y = new Uint8ClampedArray(rows * rowLength);
  for (let row = 0; row < rows; row++) {
    const from = (firstRow + row) * stride - left * channels;
    if (channels === 3) rowOfRgb(x, from, y, row * rowLength, taps);
    else rowOfAny(x, from, y, row * rowLength, taps, channels);
  }
  return y;
}

/** One row of [W,3]: three sums at once, because this loop is where the time goes. */
function rowOfRgb(x: Pixels['data'], from: number, y: Uint8ClampedArray, to: number, taps: Taps): void {
  const { start, length, weights, stride } = taps;
  for (let i = 0; i < start.length; i++) {
    let red = HALF;
    let green = HALF;
    let blue = HALF;
    let at = from + start[i]! * 3;
    const first = i * stride;
    const end = first + length[i]!;
    for (let k = first; k < end; k++) {
      const weight = weights[k]!;
      red = (red + Math.imul(x[at]!, weight)) | 0;
      green = (green + Math.imul(x[at + 1]!, weight)) | 0;
      blue = (blue + Math.imul(x[at + 2]!, weight)) | 0;
      at += 3;
    }
    // Storing into a clamped array limits to 0..255.
    y[to] = red >> FRACTION_BITS;
    y[to + 1] = green >> FRACTION_BITS;
    y[to + 2] = blue >> FRACTION_BITS;
    to += 3;
  }
}

/** One row of [W,C] for any C. */
function rowOfAny(
  x: Pixels['data'],
  from: number,
  y: Uint8ClampedArray,
  to: number,
  taps: Taps,
  channels: number,
): void {
  const { start, length, weights, stride } = taps;
  for (let i = 0; i < start.length; i++) {
    const first = i * stride;
    const end = first + length[i]!;
    for (let c = 0; c < channels; c++) {
      let sum = HALF;
      let at = from + start[i]! * channels + c;
      for (let k = first; k < end; k++) {
        sum = (sum + Math.imul(x[at]!, weights[k]!)) | 0;
        at += channels;
      }
      y[to++] = sum >> FRACTION_BITS;
    }
  }
}

/**
 * The pass along columns: `rowLength` bytes from `offset` of each row of x, rows `stride` bytes apart, → [taps, rowLength].
 * The first row of x is row `top` of the source. Whole rows are added up, so memory is read in its order.
 */
function alongColumns(
  x: Pixels['data'],
  stride: number,
  offset: number,
  rowLength: number,
  taps: Taps,
  top: number,
): Uint8ClampedArray<ArrayBuffer> {
  const { start, length, weights } = taps;
  const y = new Uint8ClampedArray(start.length * rowLength);
  const sums = new Int32Array(rowLength);
  for (let i = 0; i < start.length; i++) {
    sums.fill(HALF);
    for (let k = 0; k < length[i]!; k++) {
      const weight = weights[i * taps.stride + k]!;
      const from = (start[i]! - top + k) * stride + offset;
      for (let j = 0; j < rowLength; j++) sums[j] = sums[j]! + Math.imul(x[from + j]!, weight);
    }
    const to = i * rowLength;
    for (let j = 0; j < rowLength; j++) y[to + j] = sums[j]! >> FRACTION_BITS;
  }
  return y;
}

/** Copies the pixel under each output pixel's centre (ImagingScaleAffine). At the same size this is a plain copy. */
function nearest(image: Pixels, width: number, height: number, window: Window): Pixels {
  const { channels } = image;
  const fromX = nearestIndices(image.width, width, window.left, window.width);
  const fromY = nearestIndices(image.height, height, window.top, window.height);
  const data = new Uint8ClampedArray(window.width * window.height * channels);
  let to = 0;
  for (let y = 0; y < window.height; y++) {
    const row = fromY[y]! * image.width;
    for (let x = 0; x < window.width; x++) {
      const from = (row + fromX[x]!) * channels;
      for (let c = 0; c < channels; c++) data[to++] = image.data[from + c]!;
    }
  }
  return { data, width: window.width, height: window.height, channels };
}

/** Pillow adds up the step instead of multiplying, so the rounding errors of the sum are part of the result. */
function nearestIndices(inSize: number, outSize: number, first: number, count: number): Int32Array {
  const step = inSize / outSize;
  const indices = new Int32Array(count);
  let at = step * 0.5;
  for (let i = 0; i < first + count; i++) {
    if (i >= first) indices[i - first] = Math.min(inSize - 1, Math.trunc(at));
    at += step;
  }
  return indices;
}

/** RGBA → RGBa: colours times alpha / 255, rounded. */
function premultiply(image: Pixels): Pixels {
  const data = new Uint8Array(image.data.length);
  for (let i = 0; i < data.length; i += 4) {
    const alpha = image.data[i + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = image.data[i + c]! * alpha + 128;
      data[i + c] = ((product >> 8) + product) >> 8;
    }
    data[i + 3] = alpha;
  }
  return { data, width: image.width, height: image.height, channels: 4 };
}

/** RGBa → RGBA, in place: colours times 255 / alpha, rounded down and clamped. */
function unpremultiply(image: Pixels): Pixels {
  const { data } = image;
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3]!;
    if (alpha === 0 || alpha === 255) continue;
    for (let c = 0; c < 3; c++) data[i + c] = Math.trunc((255 * data[i + c]!) / alpha);
  }
  return image;
}
