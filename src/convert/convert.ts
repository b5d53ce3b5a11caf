/**
 * Any framework's MobileNetV2 to a checkpoint of Hugging Face: open → map names → infer what shapes say → check → write.
 *
 *     const converted = await convert('mobilenet_v2-b0353104.pth', { labels });
 *     await converted.save_pretrained('mobilenet_v2');
 */

import { checkSignal, unlessAborted } from '../base/abort.js';
import { requirePlatform } from '../base/env.js';
import { expected, listNames, MobileNetError } from '../base/errors.js';
import type { Folder } from '../base/folder.js';
import { checkOptions } from '../base/options.js';
import { type Graph, parametersOf } from '../graph/nodes.js';
import { type Architecture, type CheckpointDtype, checkpointFiles, GRAPHS } from '../models/mobilenet-v2/checkpoint.js';
import { MobileNetV2Config, type MobileNetV2ConfigOptions } from '../models/mobilenet-v2/config.js';
import { matchWeights, PREFIX, type State } from '../models/mobilenet-v2/weights.js';
import { sameDims } from '../tensor/shape.js';
import { inferWidth } from './infer.js';
import { mapKeras } from './keras.js';
import { type Mapping, type Preprocessor, same } from './mapping.js';
import { openSource, type Source } from './source.js';
import { mapTfjsGraph } from './tfjs-graph.js';
import { mapTimm } from './timm.js';
import { mapTorchvision } from './torchvision.js';

export { type ErrorCode, MobileNetError } from '../base/errors.js';
export type { Folder } from '../base/folder.js';
export { MobileNetV2Config } from '../models/mobilenet-v2/config.js';
export type { State } from '../models/mobilenet-v2/weights.js';
export { parseLabels } from './labels.js';
export type { Architecture, CheckpointDtype, Preprocessor };
/** Where a checkpoint is from. */
export type SourceFramework = Source['from'];

/** What the source does not say, or says otherwise than is wanted. */
export interface ConvertOptions {
  /** The file's name in the folder that was passed, or what to call the bytes. */
  file?: string;
  /** Names of the classes, as many as the classifier has. */
  labels?: readonly string[];
  /** [height, width] of the input, or one number for a square; what the source says, or 224, unless given. */
  size?: number | readonly [height: number, width: number];
  /** Shortest edge before the crop, for torchvision and timm; 256 for 224 (the same ratio for others) unless given. */
  shortest_edge?: number;
  /**
   * The numbers between which pixels lie when they enter a Keras or TensorFlow.js model. Unless given: [0, 255] for Keras
   * models that scale them by layers of their own, [0, 1] for such graphs of TensorFlow Hub, else [-1, 1], as
   * `preprocess_input` has it. Code around a model may do otherwise; [0, 1] is common.
   */
  pixelRange?: readonly [low: number, high: number];
  /** False: the backbone alone, a MobileNetV2Model, whatever follows it in the source. */
  head?: boolean;
  /** False: tensors of the source that a MobileNetV2 has no place for are left out, not refused. */
  strict?: boolean;
  /** Ends it early, with the signal's reason. */
  signal?: AbortSignal;
}

const CONVERT_OPTIONS = ['file', 'labels', 'size', 'shortest_edge', 'pixelRange', 'head', 'strict', 'signal'];

/** A checkpoint in Hugging Face's terms, and what became of the source's. */
export interface Converted {
  from: SourceFramework;
  architecture: Architecture;
  config: MobileNetV2Config;
  /** The fields of preprocessor_config.json; undefined where a folder of Hugging Face has none. */
  preprocessor: Record<string, unknown> | undefined;
  /** float32, by Hugging Face's names. */
  state: State;
  /** Names of the source that were left out (with `strict: false`). */
  unmapped: string[];
  /** What the source does not say and was assumed, in whole sentences. */
  notes: string[];
  /** config.json, preprocessor_config.json and model.safetensors. Float32 unless told otherwise. */
  files(options?: { dtype?: CheckpointDtype }): Map<string, Uint8Array>;
  /** Writes those files into a folder. */
  save_pretrained(dir: string, options?: { dtype?: CheckpointDtype }): Promise<void>;
}

/**
 * @param where path of a file or folder (outside Node a URL), an opened folder, or the bytes of a file that is whole alone
 * @throws MobileNetError WEIGHTS naming tensors without a place or missing, UNSUPPORTED naming layers that no MobileNetV2
 *   has, SHAPE, CONFIG (as many labels as classes), NONFINITE, NOT_FOUND and the codes of damaged files
 */
