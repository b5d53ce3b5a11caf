/**
 * `MobileNetV2Config`: every field, default and rule of transformers' configuration_mobilenet_v2.py and of its base
 * class, plus range checks of our own, so that a broken config.json is refused here and not deep in a kernel.
 */
import { checkText } from '../../base/check.js';
import { env, requirePlatform } from '../../base/env.js';
import { type ErrorCode, MobileNetError, show } from '../../base/errors.js';
import { type Folder, openFolder } from '../../base/folder.js';
import { missing, refuseForeign } from '../../base/foreign.js';
import { type HubOptions, withoutHubOptions } from '../../base/hub-options.js';
import { isJsonObject, parseJson, showJson } from '../../base/json.js';
import { checkTypos, knownOptions, type UnusedOptions } from '../../base/options.js';

/** Which loss `labels` give; what transformers calls `problem_type`. */
export type ProblemType = 'regression' | 'single_label_classification' | 'multi_label_classification';

/** The fields of config.json that this package reads. Everything else is kept and written back. */
export interface MobileNetV2ConfigFields {
  /** Channels of the picture. */
  num_channels: number;
  /** Height and width the checkpoint was trained for; informative, the network takes any size. */
  image_size: number | [number, number];
  /** The paper's width multiplier α: scales the channels of every layer (section 6, "Trade-off hyper parameters"). */
  depth_multiplier: number;
  /** Channel counts are rounded to a multiple of this. */
  depth_divisible_by: number;
  /** Channel counts never fall below this. */
  min_depth: number;
  /** The paper's expansion factor t. */
  expand_ratio: number;
  /** Input size over feature-map size: 2, 4, 8, 16 or 32. Where it is reached, strides turn into dilations. */
  output_stride: number;
  /** True when the first 3×3 convolution doubles as the expansion of the first block. */
  first_layer_is_expansion: boolean;
  /** True when the last layer keeps 1280 channels though `depth_multiplier` is below 1. */
  finegrained_output: boolean;
  /** Activation of the backbone, by its name in transformers. */
  hidden_act: string;
  /** TensorFlow's SAME padding (after-heavy, depends on the input size) or PyTorch's symmetric one. */
  tf_padding: boolean;
  /** Training only; kept. */
  classifier_dropout_prob: number;
  /** Standard deviation of the random initialisation. */
  initializer_range: number;
  /** Epsilon of the backbone's batch norms (the name is transformers'). */
  layer_norm_eps: number;
  /** Label that the segmentation loss ignores. */
  semantic_loss_ignore_index: number;
  /** Names of the classes. */
  id2label: Record<number, string>;
  label2id: Record<string, number>;
  /** Which loss `labels` give; null lets the labels decide. */
  problem_type: ProblemType | null;
  output_hidden_states: boolean;
}

/** Fields of config.json, all of them optional. (For any others, there is `MobileNetV2Config.from_dict`.) */
export interface MobileNetV2ConfigOptions extends Partial<MobileNetV2ConfigFields> {
  /** Without `id2label`: classes named LABEL_0, LABEL_1 and so on. */
  num_labels?: number;
  /** The classes of transformers that the checkpoint is for. */
  architectures?: readonly string[] | null;
  /** `mobilenet_v2`; no other is taken. */
  model_type?: string;
}

type Check = (value: unknown) => boolean;

const whole =
  (least: number, most: number): Check =>
  (v) =>
    Number.isInteger(v) && (v as number) >= least && (v as number) <= most;
const within =
  (least: number, most: number): Check =>
  (v) =>
    typeof v === 'number' && v >= least && v <= most; // NaN fails both comparisons
const truth: Check = (v) => typeof v === 'boolean';
const side = whole(1, 65_536);

