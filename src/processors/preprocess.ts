/**
 * The steps of the image processor, in transformers' order and with NumPy's rounding: resize, crop to the centre,
 * multiply, normalise. Source: transformers' image_processing_pil_mobilenet_v2.py and image_transforms.py.
 */
import { unlessAborted, yieldToEvents } from '../base/abort.js';
import { copyOf } from '../base/brands.js';
import { MobileNetError } from '../base/errors.js';
import type { Pixels, RowsAhead } from '../base/pixels.js';
import { looksLikePixels } from '../base/pixels.js';
import { decodeRows } from '../images/decode.js';
import { type ImageInput, load_image } from '../images/raw-image.js';
import { Resampling } from '../images/resize/filters.js';
import { resize } from '../images/resize/resize.js';
import { resizeRows, type Window } from '../images/resize/rows.js';
import { readEncoded } from '../images/source.js';
import { Tensor } from '../tensor/tensor.js';
import { type Geometry, planGeometry } from './geometry.js';
import type { ResolvedOptions } from './options.js';
import { listOf, ownInput } from './own-input.js';
import { mapsOfTensor, overWhite, type Picture, pictureOfPixels, picturesOfTensor, toBytes } from './picture.js';
import { type Numbers, Planes } from './planes.js';

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
  const start = (i: number): Promise<Iterable<Prepared>> => {
    const preparing = prepareInput(inputs[i], settings, `images[${i}]`, signal);
    preparing.catch(() => {}); // of one that comes later, unless an earlier one fails
    return preparing;
  };
  // The first is read at the moment of the call, unless its bytes have to be decoded: most calls copy nothing.
  if (!isAtHand(inputs[0])) inputs[0] = ownInput(inputs[0], 'images[0]');
  const begun = [start(0)];
  for (let i = 1; i < inputs.length; i++) inputs[i] = ownInput(inputs[i], `images[${i}]`);
  for (const i of inputs.keys()) {
    if (signal) await yieldToEvents(signal); // decoding holds the thread
    while (begun.length < (signal ? 1 : 2) && i + begun.length < inputs.length) begun.push(start(i + begun.length));
    yield* await unlessAborted(begun.shift()!, signal);
  }
}

/** Pixels and tensors are at hand and prepared at once, everything else is prepared while it is read. */
async function prepareInput(
  input: OneInput,
  settings: ResolvedOptions,
  where: string,
  signal: AbortSignal | undefined,
): Promise<Iterable<Prepared>> {
  if (isAtHand(input)) return [...prepareAll(input, settings, where)];
  const encoded = await readEncoded(input, signal);
  if (encoded === undefined) return prepareAll(await load_image(input), settings, where);
  let begun: ReturnType<typeof begin> | undefined;
  let original: [number, number] | undefined;
  const draft = ({ width, height }: Pick<Picture, 'width' | 'height'>) => {
    original = [height, width];
    return planGeometry(settings, height, width).resized;
  };
  const open = (ahead: RowsAhead) => {
    const channels = resultChannels({ ...ahead, from: 'pixels' }, settings, where);
    begun = begin(ahead, channels, 'uint8', settings);
    return begun.rows;
  };
  try {
    await decodeRows(encoded.bytes, encoded.file, open, settings.draft ? draft : undefined);
  } finally {
    begun?.rows.close();
  }
  const { prepared } = begun!;
  return [original === undefined ? prepared : { ...prepared, original }];
}

const isAtHand = (input: OneInput): input is Pixels | Tensor =>
  input instanceof Tensor || (looksLikePixels(input) && 'channels' in input);

/** Whether a second argument is maps, as transformers takes them, and not options. */
export function isInput(value: unknown): value is ProcessorInput {
  if (typeof value !== 'object' || value === null) return typeof value === 'string';
  const prototype = Object.getPrototypeOf(value);
  const plain = prototype === null || Object.getPrototypeOf(prototype) === null; // of whichever realm
  return !plain || looksLikePixels(value);
}

function* prepareAll(image: Pixels | Tensor, settings: ResolvedOptions, where: string): Generator<Prepared> {
  const pictures =
    image instanceof Tensor
      ? picturesOfTensor(image, settings.input_data_format, where)
      : [pictureOfPixels(image, where)];
  for (const picture of pictures) yield prepare(picture, settings, where);
}

