/** From a mapping to what a checkpoint of Hugging Face consists of: its configuration, its preprocessor, its tensors' names. */
import { expected, MobileNetError } from '../base/errors.js';
import type { Graph } from '../graph/nodes.js';
import { type Architecture, type CheckpointDtype, checkpointFiles, GRAPHS } from '../models/mobilenet-v2/checkpoint.js';
import { MobileNetV2Config, type MobileNetV2ConfigOptions } from '../models/mobilenet-v2/config.js';
import { checkWeights, PREFIX, type State } from '../models/mobilenet-v2/weights.js';
import { inferWidth } from './infer.js';
import type { Mapping, Preprocessor, Quantized } from './mapping.js';

/** What the caller of a conversion may say about network and pictures. */
export interface Adapting {
  labels?: readonly string[] | undefined;
  size?: number | readonly [height: number, width: number] | undefined;
  shortest_edge?: number | undefined;
}

export interface Plan {
  config: MobileNetV2Config;
  architecture: Architecture;
  weights: Mapping['weights'];
  preprocessor: Record<string, unknown> | undefined;
}

export function adapt(mapping: Mapping, file: string, options: Adapting): Plan {
  const preprocessor = resized(mapping.preprocessor, options);
  const { crop_size } = preprocessor;
  const { architecture = architectureOf(mapping) } = mapping;
  const image_size = sizeField([crop_size.height, crop_size.width]);
  const given: MobileNetV2ConfigOptions = { ...mapping.config, image_size };
  const headless = architecture === 'MobileNetV2Model';
  if (headless && options.labels !== undefined) {
    throw new MobileNetError('ARG', `labels: ${file} has no classifier whose classes they could name; leave them out`);
  }
  const width = inferWidth(mapping.weights, mapping.config, file);
  refuseFirstSum(mapping.weights, file);
  const { labels = mapping.labels } = options;
  const classes = mapping.weights.get(CLASSIFIERS[architecture])?.dims[0];
  const config = new MobileNetV2Config(
    { ...given, ...width, ...(!headless && { num_labels: classes ?? 0 }), ...(labels && labelled(labels)) },
    file,
  );
  let { weights } = mapping;
  if (headless) weights = new Map([...weights].map(([name, source]) => [name.slice(PREFIX.length), source]));
  return {
    ...{ config, architecture, weights },
    preprocessor: { ...preprocessor, image_processor_type: 'MobileNetV2ImageProcessor' },
  };
}

/** The tensor that has a row for each class. */
const CLASSIFIERS: Record<Architecture, string> = {
  MobileNetV2ForImageClassification: 'classifier.weight',
  MobileNetV2ForSemanticSegmentation: 'segmentation_head.classifier.convolution.weight',
  MobileNetV2Model: '',
};

const architectureOf = ({ weights }: Mapping): Architecture =>
  weights.has('classifier.weight') ? 'MobileNetV2ForImageClassification' : 'MobileNetV2Model';

/**
 * The network in whole numbers, and the configuration that says so.
 * @throws MobileNetError SHAPE, WEIGHTS, QUANT
 */
export function asQuantized(
  plan: Plan,
  { dtype, read }: Quantized,
  file: string,
): { config: MobileNetV2Config; state: State } {
  const graph = graphOf(plan);
  checkWeights(plan.weights, graph, file);
  const quantization_config = { quant_method: 'mobilenet-v2', dtype };
  const config = MobileNetV2Config.from_dict({ ...plan.config.to_dict(), quantization_config });
  return { config, state: read(graph) };
}

/** config.json, model.safetensors, and preprocessor_config.json where there is one. */
export function filesOf(
  { config, architecture, preprocessor }: Omit<Plan, 'weights'>,
  state: State,
  dtype: CheckpointDtype,
): Map<string, Uint8Array> {
  const files = checkpointFiles(config, state, { architecture, dtype });
  if (preprocessor !== undefined) {
    files.set('preprocessor_config.json', new TextEncoder().encode(`${JSON.stringify(preprocessor, null, 2)}\n`));
  }
  return files;
}

export const graphOf = ({ architecture, config }: Omit<Plan, 'weights'>): Graph => GRAPHS[architecture](config);

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
function resized(preset: Preprocessor, { size, shortest_edge }: Adapting): Preprocessor {
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

export function sizeField(size: NonNullable<Adapting['size']>): number | [number, number] {
  if (typeof size === 'number') return size;
  const [height, width] = size;
  return height === width ? height : [height, width];
}

export function labelled(labels: readonly string[]): { id2label: Record<number, string> } {
  if (!Array.isArray(labels)) throw expected('labels', 'a list of names', labels);
  return { id2label: Object.fromEntries(labels.entries()) };
}