/** Default, check and, for the message, what was expected. Order is that of transformers. */
const FIELDS = {
  num_channels: [3, whole(1, 4096), 'a whole number from 1 to 4096'],
  image_size: [
    224,
    (v: unknown) => side(v) || (Array.isArray(v) && v.length === 2 && v.every(side)),
    'a whole number from 1 to 65536, or two of them',
  ],
  depth_multiplier: [1.0, (v: unknown) => within(0, 100)(v) && v !== 0, 'a number above 0 and at most 100'],
  depth_divisible_by: [8, whole(1, 65_536), 'a whole number from 1 to 65536'],
  min_depth: [8, whole(1, 65_536), 'a whole number from 1 to 65536'],
  expand_ratio: [6.0, (v: unknown) => within(0, 1000)(v) && v !== 0, 'a number above 0 and at most 1000'],
  output_stride: [32, (v: unknown) => [2, 4, 8, 16, 32].includes(v as number), '2, 4, 8, 16 or 32'],
  first_layer_is_expansion: [true, truth, 'true or false'],
  finegrained_output: [true, truth, 'true or false'],
  hidden_act: ['relu6', (v: unknown) => typeof v === 'string', 'the name of an activation'],
  tf_padding: [true, truth, 'true or false'],
  classifier_dropout_prob: [0.8, within(0, 1), 'a number from 0 to 1'],
  initializer_range: [0.02, within(0, 1e6), 'a number ≥ 0'],
  layer_norm_eps: [0.001, within(0, 1), 'a number from 0 to 1'],
  semantic_loss_ignore_index: [255, whole(-(2 ** 31), 2 ** 31), 'a whole number'],
  problem_type: [
    null,
    (v: unknown) =>
      v === null || ['regression', 'single_label_classification', 'multi_label_classification'].includes(v as string),
    'null, "regression", "single_label_classification" or "multi_label_classification"',
  ],
  output_hidden_states: [false, truth, 'true or false'],
} as const satisfies Partial<Record<keyof MobileNetV2ConfigFields, readonly [unknown, Check, string]>>;

/** The names of all fields that have a meaning. */
export const CONFIG_FIELDS: readonly string[] = [
  ...Object.keys(FIELDS),
  'num_labels',
  'id2label',
  'label2id',
  'architectures',
];

/** ImageNet's largest set has 21,841. A million, which a file can ask for in 7 digits, takes seconds. */
const MOST_LABELS = 100_000;

const MODEL_TYPE = 'mobilenet_v2';

export interface MobileNetV2Config extends MobileNetV2ConfigFields {}

export class MobileNetV2Config {
  static readonly model_type = MODEL_TYPE;
  /** Fields of config.json that this package does not know: kept, and written back by `to_dict`. */
  readonly extra: Record<string, unknown> = Object.create(null);

  /**
   * @param options fields by their names in config.json; `num_labels` may stand for `id2label`
   * @param file named in error messages
   * @throws MobileNetError CONFIG naming the field, ARG for a name that looks like a mistyped field, UNSUPPORTED for
   *   another `model_type`
   */
  constructor(options: MobileNetV2ConfigOptions = {}, file?: string) {
    if (file !== undefined) checkText(file, 'file');
    if (options === null || typeof options !== 'object' || Array.isArray(options)) {
      throw refusal('config', `expected an object, got ${show(options)}`, file);
    }
    if (file === undefined) checkTypos(options, [...CONFIG_FIELDS, 'model_type'], 'MobileNetV2Config');
    const { model_type, num_labels, id2label, label2id, ...rest } = options as Record<string, unknown>;
    if (model_type !== undefined && model_type !== MODEL_TYPE) {
      throw refusal('model_type', `expected "mobilenet_v2", got ${show(model_type)}`, file, 'UNSUPPORTED');
    }
    for (const [name, [preset, check, expected]] of Object.entries(FIELDS)) {
      // Null is a value of transformers' for the last, and what it means is the default.
      const absent = rest[name] === undefined || (rest[name] === null && name === 'output_hidden_states');
      const value = absent ? preset : rest[name];
      if (!check(value)) throw refusal(name, `expected ${expected}, got ${show(value)}`, file);
      (this as Record<string, unknown>)[name] = value;
    }
    checkArchitectures(rest.architectures, file);
    for (const [name, value] of Object.entries(rest)) {
      if (!Object.hasOwn(FIELDS, name) && value !== undefined) this.extra[name] = value;
    }
    this.id2label = checkLabels(num_labels, id2label, file);
    // A file's own label2id wins: two classes may share a label, and then only the file knows which one was meant.
    this.label2id = label2id === undefined || label2id === null ? idsOf(this.id2label) : checkLabelIds(label2id, file);
    if (this.problem_type === 'single_label_classification' && this.num_labels === 1) {
      const message = '"single_label_classification" needs num_labels > 1; use 2 labels, or "regression"';
      throw refusal('problem_type', message, file);
    }
  }

