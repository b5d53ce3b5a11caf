/**
 * The steps of the image processor, in transformers' order and with NumPy's rounding: resize, crop to the centre,
 * multiply, normalise. Source: transformers' image_processing_pil_mobilenet_v2.py and image_transforms.py.
 */
import { unlessAborted, yieldToEvents } from '../base/abort.js';
import { MobileNetError } from '../base/errors.js';
import type { Pixels } from '../base/pixels.js';
import { looksLikePixels } from '../base/pixels.js';
import { type ImageInput, load_image, type ReadOptions } from '../images/raw-image.js';
import { Resampling, type ResamplingNumber } from '../images/resize/filters.js';
import { resize } from '../images/resize/resize.js';
import { Tensor } from '../tensor/tensor.js';
import { type Geometry, planGeometry } from './geometry.js';
import type { ResolvedOptions } from './options.js';
import { dropAlpha, mapsOfTensor, type Picture, pictureOfPixels, picturesOfTensor, toBytes, toRgb } from './picture.js';

/** A picture wherever it is, or a batch in one tensor [N, …]. */
export type OneInput = ImageInput | Tensor;
/** One of them, or a list. */
export type ProcessorInput = OneInput | readonly OneInput[];

/** A picture as the network takes it. */
export interface Prepared {
  /** [C,height,width] */
  values: Float32Array;
  dims: readonly [channels: number, height: number, width: number];
  /** [height, width] of the picture as it came. */
  original: [number, number];
}

/**
 * One picture after the other, in order. While one is worked on the next is read, and what was worked on is dropped, so
 * that of a long list two pictures are in memory. With a signal none is read ahead, so that an abort is heard between.
 */
export async function* preparePictures(
  images: ProcessorInput,
  settings: ResolvedOptions,
  signal?: AbortSignal,
): AsyncGenerator<Prepared> {
  const inputs = listOf(images, 'images');
  const begun: Promise<Pixels | Tensor>[] = [];
  for (const i of inputs.keys()) {
    if (signal) await yieldToEvents(signal); // decoding holds the thread
    while (begun.length < (signal ? 1 : 2) && i + begun.length < inputs.length) {
      const loading = load(inputs[i + begun.length]);
      loading.catch(() => {}); // of one that comes later, unless an earlier one fails
      begun.push(loading);
    }
    const image = await unlessAborted(begun.shift()!, signal);
    for (const picture of readImage(image, settings, `images[${i}]`)) yield prepare(picture, settings, `images[${i}]`);
  }
}

/** Pixels and tensors are at hand, everything else is read. */
async function load(input: OneInput, options?: ReadOptions): Promise<Pixels | Tensor> {
  const atHand = input instanceof Tensor || (looksLikePixels(input) && 'channels' in input);
  return atHand ? (input as Pixels | Tensor) : load_image(input as ImageInput, options);
}

/** Whether a second argument is maps, as transformers takes them, and not options. */
export function isInput(value: unknown): value is ProcessorInput {
  if (typeof value !== 'object' || value === null) return typeof value === 'string';
  const prototype = Object.getPrototypeOf(value);
  const plain = prototype === null || Object.getPrototypeOf(prototype) === null; // of whichever realm
  return !plain || looksLikePixels(value);
}

function listOf(input: ProcessorInput, where: string): readonly OneInput[] {
  const list = Array.isArray(input) ? input : [input];
  if (list.length === 0) throw new MobileNetError('ARG', `${where}: expected at least one, got an empty list`);
  return list;
}

function readImage(image: Pixels | Tensor, settings: ResolvedOptions, where: string): Picture[] {
  const pictures =
    image instanceof Tensor
      ? picturesOfTensor(image, settings.input_data_format, where)
      : [pictureOfPixels(image, where)];
  const expected = settings.do_normalize ? normalizedChannels(settings) : undefined;
  return pictures.map((picture) => {
    const converted = convertChannels(picture, settings.do_convert_rgb, where);
    if (expected === undefined || converted.channels === expected) return converted;
    throw new MobileNetError(
      'ARG',
      `${where}: image_mean and image_std are for ${expected} channels, the picture has ${converted.channels}; do_convert_rgb makes it RGB (true) or leaves it (false)`,
    );
  });
}

function convertChannels(picture: Picture, do_convert_rgb: boolean | null, where: string): Picture {
  if (do_convert_rgb) return toRgb(picture, where);
  return do_convert_rgb === null && picture.from === 'pixels' ? dropAlpha(picture) : picture;
}

/** How many channels the lists of mean and deviation are for; undefined when they are single numbers. */
function normalizedChannels({ image_mean, image_std }: ResolvedOptions): number | undefined {
  if (typeof image_mean === 'object') return image_mean.length;
  return typeof image_std === 'object' ? image_std.length : undefined;
}

function prepare(picture: Picture, settings: ResolvedOptions, where: string): Prepared {
  const plan = planGeometry(settings, picture.height, picture.width);
  const { height, width } = plan.output;
  const values = new Float32Array(picture.channels * height * width);
  writePlanes(place(picture, plan, settings, settings.resample, where), plan, settings, values);
  return { values, dims: [picture.channels, height, width], original: [picture.height, picture.width] };
}

/** All pictures in one tensor [N,C,H,W]. */
export function batchOf(prepared: readonly Prepared[]): Tensor<'float32'> {
  const dims = commonDims(
    prepared.map((each) => each.dims),
    'images',
  );
  const [first] = prepared;
  if (prepared.length === 1) return new Tensor('float32', first.values, [1, ...dims]);
  const data = new Float32Array(prepared.length * first.values.length);
  for (const [i, { values }] of prepared.entries()) data.set(values, i * values.length);
  return new Tensor('float32', data, [prepared.length, ...dims]);
}