export async function convert(where: string | Folder | Uint8Array, options: ConvertOptions = {}): Promise<Converted> {
  checkOptions(options, CONVERT_OPTIONS, 'convert');
  const { signal } = options;
  checkSignal(signal);
  signal?.throwIfAborted();
  const source = await unlessAborted(openSource(where, options.file, signal), signal);
  const { file } = source;
  const mapping = source.from === 'huggingface' ? undefined : mapped(source, options);
  const { strict = true } = options;
  if (mapping !== undefined) refuseNeeded(mapping.needed, file);
  if (strict) refuseUnmapped(mapping?.unmapped ?? [], file);
  const plan = mapping === undefined ? keep(source as HuggingFace, options) : adapt(mapping, file, options);
  const { config, architecture, weights, preprocessor } = plan;
  const how = { config, strict: strict || mapping !== undefined, seed: 0, file };
  const graph = GRAPHS[architecture](config);
  await unlessAborted(unpackWanted(weights, graph, signal), signal);
  const { state, newlyInitialized, unexpected } = matchWeights(weights, graph, how);
  if (newlyInitialized.length > 0) {
    const message = `${file}: its config.json says ${architecture}, but it lacks ${listNames(newlyInitialized)}`;
    throw new MobileNetError('WEIGHTS', message, { file, names: newlyInitialized });
  }
  const unmapped = mapping?.unmapped ?? unexpected;

  const files: Converted['files'] = ({ dtype = 'float32' } = {}) => {
    const all = checkpointFiles(config, state, { architecture, dtype });
    if (preprocessor !== undefined) {
      all.set('preprocessor_config.json', new TextEncoder().encode(`${JSON.stringify(preprocessor, null, 2)}\n`));
    }
    return all;
  };
  return {
    from: source.from,
    architecture,
    config,
    preprocessor,
    state,
    unmapped,
    notes: [...source.notes, ...(mapping?.notes ?? [])],
    files,
    async save_pretrained(dir, how) {
      await requirePlatform('writeFolder', 'save_pretrained')(dir, files(how));
    },
  };
}

/** Of what the file has compressed only what the network takes, and only where its shape fits: the rest is refused or left. */
async function unpackWanted(weights: Mapping['weights'], graph: Graph, signal: AbortSignal | undefined): Promise<void> {
  for (const { name, dims } of parametersOf(graph.nodes)) {
    const source = weights.get(name);
    if (source !== undefined && sameDims(source.dims, dims)) await source.unpack?.(signal);
    signal?.throwIfAborted();
  }
}

function refuseUnmapped(names: readonly string[], file: string): void {
  if (names.length === 0) return;
  throw new MobileNetError(
    'WEIGHTS',
    `${file}: ${names.length} tensors have no place in a MobileNetV2 (${listNames(names, 20, 250)}); strict: false leaves them out`,
    { file, tensor: names[0], names },
  );
}

/** What the network computes with cannot be left out, whatever `strict` says: another network would come out. */
function refuseNeeded(names: readonly string[], file: string): void {
  if (names.length === 0) return;
  throw new MobileNetError(
    'UNSUPPORTED',
    `${file}: the head computes with ${listNames(names, 8, 200)}, which a MobileNetV2 of Hugging Face, with its one linear layer, has no place for; head: false takes the backbone alone`,
    { file, tensor: names[0], names },
  );
}

type HuggingFace = Extract<Source, { from: 'huggingface' }>;

interface Plan {
  config: MobileNetV2Config;
  architecture: Architecture;
  weights: Mapping['weights'];
  preprocessor: Record<string, unknown> | undefined;
}

function mapped(source: Exclude<Source, HuggingFace>, { pixelRange: range, head = true }: ConvertOptions): Mapping {
  if (range !== undefined && (source.from === 'torchvision' || source.from === 'timm')) {
    throw new MobileNetError('ARG', `pixelRange: is for Keras and TensorFlow.js models; ${source.from} has its own`);
  }
  switch (source.from) {
    case 'torchvision':
      return mapTorchvision(source.tensors, source.file, { head });
    case 'timm':
      return mapTimm(source.tensors, source.config, 'config.json', { head });
    case 'tfjs-graph':
      return mapTfjsGraph(source.tensors, source.topology, source.file, { range, head });
    default:
      return mapKeras(source.model, source.file, { range, head });
  }
}