  /** Number of classes; 0 means no classifier, so that logits are the pooled features. */
  get num_labels(): number {
    return Object.keys(this.id2label ?? {}).length;
  }

  /** Another number than there is names the classes LABEL_0, LABEL_1 and so on. */
  set num_labels(count: number) {
    if (count === this.num_labels) return;
    this.id2label = checkLabels(count, undefined, undefined);
    this.label2id = idsOf(this.id2label);
  }

  /** `mobilenet_v2`, as the class has it. */
  get model_type(): string {
    return MODEL_TYPE;
  }

  /** The classes of transformers that the checkpoint is for; null where the file does not say. */
  get architectures(): string[] | null {
    return (this.extra.architectures as string[] | undefined) ?? null;
  }

  /** Sets them; null takes the field out. */
  set architectures(names: readonly string[] | null) {
    if (names === null) delete this.extra.architectures;
    else this.extra.architectures = names;
  }

  /**
   * From the content of a config.json; fields without a meaning here are kept.
   * @param fields of the file
   * @param options fields that replace them
   * @throws MobileNetError CONFIG, UNSUPPORTED as the constructor; ARG for an unknown option
   */
  static from_dict(
    fields: Readonly<Record<string, unknown>>,
    options: MobileNetV2ConfigOptions = {},
  ): MobileNetV2Config {
    if (!isJsonObject(fields as never)) throw refusal('config', `expected an object, got ${show(fields)}`, undefined);
    return merge(fields, options, 'config.json');
  }

  /**
   * Reads config.json of a model's folder.
   * @param where a folder's path, a hub name or an opened Folder; the classifier that ships when left out
   * @param options fields that replace those of the file, and how to find a model of the hub
   * @throws MobileNetError NOT_FOUND, CONFIG, UNSUPPORTED; ARG for an unknown option
   */
  static async from_pretrained(
    where?: string | Folder | null,
    options: MobileNetV2ConfigOptions & HubOptions & UnusedOptions = {},
  ): Promise<MobileNetV2Config> {
    const folder = await openFolder(where, options);
    const file = `${folder.name}/config.json`;
    const bytes = await folder.read('config.json', options.signal, env.limits.jsonBytes);
    if (bytes === undefined) throw await missing(folder, file, 'config.json');
    refuseForeign(bytes, file);
    const fields = parseJson(bytes, { file, code: 'CONFIG' });
    if (!isJsonObject(fields)) {
      throw new MobileNetError('CONFIG', `${file}: expected an object, got ${showJson(fields)}`, { file });
    }
    return merge(fields, withoutHubOptions(options), file);
  }

  /** Every field, as `to_dict()` of transformers gives it. */
  to_dict(): Record<string, unknown> {
    const dict: Record<string, unknown> = { ...this.extra, model_type: MODEL_TYPE };
    for (const name of Object.keys(FIELDS)) dict[name] = this[name as keyof typeof FIELDS];
    return { ...dict, id2label: this.id2label, label2id: this.label2id };
  }

  /** The text of config.json: keys in order, two spaces. @throws MobileNetError CONFIG for what JSON cannot hold */
  to_json_string(): string {
    const dict = this.to_dict();
    const ordered = Object.fromEntries(
      Object.keys(dict)
        .sort()
        .map((name) => [name, dict[name]]),
    );
    try {
      return `${JSON.stringify(ordered, (_key, value) => jsonValue(value), 2)}\n`;
    } catch (cause) {
      throw new MobileNetError('CONFIG', `config: ${(cause as Error).message.split('\n')[0]}`, { cause });
    }
  }

  /** Writes config.json into a folder. @throws MobileNetError IO, UNSUPPORTED where there are no files */
  async save_pretrained(dir: string): Promise<void> {
    checkText(dir, 'save_pretrained');
    const write = requirePlatform('writeFolder', 'save_pretrained');
    await write(dir, new Map([['config.json', new TextEncoder().encode(this.to_json_string())]]));
  }
}