/** All segmentation maps in one tensor [N,H,W]. */
export async function makeLabels(
  input: ProcessorInput,
  count: number,
  settings: ResolvedOptions,
): Promise<Tensor<'int64'>> {
  const loaded = await Promise.all(listOf(input, 'segmentation_maps').map((map) => load(map, { indices: true })));
  const maps = loaded.flatMap((map, i) => readMap(map, `segmentation_maps[${i}]`));
  if (maps.length !== count) {
    throw new MobileNetError('ARG', `segmentation_maps: expected one for each of ${count} images, got ${maps.length}`);
  }
  const plans = maps.map((map) => planGeometry(settings, map.height, map.width));
  const [height, width] = commonDims(
    plans.map(({ output }) => [output.height, output.width]),
    'segmentation_maps',
  ) as [number, number];
  const data = new BigInt64Array(count * height * width);
  for (const [i, map] of maps.entries()) {
    const reduced = settings.do_reduce_labels ? reduceLabels(map) : map;
    const placed = place(reduced, plans[i]!, settings, Resampling.nearest, `segmentation_maps[${i}]`);
    const { window, at } = plans[i]!;
    for (let y = 0; y < window.height; y++) {
      const from = (placed.top + y) * placed.picture.width + placed.left;
      const to = (i * height + at.top + y) * width + at.left;
      for (let x = 0; x < window.width; x++) data[to + x] = BigInt(placed.picture.data[from + x]!);
    }
  }
  return new Tensor('int64', data, [count, height, width]);
}

function readMap(map: Pixels | Tensor, where: string): Picture[] {
  if (map instanceof Tensor) return mapsOfTensor(map, where);
  const picture = pictureOfPixels(map, where);
  if (picture.channels !== 1) {
    throw new MobileNetError(
      'ARG',
      `${where}: expected one channel of class indices, got ${picture.channels} channels`,
    );
  }
  return [picture];
}

/** 0 → 255, any other label one lower, 255 stays. */
function reduceLabels(map: Picture): Picture {
  const data = map.data.slice();
  for (let i = 0; i < data.length; i++) {
    const label = data[i]!;
    data[i] = label === 0 || label === 255 ? 255 : label - 1;
  }
  return { ...map, data };
}

/** The dims all items share; pictures of different sizes do not fit into one tensor. */
function commonDims(dims: readonly (readonly number[])[], where: string): readonly number[] {
  const [first, ...rest] = dims.map((sizes) => sizes.join('×'));
  const other = rest.findIndex((sizes) => sizes !== first);
  if (other >= 0) {
    throw new MobileNetError(
      'ARG',
      `${where}: all of a batch must come out equal, but [0] is ${first} and [${other + 1}] is ${rest[other]}; use do_center_crop or a size of height and width, or process them one by one`,
    );
  }
  return dims[0]!;
}

/** A picture after resizing, and where in it the window begins. */
interface Placed {
  picture: Picture;
  top: number;
  left: number;
}

function place(
  picture: Picture,
  { resized, window }: Geometry,
  settings: ResolvedOptions,
  resample: ResamplingNumber,
  where: string,
): Placed {
  if (!settings.do_resize) return { picture, top: window.top, left: window.left };
  const { pixels, scaled } = toBytes(picture, where);
  // Only the window is computed: what the crop throws away is often most of a long picture.
  const part = resize(pixels, resized.width, resized.height, resample, window);
  const { width, height } = part;
  if (!scaled) return { picture: { ...picture, data: part.data, width, height, type: 'uint8' }, top: 0, left: 0 };
  const data = Float64Array.from(part.data, (value) => Math.fround(value * (1 / 255)));
  return { picture: { ...picture, data, width, height, type: 'float32' }, top: 0, left: 0 };
}

/** One picture [H,W,C] into planes [C,H,W] of its output size, rescaled and normalised. */
function writePlanes(
  { picture, top, left }: Placed,
  { output, window, at }: Geometry,
  settings: ResolvedOptions,
  planes: Float32Array,
): void {
  const { data, width, channels } = picture;
  const plane = output.height * output.width;
  const padded = window.height * window.width < plane;
  for (let c = 0; c < channels; c++) {
    const convert = makeConversion(settings, picture.type, c);
    if (padded) planes.fill(convert(0), c * plane, (c + 1) * plane);
    // A byte has 256 values only.
    const table = data instanceof Float64Array ? undefined : Float32Array.from({ length: 256 }, (_, v) => convert(v));
    for (let y = 0; y < window.height; y++) {
      let from = ((top + y) * width + left) * channels + c;
      let to = c * plane + (at.top + y) * output.width + at.left;
      for (let x = 0; x < window.width; x++, from += channels, to++) {
        planes[to] = table ? table[data[from]!]! : convert(data[from]!);
      }
    }
  }
}

/**
 * Rescaling and normalisation of one channel. NumPy multiplies in float64 and rounds to float32; it then subtracts and
 * divides in float32, rounding each time, or in float64 when the values still are.
 */
function makeConversion(settings: ResolvedOptions, type: Picture['type'], channel: number): (value: number) => number {
  const { do_rescale, rescale_factor, do_normalize } = settings;
  const mean = ofChannel(settings.image_mean, channel);
  const std = ofChannel(settings.image_std, channel);
  if (type === 'float64' && !do_rescale) return do_normalize ? (value) => (value - mean) / std : (value) => value;
  const round = Math.fround;
  const rescale = (value: number) => round(do_rescale ? value * rescale_factor : value);
  if (!do_normalize) return rescale;
  const mean32 = round(mean);
  const std32 = round(std);
  return (value) => round(round(rescale(value) - mean32) / std32);
}

function ofChannel(values: number | readonly number[], channel: number): number {
  return typeof values === 'number' ? values : values[channel]!;
}
