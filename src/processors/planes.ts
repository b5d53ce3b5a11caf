/**
 * The last steps of the image processor in one: rows of pixels, [W,C], become planes [C,H,W] of float32, rescaled and
 * normalised with NumPy's rounding, in the place that the crop gives them.
 */
import type { Geometry } from './geometry.js';
import type { ResolvedOptions } from './options.js';
import type { Picture } from './picture.js';

/** What numbers are: of a picture's own type, or bytes that fractions from 0 to 1 became to be resized. */
export type Numbers = Picture['type'] | 'scaled';

export class Planes {
  /** [C,height,width] of the output, zeros of the picture around it. */
  readonly values: Float32Array;
  readonly #geometry: Geometry;
  /** Of each plane. */
  readonly #conversions: readonly ((value: number) => number)[];
  /** The results for all bytes: they are 256 only. Made when first needed. */
  readonly #tables: Float32Array[] = [];

  constructor(channels: number, numbers: Numbers, geometry: Geometry, settings: ResolvedOptions) {
    const { output, window } = geometry;
    const plane = output.height * output.width;
    this.#geometry = geometry;
    this.#conversions = Array.from({ length: channels }, (_, c) => makeConversion(settings, numbers, c));
    this.values = new Float32Array(channels * plane);
    if (window.height * window.width === plane) return;
    for (const [c, convert] of this.#conversions.entries()) this.values.fill(convert(0), c * plane, (c + 1) * plane);
  }

  /**
   * Row `y` of the window.
   * @param from where it begins in `row`
   * @param channels numbers a pixel in `row`: one is for all planes, and of more the first ones count
   */
  write(row: Picture['data'], from: number, channels: number, y: number): void {
    const { output, window, at } = this.#geometry;
    for (let c = 0; c < this.#conversions.length; c++) {
      const convert = this.#conversions[c];
      const to = (c * output.height + at.top + y) * output.width + at.left;
      const first = from + (channels === 1 ? 0 : c);
      if (row instanceof Float64Array) {
        for (let x = 0; x < window.width; x++) this.values[to + x] = convert(row[first + x * channels]!);
      } else {
        this.#tables[c] ??= Float32Array.from({ length: 256 }, (_, value) => convert(value));
        lookUp(row, first, channels, this.#tables[c], this.values, to, to + window.width);
      }
    }
  }
}

function lookUp(
  row: Uint8Array | Uint8ClampedArray,
  from: number,
  step: number,
  table: Float32Array,
  out: Float32Array,
  to: number,
  end: number,
): void {
  for (let at = from; to < end; to++, at += step) out[to] = table[row[at]];
}

/**
 * Rescaling and normalisation of one channel. NumPy multiplies in float64 and rounds to float32; it then subtracts and
 * divides in float32, rounding each time, or in float64 when the values still are.
 */
function makeConversion(settings: ResolvedOptions, numbers: Numbers, channel: number): (value: number) => number {
  const { do_rescale, rescale_factor, do_normalize } = settings;
  const mean = ofChannel(settings.image_mean, channel);
  const std = ofChannel(settings.image_std, channel);
  if (numbers === 'float64' && !do_rescale) return do_normalize ? (value) => (value - mean) / std : (value) => value;
  const round = Math.fround;
  const given = (value: number) => (numbers === 'scaled' ? round(value * (1 / 255)) : value);
  const rescale = (value: number) => round(do_rescale ? given(value) * rescale_factor : given(value));
  if (!do_normalize) return rescale;
  const mean32 = round(mean);
  const std32 = round(std);
  return (value) => round(round(rescale(value) - mean32) / std32);
}

function ofChannel(values: number | readonly number[], channel: number): number {
  return typeof values === 'number' ? values : values[channel]!;
}
