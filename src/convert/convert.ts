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
import { type Architecture, type CheckpointDtype, GRAPHS } from '../models/mobilenet-v2/checkpoint.js';
import { MobileNetV2Config, type MobileNetV2ConfigOptions } from '../models/mobilenet-v2/config.js';
import { matchWeights, type State } from '../models/mobilenet-v2/weights.js';
import { sameDims } from '../tensor/shape.js';
import { adapt, asQuantized, filesOf, graphOf, labelled, type Plan, sizeField } from './adapt.js';
import { mapKeras } from './keras.js';
import { type Mapping, type Preprocessor, same } from './mapping.js';
import { mapSlim } from './slim.js';
import { openSource, type Source } from './source.js';
import { mapTfjsGraph } from './tfjs-graph.js';
import { mapTflite } from './tflite.js';
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
   * The numbers between which pixels lie when they enter a Keras or TensorFlow.js model, or a TFLite file that takes floats.
   * Unless given: what the metadata of a TFLite file say, else [0, 255] for models that scale them by layers of their own
   * ([0, 1] for graphs of TensorFlow Hub), else [-1, 1], as `preprocess_input` has it. Code around a model may do otherwise; [0, 1] is common.
   */
  pixelRange?: readonly [low: number, high: number];
  /** False: the backbone alone, a MobileNetV2Model, whatever follows it in the source. */
  head?: boolean;
  /** False: tensors of the source that a MobileNetV2 has no place for are left out, not refused. */
  strict?: boolean;
  /** `fp32` or `float32`: a quantized model becomes real numbers. Unless given it stays in whole ones. */
  dtype?: 'fp32' | 'float32';
  /** Ends it early, with the signal's reason. */
  signal?: AbortSignal;
}

const CONVERT_OPTIONS = ['file', 'labels', 'size', 'shortest_edge', 'pixelRange', 'head', 'strict', 'dtype', 'signal'];

/** A checkpoint in Hugging Face's terms, and what became of the source's. */
export interface Converted {
  from: SourceFramework;
  architecture: Architecture;
  config: MobileNetV2Config;
  /** The fields of preprocessor_config.json; undefined where a folder of Hugging Face has none. */
  preprocessor: Record<string, unknown> | undefined;
  /** What the network computes in. */
  dtype: 'float32' | 'uint8' | 'int8';
  /** By Hugging Face's names: float32, or a quantized network in whole numbers with their scales. */
  state: State;
  /** Names of the source that were left out (with `strict: false`). */
  unmapped: string[];
  /** What the source does not say and was assumed, in whole sentences. */
  notes: string[];
  /** config.json, preprocessor_config.json and model.safetensors. Float32 unless told otherwise; a quantized state stays as it is. */
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
  const { signal, dtype } = options;
  if (dtype !== undefined && dtype !== 'fp32' && dtype !== 'float32') throw expected('dtype', "'fp32'", dtype);
  checkSignal(signal);
  signal?.throwIfAborted();
  const source = await unlessAborted(openSource(where, options.file, signal), signal);
  const { file } = source;
  const mapping = source.from === 'huggingface' ? undefined : mapped(source, options);
  const { strict = true } = options;
  if (mapping !== undefined) refuseNeeded(mapping.needed, file);
  if (strict) refuseUnmapped(mapping?.unmapped ?? [], file);
  const whole = options.dtype === undefined ? mapping?.quantized : undefined;
  const plan =
    mapping === undefined
      ? keep(source as HuggingFace, options)
      : adapt({ ...mapping, preprocessor: whole?.preprocessor ?? mapping.preprocessor }, file, options);
  const { architecture, preprocessor } = plan;
  mapping?.check?.(graphOf(plan));
  const made: Made =
    whole === undefined ? await asFloats(plan, source, mapping, options) : asQuantized(plan, whole, file);
  const { config, state } = made;

  const files: Converted['files'] = ({ dtype = 'float32' } = {}) => {
    if (whole !== undefined && dtype !== 'float32') {
      throw new MobileNetError('ARG', `dtype: the state is quantized; convert with dtype: 'fp32' to write ${dtype}`);
    }
    return filesOf({ config, architecture, preprocessor }, state, dtype);
  };
  return {
    ...{ from: source.from, architecture, config, preprocessor, state, files },
    dtype: whole?.dtype ?? 'float32',
    unmapped: mapping?.unmapped ?? made.unexpected ?? [],
    notes: [...source.notes, ...(mapping?.notes ?? [])],
    async save_pretrained(dir, how) {
      await requirePlatform('writeFolder', 'save_pretrained')(dir, files(how));
    },
  };
}

interface Made {
  config: MobileNetV2Config;
  state: State;
  /** Names of a checkpoint of Hugging Face that have no place. */
  unexpected?: string[];
}

async function asFloats(
  plan: Plan,
  { file }: Source,
  mapping: Mapping | undefined,
  { strict = true, signal }: ConvertOptions,
): Promise<Made> {
  const { config, architecture, weights } = plan;
  const how = { config, strict: strict || mapping !== undefined, seed: 0, file };
  const graph = graphOf(plan);
  await unlessAborted(unpackWanted(weights, graph, signal), signal);
  const { state, newlyInitialized, unexpected } = matchWeights(weights, graph, how);
  if (newlyInitialized.length === 0) return { config, state, unexpected };
  const message = `${file}: its config.json says ${architecture}, but it lacks ${listNames(newlyInitialized)}`;
  throw new MobileNetError('WEIGHTS', message, { file, names: newlyInitialized });
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

function mapped(source: Exclude<Source, HuggingFace>, { pixelRange: range, head = true }: ConvertOptions): Mapping {
  if (range !== undefined && (source.from === 'torchvision' || source.from === 'timm' || source.from === 'slim')) {
    throw new MobileNetError('ARG', `pixelRange: is for Keras and TensorFlow models; ${source.from} has its own`);
  }
  switch (source.from) {
    case 'torchvision':
      return mapTorchvision(source.tensors, source.file, { head });
    case 'timm':
      return mapTimm(source.tensors, source.config, 'config.json', { head });
    case 'slim':
      return mapSlim(source.tensors, source.file, { head });
    case 'tflite':
      return mapTflite(source.model, source.file, { range, head, labels: source.labels });
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
  const [named] = Array.isArray(architectures) ? architectures : [];
  let architecture: Architecture = 'MobileNetV2Model';
  if (typeof named === 'string' && Object.hasOwn(GRAPHS, named)) architecture = named as Architecture;
  else if (tensors.has('classifier.weight')) architecture = 'MobileNetV2ForImageClassification';
  const weights = new Map([...tensors].map(([name, stored]) => [name, same(stored)]));
  return { config, architecture, weights, preprocessor: preprocessor && { ...preprocessor } };
}