/** A checkpoint of Hugging Face, to be saved again: nothing changes but labels and size, where they are given. */
function keep({ config: fields, tensors, preprocessor }: HuggingFace, options: ConvertOptions): Plan {
  for (const name of ['shortest_edge', 'pixelRange', 'head'] as const) {
    if (options[name] === undefined) continue;
    throw new MobileNetError(
      'ARG',
      `${name}: is for models of other frameworks; a checkpoint of Hugging Face stays as it is`,
    );
  }
  const changed: MobileNetV2ConfigOptions = {};
  if (options.labels !== undefined) Object.assign(changed, { ...labelled(options.labels), label2id: undefined });
  if (options.size !== undefined) changed.image_size = sizeField(options.size);
  const config = new MobileNetV2Config({ ...fields, ...changed }, 'config.json');
  const { architectures } = config.extra;
  const named = Array.isArray(architectures) ? String(architectures[0]) : '';
  let architecture: Architecture = 'MobileNetV2Model';
  if (Object.hasOwn(GRAPHS, named)) architecture = named as Architecture;
  else if (tensors.has('classifier.weight')) architecture = 'MobileNetV2ForImageClassification';
  const weights = new Map([...tensors].map(([name, stored]) => [name, same(stored)]));
  return { config, architecture, weights, preprocessor: preprocessor && { ...preprocessor } };
}

function adapt(mapping: Mapping, file: string, options: ConvertOptions): Plan {
  const preprocessor = resized(mapping.preprocessor, options);
  const { crop_size } = preprocessor;
  const classes = mapping.weights.get('classifier.weight')?.dims[0] ?? 0;
  const given: MobileNetV2ConfigOptions = {
    ...mapping.config,
    image_size: sizeField([crop_size.height, crop_size.width]),
  };
  const headless = classes === 0;
  if (headless && options.labels !== undefined) {
    throw new MobileNetError('ARG', `labels: ${file} has no classifier whose classes they could name; leave them out`);
  }
  const width = inferWidth(mapping.weights, mapping.config, file);
  refuseFirstSum(mapping.weights, file);
  const labels = { ...(headless ? {} : { num_labels: classes }), ...(options.labels && labelled(options.labels)) };
  const config = new MobileNetV2Config({ ...given, ...width, ...labels }, file);
  let weights = mapping.weights;
  if (headless) weights = new Map([...weights].map(([name, source]) => [name.slice(PREFIX.length), source]));
  return {
    config,
    architecture: headless ? 'MobileNetV2Model' : 'MobileNetV2ForImageClassification',
    weights,
    preprocessor: { ...preprocessor, image_processor_type: 'MobileNetV2ImageProcessor' },
  };
}

/**
 * Where the first block has as many channels after it as before it (widths up to about 0.27), the paper's rule adds its
 * input to its output, and every framework but Hugging Face's does: there that block is part of the stem.
 */
function refuseFirstSum(weights: Mapping['weights'], file: string): void {
  const channels = (layer: string) => weights.get(`${PREFIX}conv_stem.${layer}.convolution.weight`)?.dims[0];
  const before = channels('first_conv');
  if (before === undefined || before !== channels('reduce_1x1')) return;
  throw new MobileNetError(
    'UNSUPPORTED',
    `${file}: the first block keeps its ${before} channels, so its input is added to its output, which Hugging Face's MobileNetV2 does not do; widths from 0.3 up convert`,
    { file },
  );
}

/** The preprocessor for another size of input: where it crops, the shortest edge keeps its ratio to the crop. */
function resized(preset: Preprocessor, { size, shortest_edge }: ConvertOptions): Preprocessor {
  if (!preset.do_center_crop && shortest_edge !== undefined) {
    throw new MobileNetError('ARG', 'shortest_edge: this model takes whole pictures, nothing is cropped; leave it out');
  }
  const { crop_size: crop, size: before } = preset;
  const [height, width] = typeof size === 'number' ? [size, size] : (size ?? [crop.height, crop.width]);
  const crop_size = { height, width };
  if (!preset.do_center_crop) return { ...preset, size: crop_size, crop_size };
  if (size === undefined && shortest_edge === undefined) return preset;
  const edge = 'shortest_edge' in before ? before.shortest_edge : Math.min(before.height, before.width);
  const ratio = edge / Math.min(crop.height, crop.width);
  const scaled = shortest_edge ?? Math.floor(Math.min(height, width) * ratio);
  return { ...preset, size: { shortest_edge: scaled }, crop_size };
}

function sizeField(size: NonNullable<ConvertOptions['size']>): number | [number, number] {
  if (typeof size === 'number') return size;
  const [height, width] = size;
  return height === width ? height : [height, width];
}

function labelled(labels: readonly string[]): { id2label: Record<number, string> } {
  if (!Array.isArray(labels)) throw expected('labels', 'a list of names', labels);
  return { id2label: Object.fromEntries(labels.entries()) };
}