/** Fields of a file, and those that replace them. */
function merge(
  fields: Readonly<Record<string, unknown>>,
  options: MobileNetV2ConfigOptions,
  file: string,
): MobileNetV2Config {
  const given = knownOptions(options, [...CONFIG_FIELDS, ...Object.keys(fields)], 'MobileNetV2Config');
  // What is wrong with these is not the file's fault.
  new MobileNetV2Config(Object.fromEntries(Object.entries(given).filter(([name]) => CONFIG_FIELDS.includes(name))));
  const read = new MobileNetV2Config(fields, file);
  if (Object.keys(given).length === 0) return read;
  const merged: Record<string, unknown> = { ...fields, ...given, num_labels: given.num_labels };
  // Labels that are given replace the file's: the names that go with them, too. A count that the file has keeps its names.
  if (given.id2label === undefined && given.num_labels !== undefined) {
    merged.id2label = given.num_labels === read.num_labels ? read.id2label : undefined;
  }
  if (merged.id2label !== fields.id2label && given.label2id === undefined) merged.label2id = undefined;
  return new MobileNetV2Config(merged, file);
}

/** What JSON has no word for, in that of transformers. */
function jsonValue(value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? { __float__: String(value) } : value;
}

/** An error about a field, which is in `file` unless the caller gave it. */
function refusal(field: string, message: string, file: string | undefined, code: ErrorCode = 'CONFIG'): MobileNetError {
  const where = file === undefined ? '' : ` in ${file}`;
  return new MobileNetError(code, `${field}: ${message}${where}`, { file, tensor: field });
}

/** Read here and by transformers as a list; what is not one would fail there, far from its cause. */
function checkArchitectures(value: unknown, file: string | undefined): void {
  if (value === undefined || value === null) return;
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return;
  throw refusal('architectures', `expected a list of names, got ${show(value)}`, file);
}

function checkLabels(numLabels: unknown, id2label: unknown, file: string | undefined): Record<number, string> {
  const fail = (message: string) => refusal('id2label', message, file);
  if (numLabels !== undefined && !whole(0, MOST_LABELS)(numLabels)) {
    throw refusal('num_labels', `expected 0 to ${MOST_LABELS}, got ${show(numLabels)}`, file);
  }
  if (id2label === undefined || id2label === null) {
    // Two labels unless told otherwise, as transformers has it.
    return Object.fromEntries(Array.from({ length: Number(numLabels ?? 2) }, (_, id) => [id, `LABEL_${id}`]));
  }
  if (typeof id2label !== 'object' || Array.isArray(id2label)) throw fail(`expected an object, got ${show(id2label)}`);
  const entries = Object.entries(id2label);
  if (entries.length > MOST_LABELS) throw fail(`${entries.length} labels, at most ${MOST_LABELS}`);
  if (numLabels !== undefined && entries.length !== numLabels) {
    throw fail(`${entries.length} labels, but num_labels is ${numLabels}`);
  }
  const labels: Record<number, string> = {};
  for (const [key, label] of entries) {
    const id = Number(key);
    if (!/^\d+$/.test(key) || id >= entries.length) {
      throw fail(`${entries.length} labels need the ids 0 to ${entries.length - 1} without gaps, got ${show(key)}`);
    }
    if (label !== null && !['string', 'number', 'boolean'].includes(typeof label)) {
      throw fail(`label ${id}: expected a string, got ${show(label)}`);
    }
    labels[id] = label === null ? `LABEL_${id}` : String(label); // data sets name classes by numbers, too
  }
  if (Object.keys(labels).length !== entries.length) throw fail('two keys name the same id');
  return labels;
}

/** Has no prototype, which also spares V8 a hidden class for each of a thousand labels: 4 ms of a cold start. */
const dictionary = (): Record<string, number> => Object.create(null);

function idsOf(labels: Record<number, string>): Record<string, number> {
  const ids = dictionary();
  for (const [id, label] of Object.entries(labels)) ids[label] = Number(id);
  return ids;
}

/**
 * A file's label2id as it stands there: nothing here reads it, and there are files that give an id of -100 to what is
 * ignored, or that have names and ids the wrong way round.
 */
function checkLabelIds(label2id: unknown, file: string | undefined): Record<string, number> {
  if (typeof label2id !== 'object' || Array.isArray(label2id)) {
    throw refusal('label2id', `expected an object, got ${show(label2id)}`, file);
  }
  const ids = dictionary();
  for (const [label, value] of Object.entries(label2id as object)) {
    const id = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
    if (typeof id === 'object' && id !== null) {
      throw refusal('label2id', `${show(label)}: expected an id, got ${show(value)}`, file);
    }
    ids[label] = id;
  }
  return ids;
}
