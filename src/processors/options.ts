/**
 * The fields of preprocessor_config.json: their names, defaults and rules are those of transformers'
 * `MobileNetV2ImageProcessorPil`. Everything the processor is told passes through `resolveOptions`.
 */
import { env } from '../base/env.js';
import { type ErrorCode, MobileNetError, show } from '../base/errors.js';
import { Resampling, type ResamplingName, type ResamplingNumber, resamplingNumber } from '../images/resize.js';

/** How large a picture becomes, in pixels. The last two forms keep its proportions, as `shortest_edge` does. */
export type Size =
  | { shortest_edge: number }
  | { height: number; width: number }
  | { shortest_edge: number; longest_edge: number }
  | { max_height: number; max_width: number };

/** Where the channels of a tensor are: [C,H,W] or [H,W,C]. */
export type ChannelFormat = 'channels_first' | 'channels_last';

/**
 * What a caller may say; undefined means the default. Null is what transformers' None is: it turns a `do_…` off, and is no
 * value of the others, so that a step that needs one must be off.
 */
export interface ImageProcessorOptions {
  /** Resize to `size` first. Default true. */
  do_resize?: boolean | null;
  /** Default `{ shortest_edge: 256 }`. A number means the shortest edge; a pair means [height, width]. */
  size?: Size | number | readonly [number, number] | null;
  /** Makes a `size` given as a number mean a square. Default false. */
  default_to_square?: boolean | null;
  /** Filter, by Pillow's number or by name. Default 2, bilinear. */
  resample?: ResamplingNumber | ResamplingName | null;
  /** Cut out the middle, zeros around a picture that is smaller. Default true. */
  do_center_crop?: boolean | null;
  /** Default 224×224. A number means a square; a pair means [height, width]. */
  crop_size?: { height: number; width: number } | number | readonly [number, number] | null;
  /** Multiply by `rescale_factor`. Default true. */
  do_rescale?: boolean | null;
  /** Default 1/255. */
  rescale_factor?: number | null;
  /** Subtract `image_mean`, divide by `image_std`. Default true. */
  do_normalize?: boolean | null;
  /** One number for all channels or one for each. Default 0.5. */
  image_mean?: number | readonly number[] | null;
  /** One number for all channels or one for each, not 0. Default 0.5. */
  image_std?: number | readonly number[] | null;
  /** In segmentation maps make 0 ("background") 255 ("ignore") and lower every other label by one. Default false. */
  do_reduce_labels?: boolean | null;
  /** True makes RGB of grey, and of RGBA over white. Not set by default; see `MobileNetV2ImageProcessor`. */
  do_convert_rgb?: boolean | null;
  /** Which dimension of a 3-D tensor holds the channels; found out when not set. */
  input_data_format?: ChannelFormat | null;
}

/** The same with every default filled in and every short form written out. */
export interface ProcessorFields {
  do_resize: boolean;
  size: Size | null;
  resample: ResamplingNumber | null;
  do_center_crop: boolean;
  crop_size: { height: number; width: number } | null;
  do_rescale: boolean;
  rescale_factor: number | null;
  do_normalize: boolean;
  image_mean: number | readonly number[] | null;
  image_std: number | readonly number[] | null;
  do_reduce_labels: boolean;
  do_convert_rgb: boolean | null;
  input_data_format: ChannelFormat | null;
}

/** What a call works with: every step that is on has what it needs. */
export type ResolvedOptions = {
  [Field in keyof ProcessorFields]: Field extends 'do_convert_rgb' | 'input_data_format'
    ? ProcessorFields[Field]
    : NonNullable<ProcessorFields[Field]>;
};

const DEFAULTS: ResolvedOptions = {
  do_resize: true,
  size: { shortest_edge: 256 },
  resample: Resampling.bilinear,
  do_center_crop: true,
  crop_size: { height: 224, width: 224 },
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
  do_reduce_labels: false,
  do_convert_rgb: null,
  input_data_format: null,
};

/** The names of all options; anything else in a configuration file is kept but has no effect. */
export const OPTION_NAMES: readonly string[] = [...Object.keys(DEFAULTS), 'default_to_square'];

/** Where options came from, for messages: a file, a class, a call. */
export interface OptionSource {
  code: Extract<ErrorCode, 'CONFIG' | 'ARG'>;
  name: string;
  file?: string;
}

/** The switches of the steps, and what each step needs. */
const STEPS = {
  do_resize: ['size', 'resample'],
  do_center_crop: ['crop_size'],
  do_rescale: ['rescale_factor'],
  do_normalize: ['image_mean', 'image_std'],
} as const;

/**
 * The options of a call. What a step that is off does without is that of the defaults, and nobody looks at it.
 * @throws MobileNetError ARG where a step that is on lacks what it needs
 */
export function completeOptions(fields: ProcessorFields, source: OptionSource): ResolvedOptions {
  for (const [step, needed] of Object.entries(STEPS)) {
    const missing = needed.find((field) => fields[field] === null);
    if (missing === undefined || !fields[step as keyof typeof STEPS]) continue;
    throw new MobileNetError(
      source.code,
      `${source.name}: ${missing}: is null, and ${step} needs it; set ${step}: false, or give ${missing}`,
      { file: source.file, tensor: missing },
    );
  }
  const set = Object.entries(fields).filter(([, value]) => value !== null);
  return { ...DEFAULTS, ...Object.fromEntries(set) };
}

