/**
 * Pictures to `pixel_values`: transformers' `MobileNetV2ImageProcessorPil`, its options, files and results. The work
 * itself is in preprocess.ts.
 */
import { checkSignal } from '../base/abort.js';
import { Callable } from '../base/callable.js';
import { checkText } from '../base/check.js';
import { env, requirePlatform } from '../base/env.js';
import { expected, MobileNetError, show } from '../base/errors.js';
import { type Folder, openFolder } from '../base/folder.js';
import { missing, refuseForeign } from '../base/foreign.js';
import { type HubOptions, withoutHubOptions } from '../base/hub-options.js';
import { parseJson } from '../base/json.js';
import { checkTypos, knownOptions, type UnusedOptions } from '../base/options.js';
import type { Tensor } from '../tensor/tensor.js';
import { type Geometry, planGeometry } from './geometry.js';
import {
  completeOptions,
  fieldsOf,
  fieldsToWrite,
  type ImageProcessorOptions,
  OPTION_NAMES,
  type OptionSource,
  type ProcessorFields,
  type ResolvedOptions,
  resolveOptions,
} from './options.js';
import { listOf, ownInput } from './own-input.js';
import { post_process_semantic_segmentation } from './postprocess.js';
import { batchOf, isInput, makeLabels, type Prepared, type ProcessorInput, preparePictures } from './preprocess.js';

export type { ImageProcessorOptions, ProcessorInput };

/** Fields of the processor that are different for one call, and masks that go along with the pictures. */
export interface ProcessOptions extends ImageProcessorOptions {
  /**
   * Class indices for each picture: one channel of `Pixels`, or integers [H,W]. They are placed like the picture, by the
   * nearest pixel, with 0 around it.
   */
  segmentation_maps?: ProcessorInput | null;
  /** Taken for the sake of Python's habits and without effect: the result is always tensors. */
  return_tensors?: unknown;
  /** Ends the call: it is rejected with the signal's reason. Heard between pictures, which are then read one by one. */
  signal?: AbortSignal | undefined;
}

/** What a model takes, and what postprocessing wants to know. */
export interface ProcessorOutput {
  /** [N,C,H,W]; C is 3 but for grey or RGBA tensors, and for `Pixels` with `do_convert_rgb: false`. */
  pixel_values: Tensor<'float32'>;
  /** [N,H,W], there when `segmentation_maps` were given. */
  labels?: Tensor<'int64'>;
  /** [height, width] of each picture as it came: the target sizes of `post_process_semantic_segmentation`. */
  original_sizes: [number, number][];
  /** [height, width] of each picture in `pixel_values`. */
  reshaped_input_sizes: [number, number][];
}

const FILE = 'preprocessor_config.json';
const TYPE = 'MobileNetV2ImageProcessor';
/** The names this processor goes by in configuration files; MobileNetV1's does the same. */
const KNOWN_TYPES = /^MobileNetV[12](ImageProcessor(Fast|Pil)?|FeatureExtractor)$/;
/** Fields that say what kind of processor a file is for, not what it does. */
const TYPE_FIELDS = ['image_processor_type', 'feature_extractor_type', 'processor_class'];

const CALL_OPTIONS = [...OPTION_NAMES, 'segmentation_maps', 'signal'];

/** An instance has the fields of {@link ImageProcessorOptions} and is called like a function: `await processor(images, options)`. */
export interface MobileNetV2ImageProcessor extends ProcessorFields {
  (images: ProcessorInput, options?: ProcessOptions): Promise<ProcessorOutput>;
  /** Masks in second place, as transformers takes them. */
  (
    images: ProcessorInput,
    segmentation_maps: ProcessorInput | null,
    options?: ProcessOptions,
  ): Promise<ProcessorOutput>;
}

/**
 * Fields have the names and meaning of preprocessor_config.json (see {@link ImageProcessorOptions}).
 *
 * About channels: transformers' `load_image` makes every picture RGB, and its processor then normalises three channels.
 * `Pixels` are such pictures: they become RGB the way of `load_image`, which drops alpha, unless `do_convert_rgb` is
 * true (transparency is laid over white) or false (channels stay). Tensors are taken as they are unless it is true.
 */