function prepare(given: Picture, settings: ResolvedOptions, where: string): Prepared {
  const channels = resultChannels(given, settings, where);
  const picture = given.channels === 4 && settings.do_convert_rgb ? overWhite(given, where) : given;
  const { pixels, scaled } = settings.do_resize ? toBytes(picture, where) : { pixels: picture, scaled: false };
  const numbers = settings.do_resize ? (scaled ? 'scaled' : 'uint8') : picture.type;
  const { rows, prepared } = begin(picture, channels, numbers, settings);
  try {
    rows.rows(pixels.data, 0, picture.height);
  } finally {
    rows.close();
  }
  return prepared;
}

/** Grey becomes RGB when it is written three times, and alpha is dropped by not being read. */
function resultChannels(
  { channels, from }: Pick<Picture, 'channels' | 'from'>,
  settings: ResolvedOptions,
  where: string,
): number {
  const { do_convert_rgb } = settings;
  const converted = do_convert_rgb || (do_convert_rgb === null && from === 'pixels') ? 3 : channels;
  const expected = settings.do_normalize ? normalizedChannels(settings) : undefined;
  if (expected === undefined || converted === expected) return converted;
  throw new MobileNetError(
    'ARG',
    `${where}: image_mean and image_std are for ${expected} channels, the picture has ${converted}; do_convert_rgb makes it RGB (true) or leaves it (false)`,
  );
}

/** How many channels the lists of mean and deviation are for; undefined when they are single numbers. */
function normalizedChannels({ image_mean, image_std }: ResolvedOptions): number | undefined {
  if (typeof image_mean === 'object') return image_mean.length;
  return typeof image_std === 'object' ? image_std.length : undefined;
}

/** What takes the rows of a picture. */
interface Rows {
  rows(data: Picture['data'], first: number, count: number): void;
  close(): void;
}

/**
 * Begins a picture that is handed in row by row. It is resized, cropped, rescaled and normalised on the way, so that no
 * other picture is made of it.
 * @param channels of the result
 * @param numbers of the rows: bytes, where they are to be resized
 * @returns what takes the rows, and what is complete after the last of them
 */
function begin(
  source: Pick<Picture, 'width' | 'height' | 'channels'>,
  channels: number,
  numbers: Numbers,
  settings: ResolvedOptions,
): { rows: Rows; prepared: Prepared } {
  const { width, height } = source;
  const geometry = planGeometry(settings, height, width);
  const { output, resized, window } = geometry;
  const planes = new Planes(channels, numbers, geometry, settings);
  const prepared: Prepared = {
    values: planes.values,
    dims: [channels, output.height, output.width],
    original: [height, width],
  };
  if (!settings.do_resize) return { rows: croppedRows(source, window, planes), prepared };
  const kept = Math.min(channels, source.channels);
  const plan = { source, ...resized, filter: settings.resample, window, channels: kept };
  return { rows: resizeRows(plan, (row, y) => planes.write(row, 0, kept, y)), prepared };
}

function croppedRows({ width, channels }: Pick<Picture, 'width' | 'channels'>, window: Window, planes: Planes): Rows {
  return {
    rows(data, first, count) {
      const end = Math.min(first + count, window.top + window.height);
      for (let y = Math.max(first, window.top); y < end; y++) {
        planes.write(data, ((y - first) * width + window.left) * channels, channels, y - window.top);
      }
    },
    close() {},
  };
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
  inputs: readonly OneInput[],
  count: number,
  settings: ResolvedOptions,
): Promise<Tensor<'int64'>> {
  const loaded = await Promise.all(inputs.map((map) => (isAtHand(map) ? map : load_image(map, { indices: true }))));
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
    const placed = place(reduced, plans[i]!, settings, `segmentation_maps[${i}]`);
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
  const data = copyOf(map.data);
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

/** A map after resizing, and where in it the window begins. */
interface Placed {
  picture: Pick<Picture, 'data' | 'width'>;
  top: number;
  left: number;
}

function place(map: Picture, { resized, window }: Geometry, settings: ResolvedOptions, where: string): Placed {
  if (!settings.do_resize) return { picture: map, top: window.top, left: window.left };
  const { pixels } = toBytes(map, where);
  // Only the window is computed: what the crop throws away is often most of a long picture.
  return { picture: resize(pixels, resized.width, resized.height, Resampling.nearest, window), top: 0, left: 0 };
}