/** Checks options and fills in what is missing. Throws `source.code`, naming the field, for a value that cannot be. */
export function resolveOptions(given: Readonly<Record<string, unknown>>, source: OptionSource): ProcessorFields {
  const read = <T>(field: keyof ProcessorFields, parse: (value: unknown, reject: Reject) => T): T => {
    const value = given[field] === undefined ? DEFAULTS[field] : given[field];
    return parse(value, (expected) => {
      throw new MobileNetError(source.code, `${source.name}: ${field}: expected ${expected}, got ${describe(value)}`, {
        file: source.file,
        tensor: field,
      });
    });
  };
  const square = given.default_to_square === true;
  const options: ProcessorFields = {
    do_resize: read('do_resize', parseSwitch),
    size: read(
      'size',
      orNull((value, reject) => parseSize(value, square, reject)),
    ),
    resample: read('resample', orNull(parseResample)),
    do_center_crop: read('do_center_crop', parseSwitch),
    crop_size: read('crop_size', orNull(parseCropSize)),
    do_rescale: read('do_rescale', parseSwitch),
    rescale_factor: read('rescale_factor', orNull(parseNumber)),
    do_normalize: read('do_normalize', parseSwitch),
    image_mean: read('image_mean', orNull(parsePerChannel)),
    image_std: read('image_std', orNull(parseDeviation)),
    do_reduce_labels: read('do_reduce_labels', parseSwitch),
    do_convert_rgb: read('do_convert_rgb', orNull(parseBoolean)),
    input_data_format: read('input_data_format', orNull(parseFormat)),
  };
  const { image_mean, image_std } = options;
  if (Array.isArray(image_mean) && Array.isArray(image_std) && image_mean.length !== image_std.length) {
    throw new MobileNetError(
      source.code,
      `${source.name}: image_mean has ${image_mean.length} values, image_std ${image_std.length}; expected as many`,
      { file: source.file, tensor: 'image_std' },
    );
  }
  return options;
}

/** Throws; called with what would have been right. */
type Reject = (expected: string) => never;

const orNull =
  <T>(parse: (value: unknown, reject: Reject) => T) =>
  (value: unknown, reject: Reject): T | null =>
    value === null ? null : parse(value, reject);

/** Null turns a step off, as None does in transformers. */
function parseSwitch(value: unknown, reject: Reject): boolean {
  return value === null ? false : parseBoolean(value, reject);
}

function parseBoolean(value: unknown, reject: Reject): boolean {
  return typeof value === 'boolean' ? value : reject('true or false');
}

function parseNumber(value: unknown, reject: Reject): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : reject('a finite number');
}

function parsePerChannel(value: unknown, reject: Reject): number | readonly number[] {
  const expected = 'a number, or one for each channel (1, 3 or 4)';
  if (!Array.isArray(value)) return parseNumber(value, () => reject(expected));
  if (![1, 3, 4].includes(value.length)) return reject(expected);
  return value.map((one) => parseNumber(one, () => reject(expected)));
}

/** What float32 rounds to 0 divides by 0 just the same. */
function parseDeviation(value: unknown, reject: Reject): number | readonly number[] {
  const deviation = parsePerChannel(value, reject);
  if ([deviation].flat().some((one) => Math.fround(one as number) === 0)) return reject('numbers other than 0');
  return deviation;
}

function parseResample(value: unknown, reject: Reject): ResamplingNumber {
  return resamplingNumber(value) ?? reject(`0 to 5 or one of ${Object.keys(Resampling).join(', ')}`);
}

function parseFormat(value: unknown, reject: Reject): ChannelFormat {
  if (value === 'channels_first' || value === 'channels_last') return value;
  return reject("'channels_first' or 'channels_last'");
}

/** The sets of fields a size may have. transformers accepts two more, with which it then cannot resize. */
const SIZE_FIELDS = ['shortest_edge', 'height,width', 'longest_edge,shortest_edge', 'max_height,max_width'];

function parseSize(value: unknown, square: boolean, reject: Reject): Size {
  const expected = `a number of pixels, [height, width] or an object of ${SIZE_FIELDS.join(' | ')}`;
  if (typeof value === 'number' && !square) return { shortest_edge: parsePixels(value, reject) };
  return parseSizeObject(value, SIZE_FIELDS, expected, reject) as Size;
}

function parseCropSize(value: unknown, reject: Reject): { height: number; width: number } {
  const expected = 'a number of pixels, [height, width] or { height, width }';
  return parseSizeObject(value, ['height,width'], expected, reject) as { height: number; width: number };
}

function parseSizeObject(value: unknown, fieldSets: string[], expected: string, reject: Reject): object {
  if (typeof value === 'number') value = { height: value, width: value };
  if (Array.isArray(value)) {
    if (value.length !== 2) return reject(expected);
    value = { height: value[0], width: value[1] };
  }
  if (typeof value !== 'object' || value === null) return reject(expected);
  const fields = Object.entries(value).filter(([, size]) => size !== null && size !== undefined);
  const names = fields.map(([name]) => name).sort();
  if (!fieldSets.includes(names.join())) return reject(expected);
  return Object.fromEntries(fields.map(([name, size]) => [name, parsePixels(size, reject)]));
}

/** No edge of an allowed picture can be longer than a picture's most pixels. */
function parsePixels(value: unknown, reject: Reject): number {
  const most = env.limits.imagePixels;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  return reject(`whole pixels from 1 to ${most}`);
}

/** A value for a message; the fields of a size are worth showing. */
function describe(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return show(value);
  const fields = Object.entries(value).slice(0, 8);
  return `{ ${fields.map(([name, field]) => `${show(name, 20)}: ${show(field, 20)}`).join(', ')} }`;
}
