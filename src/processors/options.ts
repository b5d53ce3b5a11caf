/**
 * The fields of preprocessor_config.json: their names, defaults and rules are those of transformers'
 * `MobileNetV2ImageProcessorPil`. All of them are in one table; the types, the processor's fields, the checks and what is
 * written to a file follow from it.
 */
import { type ErrorCode, MobileNetError, show } from '../base/errors.js';
import { Resampling, type ResamplingName, type ResamplingNumber } from '../images/resize/filters.js';
import {
  type ChannelFormat,
  parseBoolean,
  parseCropSize,
  parseDeviation,
  parseFormat,
  parseNumber,
  parsePerChannel,
  parseResample,
  parseSize,
  parseSwitch,
  type Reject,
  type Size,
} from './option-values.js';

type Parse<Value> = (value: unknown, reject: Reject, square: boolean) => Value;

/** An option: what a caller may give, what it becomes as a field, and what a call works with. */
interface Option<Given, Field, Used extends Field> {
  initial: Used;
  parse: Parse<Field>;
  /** For the types alone; it holds nothing. */
  given?: Given;
}

/** A switch. Null turns it off, as None does in transformers. */
const flag = (initial: boolean): Option<boolean | null, boolean, boolean> => ({ initial, parse: parseSwitch });

const orNull =
  <Value>(parse: Parse<Value>): Parse<Value | null> =>
  (value, reject, square) =>
    value === null ? null : parse(value, reject, square);

/** What a step needs: where it is null, the step must be off. */
const needed = <Given, Value>(initial: Value, parse: Parse<Value>): Option<Given | null, Value | null, Value> => ({
  initial,
  parse: orNull(parse),
});

/** What is not set by default. */
const optional = <Value>(parse: Parse<Value>): Option<Value | null, Value | null, Value | null> => ({
  initial: null,
  parse: orNull(parse),
});

const OPTIONS = {
  /** Resize to `size` first. Default true. */
  do_resize: flag(true),
  /** Default `{ shortest_edge: 256 }`. A number means the shortest edge; a pair means [height, width]. */
  size: needed<Size | number | readonly [number, number], Size>({ shortest_edge: 256 }, parseSize),
  /** Filter, by Pillow's number or by name. Default 2, bilinear. */
  resample: needed<ResamplingNumber | ResamplingName, ResamplingNumber>(Resampling.bilinear, parseResample),
  /** Cut out the middle, zeros around a picture that is smaller. Default true. */
  do_center_crop: flag(true),
  /** Default 224×224. A number means a square; a pair means [height, width]. */
  crop_size: needed<
    { height: number; width: number } | number | readonly [number, number],
    { height: number; width: number }
  >({ height: 224, width: 224 }, parseCropSize),
  /** Multiply by `rescale_factor`. Default true. */
  do_rescale: flag(true),
  /** Default 1/255. */
  rescale_factor: needed<number, number>(1 / 255, parseNumber),
  /** Subtract `image_mean`, divide by `image_std`. Default true. */
  do_normalize: flag(true),
  /** One number for all channels or one for each. Default 0.5. */
  image_mean: needed<number | readonly number[], number | readonly number[]>([0.5, 0.5, 0.5], parsePerChannel),
  /** One number for all channels or one for each, not 0. Default 0.5. */
  image_std: needed<number | readonly number[], number | readonly number[]>([0.5, 0.5, 0.5], parseDeviation),
  /** In segmentation maps make 0 ("background") 255 ("ignore") and lower every other label by one. Default false. */
  do_reduce_labels: flag(false),
  /** True makes RGB of grey, and of RGBA over white. Not set by default; see `MobileNetV2ImageProcessor`. */
  do_convert_rgb: optional<boolean>(parseBoolean),
  /**
   * True decodes a JPEG at 1/2, 1/4 or 1/8 where that is at least the size it is resized to, as Pillow's `Image.draft` does:
   * several times faster for a photograph, and pixels change a little. Not set by default.
   */
  draft: optional<boolean>(parseBoolean),
  /** Which dimension of a 3-D tensor holds the channels; found out when not set. */
  input_data_format: optional<ChannelFormat>(parseFormat),
};

type Options = typeof OPTIONS;

/**
 * What a caller may say; undefined means the default. Null is what transformers' None is: it turns a `do_…` off. Any other
 * field may be null only where the step that needs it is off.
 */
export interface ImageProcessorOptions extends GivenOptions {
  /** Makes a `size` given as a number mean a square. Default false. */
  default_to_square?: boolean | null;
}

type GivenOptions = {
  [Name in keyof Options]?: Options[Name] extends Option<infer Given, unknown, unknown> ? Given : never;
};

/** The same with every default filled in and every short form written out. */
export type ProcessorFields = { [Name in keyof Options]: ReturnType<Options[Name]['parse']> };

/** What a call works with: every step that is on has what it needs. */
export type ResolvedOptions = { [Name in keyof Options]: Options[Name]['initial'] };

const FIELD_NAMES = Object.keys(OPTIONS) as (keyof Options)[];

/** The names of all options; anything else in a configuration file is kept but has no effect. */
export const OPTION_NAMES: readonly string[] = [...FIELD_NAMES, 'default_to_square'];

/** One value for each field. */
const eachField = <Fields>(of: (name: keyof Options) => unknown): Fields =>
  Object.fromEntries(FIELD_NAMES.map((name) => [name, of(name)])) as Fields;

/** The fields alone, of an object that has more. */
export const fieldsOf = (holder: ProcessorFields): ProcessorFields => eachField((name) => holder[name]);

/** As transformers writes them to a file: what is not set by default stands there only where it is set. */
export function fieldsToWrite(fields: ProcessorFields): Record<string, unknown> {
  const written = FIELD_NAMES.filter((name) => fields[name] !== null || OPTIONS[name].initial !== null);
  return Object.fromEntries(written.map((name) => [name, fields[name]]));
}

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
 * The options of a call. What a step that is off does without gets its default, which is then not used.
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
  return eachField((name) => fields[name] ?? OPTIONS[name].initial);
}

/** Checks options and fills in what is missing. Throws `source.code`, naming the field, for a value that cannot be. */
export function resolveOptions(given: Readonly<Record<string, unknown>>, source: OptionSource): ProcessorFields {
  const square = given.default_to_square === true;
  const options = eachField<ProcessorFields>((name) => {
    const { initial, parse } = OPTIONS[name];
    const value = given[name] === undefined ? initial : given[name];
    const reject = (expected: string): never => {
      throw new MobileNetError(source.code, `${source.name}: ${name}: expected ${expected}, got ${describe(value)}`, {
        file: source.file,
        tensor: name,
      });
    };
    return parse(value, reject, square);
  });
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

/** A value for a message; the fields of a size are worth showing. */
function describe(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return show(value);
  const fields = Object.entries(value).slice(0, 8);
  return `{ ${fields.map(([name, field]) => `${show(name, 20)}: ${show(field, 20)}`).join(', ')} }`;
}