export class MobileNetV2ImageProcessor extends Callable<
  [images: ProcessorInput, second?: ProcessOptions | ProcessorInput | null, third?: ProcessOptions],
  Promise<ProcessorOutput>
> {
  /** The function of that name, where those who know transformers look for it. */
  readonly post_process_semantic_segmentation = post_process_semantic_segmentation;
  /** Fields without a meaning here, kept for `to_dict`. */
  readonly #others: Record<string, unknown>;

  /**
   * @param options fields of preprocessor_config.json; of a file's, unknown ones are kept and written back
   * @throws MobileNetError CONFIG, naming the field, for a value that cannot be; ARG for a name that looks like a mistyped
   *   field; UNSUPPORTED for another processor's file
   */
  constructor(options: ImageProcessorOptions = {}, file?: string) {
    super();
    if (file !== undefined) checkText(file, 'file');
    const source: OptionSource = { code: 'CONFIG', name: file ?? TYPE, ...(file === undefined ? {} : { file }) };
    if (typeof options !== 'object' || options === null || Array.isArray(options)) {
      throw new MobileNetError('CONFIG', `${source.name}: expected an object of options, got ${show(options)}`, {
        file,
      });
    }
    if (file === undefined) checkTypos(options, [...OPTION_NAMES, ...TYPE_FIELDS], TYPE);
    const fields = options as Record<string, unknown>;
    const type = fields.image_processor_type ?? fields.feature_extractor_type ?? TYPE;
    if (typeof type !== 'string' || !KNOWN_TYPES.test(type)) {
      throw new MobileNetError('UNSUPPORTED', `${source.name}: expected a ${TYPE}, got ${show(type)}`, { file });
    }
    Object.assign(this, resolveOptions(fields, source));
    this.#others = Object.fromEntries(
      Object.entries(options).filter(([name]) => !OPTION_NAMES.includes(name) && !TYPE_FIELDS.includes(name)),
    );
  }

  /**
   * @param where a folder's path, a hub name or a `Folder`; the classifier that ships with the package without it
   * @param options those that replace the file's, and how to find a model of the hub
   * @throws MobileNetError NOT_FOUND without preprocessor_config.json; CONFIG, naming field and file, for a bad one; ARG
   *   for a bad override
   */
  static async from_pretrained(
    where?: string | Folder | null,
    options: ImageProcessorOptions & HubOptions & UnusedOptions = {},
  ): Promise<MobileNetV2ImageProcessor> {
    const overrides = withoutHubOptions(options);
    const replaced = knownOptions(overrides, OPTION_NAMES, 'MobileNetV2ImageProcessor');
    resolveOptions(replaced, { code: 'ARG', name: 'from_pretrained' });
    const folder = await openFolder(where, options);
    const bytes = await folder.read(FILE, options.signal, env.limits.jsonBytes);
    if (bytes === undefined) throw await missing(folder, FILE);
    refuseForeign(bytes, `${folder.name}/${FILE}`);
    const config = parseJson(bytes, { file: FILE, code: 'CONFIG' });
    if (typeof config !== 'object' || config === null || Array.isArray(config)) {
      throw new MobileNetError('CONFIG', `${FILE}: expected an object, got ${show(config)}`, { file: FILE });
    }
    return new this({ ...config, ...replaced }, FILE);
  }

  /** From the content of a preprocessor_config.json. @throws MobileNetError CONFIG as the constructor */
  static from_dict(config: Readonly<Record<string, unknown>>): MobileNetV2ImageProcessor {
    return new this(config, FILE);
  }

  /** The content of preprocessor_config.json, as transformers writes it. */
  to_dict(): Record<string, unknown> {
    return { ...this.#others, ...fieldsToWrite(this), image_processor_type: TYPE };
  }

  /** Writes preprocessor_config.json into a folder; `from_pretrained` and Python's transformers read it. */
  async save_pretrained(directory: string): Promise<void> {
    checkText(directory, 'save_pretrained');
    const text = `${JSON.stringify(this.to_dict(), sortedKeys, 2)}\n`;
    const write = requirePlatform('writeFolder', directory);
    await write(directory, new Map([[FILE, new TextEncoder().encode(text)]]));
  }

  /**
   * @param images one or more pictures, each a path (Node), a URL, a file's bytes, pixels, whatever `load_image` reads, or
   *   a tensor; floats in tensors are from 0 to 1, or whole numbers from 0 to 255
   * @param second options: `segmentation_maps`, and any field to be different for this call; or the maps by themselves
   * @param third the options where maps came second
   * @throws MobileNetError ARG for inputs that do not fit, LIMIT for results above `env.limits.imagePixels`, and what
   *   `load_image` throws
   */
  override async forward(
    images: ProcessorInput,
    second?: ProcessOptions | ProcessorInput | null,
    third?: ProcessOptions,
  ): Promise<ProcessorOutput> {
    const mapsFirst = second === null || isInput(second);
    const options: ProcessOptions = mapsFirst ? { ...third, segmentation_maps: second } : (second ?? {});
    const prepared: Prepared[] = [];
    const settings = this.#settings(options);
    const maps = ownMaps(options.segmentation_maps);
    for await (const each of preparePictures(images, settings, options.signal)) prepared.push(each);
    const output = outputOf(prepared);
    if (maps !== undefined) output.labels = await makeLabels(maps, prepared.length, settings);
    return output;
  }

  /** `processor(images, options)` under the name that transformers has for it. */
  preprocess(
    images: ProcessorInput,
    second?: ProcessOptions | ProcessorInput | null,
    third?: ProcessOptions,
  ): Promise<ProcessorOutput> {
    return this.forward(images, second, third);
  }

  /**
   * The same for many pictures, a batch at a time: no more of them are in memory at once. A batch ends where a picture comes
   * out at another size.
   * @param most pictures in a batch
   */
  async *batches(images: ProcessorInput, options: ProcessOptions = {}, most = 8): AsyncGenerator<ProcessorOutput> {
    if (!Number.isInteger(most) || most < 1) throw expected('batches', 'a whole number of pictures ≥ 1', most);
    let batch: Prepared[] = [];
    for await (const each of preparePictures(images, this.#settings(options), options.signal)) {
      if (batch.length === most || (batch.length > 0 && `${batch[0].dims}` !== `${each.dims}`)) {
        yield outputOf(batch);
        batch = [];
      }
      batch.push(each);
    }
    if (batch.length > 0) yield outputOf(batch);
  }

  /** Where a picture of `height`×`width` pixels goes: how large it becomes, and which part of it is kept where. */
  geometry(height: number, width: number, options: ProcessOptions = {}): Geometry {
    for (const side of [height, width]) {
      if (!Number.isSafeInteger(side) || side < 1) throw expected('geometry', 'whole sizes ≥ 1', side);
    }
    return planGeometry(this.#settings(options), height, width);
  }

  /** The fields with a call's options over them, all checked again: fields can be assigned to. */
  #settings(options: ProcessOptions): ResolvedOptions {
    const given = knownOptions(options, CALL_OPTIONS, 'processor');
    checkSignal(options.signal);
    options.signal?.throwIfAborted();
    const settings = { ...fieldsOf(this), ...given };
    const source: OptionSource = { code: 'ARG', name: 'processor' };
    return completeOptions(resolveOptions(settings, source), source);
  }
}

/** The old name of the same class. */
export const MobileNetV2FeatureExtractor = MobileNetV2ImageProcessor;
export type MobileNetV2FeatureExtractor = MobileNetV2ImageProcessor;

/** Read when the pictures are done. */
function ownMaps(maps: ProcessorInput | null | undefined) {
  if (maps === undefined || maps === null) return undefined;
  const where = 'segmentation_maps';
  return listOf(maps, where).map((map, i) => ownInput(map, `${where}[${i}]`));
}

function outputOf(prepared: readonly Prepared[]): ProcessorOutput {
  return {
    pixel_values: batchOf(prepared),
    original_sizes: prepared.map(({ original }) => original),
    reshaped_input_sizes: prepared.map(({ dims: [, height, width] }) => [height, width]),
  };
}

/** For JSON.stringify: keys in the order Python's `sort_keys` gives. */
function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
