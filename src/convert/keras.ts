/**
 * Keras's `applications.MobileNetV2`, whatever file it comes from, with its own classifier, another, or none.
 *
 * Keras counts the block without expansion ("expanded_conv") apart and then block_1 to block_16; Hugging Face puts that
 * first block into the stem, and block_k becomes layer.(k−1). Kernels are [R, S, C, K], those of depthwise filters
 * [R, S, C, 1]; ours are [K, C, R, S] and [C, 1, R, S]. A Dense kernel is [C, K], ours [K, C].
 */

import { listNames, MobileNetError } from '../base/errors.js';
import type { JsonObject } from '../base/json.js';
import type { StoredTensor } from '../formats/stored.js';
import type { MobileNetV2ConfigOptions } from '../models/mobilenet-v2/config.js';
import { PREFIX } from '../models/mobilenet-v2/weights.js';
import { type KerasGraph, readGraph } from './keras-graph.js';
import { type Mapping, NORM_PARTS, permuted, same, withNormBefore, zeroFirst, zeros } from './mapping.js';
import { type PixelRange, picturesOf } from './pictures.js';

/** Keras's convolution and batch norm, and our layer. */
const LAYERS = [
  ['Conv1', 'bn_Conv1', 'conv_stem.first_conv'],
  ['expanded_conv_depthwise', 'expanded_conv_depthwise_BN', 'conv_stem.conv_3x3'],
  ['expanded_conv_project', 'expanded_conv_project_BN', 'conv_stem.reduce_1x1'],
  ...Array.from({ length: 16 }, (_, index) =>
    [
      ['expand', 'expand_1x1'],
      ['depthwise', 'conv_3x3'],
      ['project', 'reduce_1x1'],
    ].map(([theirs, ours]) => {
      const name = `block_${index + 1}_${theirs}`;
      return [name, `${name}_BN`, `layer.${index}.${ours}`];
    }),
  ).flat(),
  ['Conv_1', 'Conv_1_bn', 'conv_1x1'],
];
/** Their names in the order of NORM_PARTS. */
const NORM_VARIABLES = ['gamma', 'beta', 'moving_mean', 'moving_variance'];

/** A model as its file has it. */
export interface KerasModel {
  /** By layer, then by variable (`kernel`, `gamma`, …). */
  layers: Map<string, Map<string, StoredTensor>>;
  /** Absent where a file holds weights alone. */
  topology: JsonObject | undefined;
  /** Keras's version, where the file says it. */
  version?: string | undefined;
}

/** The layers that a MobileNetV2 has, by Keras's names. */
export const BACKBONE: ReadonlySet<string> = new Set(LAYERS.flatMap((names) => names.slice(0, 2)));

export const isKeras = (layers: ReadonlyMap<string, unknown>): boolean =>
  layers.has('Conv1') && layers.has('expanded_conv_depthwise');

/**
 * @param file for messages
 * @param how `range` of the pixels that enter the graph; `head: false` leaves out everything after the backbone
 * @throws MobileNetError UNSUPPORTED naming every layer that has no counterpart
 */
export function mapKeras(
  { layers, topology, version }: KerasModel,
  file: string,
  { range, head }: { range: PixelRange | undefined; head: boolean },
): Mapping {
  const graph = topology === undefined ? undefined : readGraph(topology, head, version);
  if (graph !== undefined && graph.problems.length > 0) {
    const texts = graph.problems.map(({ layer, reason }) => `${layer}: ${reason}`);
    throw new MobileNetError(
      'UNSUPPORTED',
      `${file}: no MobileNetV2 of Hugging Face does this (head: false takes the backbone alone): ${listNames(texts, 6, 330)}`,
      {
        file,
        tensor: graph.problems[0].layer,
        names: texts,
      },
    );
  }
  const rest = new Map([...layers].map(([layer, variables]) => [layer, new Map(variables)]));
  const take = (layer: string, ...names: string[]): StoredTensor | undefined => {
    const variables = rest.get(layer);
    const name = names.find((one) => variables?.has(one));
    const stored = name === undefined ? undefined : variables!.get(name);
    if (name !== undefined) variables!.delete(name);
    return stored;
  };
  const weights: Mapping['weights'] = new Map();
  for (const [convolution, norm, ours] of LAYERS) {
    const kernel = take(convolution, 'kernel', 'depthwise_kernel');
    const order = ours.endsWith('conv_3x3') ? [2, 3, 0, 1] : [3, 2, 0, 1];
    if (kernel !== undefined) {
      weights.set(
        `${PREFIX}${ours}.convolution.weight`,
        kernel.dims.length === 4 ? permuted(kernel, order) : same(kernel),
      );
    }
    NORM_PARTS.forEach((part, i) => {
      const stored = take(norm, NORM_VARIABLES[i]);
      if (stored !== undefined) weights.set(`${PREFIX}${ours}.normalization.${part}`, same(stored));
    });
  }
  const notes: string[] = [];
  const config: MobileNetV2ConfigOptions = { tf_padding: true, layer_norm_eps: 0.001, hidden_act: 'relu6' };
  const classifier = graph === undefined ? denseOf(rest) : graph.classifier;
  if (classifier !== undefined && !head) rest.delete(classifier);
  else if (classifier !== undefined) addHead(classifier, graph, take, { weights, config, notes });
  for (const layer of graph?.afterBackbone ?? []) rest.delete(layer);
  // Without a graph, every layer that does not belong to the backbone is taken to come after it.
  if (graph === undefined && !head) for (const layer of rest.keys()) if (!BACKBONE.has(layer)) rest.delete(layer);
  const unmapped = [...rest].flatMap(([layer, variables]) => [...variables.keys()].map((name) => `${layer}/${name}`));
  if (graph === undefined) {
    notes.push(
      'Keras: the file holds no graph, so batch norm and activations are taken to be as in applications.MobileNetV2',
    );
  } else describe(graph, config, notes);
  if (range === undefined && graph?.scaling === undefined) {
    notes.push('Keras: no layer scales pixels, so preprocess_input is taken for it: −1 to 1 (see pixelRange)');
  }
  // With layers of its own, a model takes bytes; without, what preprocess_input gives.
  const entering = range ?? (graph?.scaling === undefined ? [-1, 1] : [0, 255]);
  const preprocessor = picturesOf(graph?.pictures.size, graph?.scaling, entering, graph?.pictures);
  // Layers count and draw in variables of their own; with all others they compute.
  const needed = unmapped.filter((name) => !/seed|state|count|iteration/.test(name));
  return { weights, unmapped, needed, config, preprocessor, notes };
}

/** In a file of weights alone: the one layer whose kernel is a matrix. */
function denseOf(layers: KerasModel['layers']): string | undefined {
  const dense = [...layers].filter(([, variables]) => variables.get('kernel')?.dims.length === 2);
  return dense.length === 1 ? dense[0][0] : undefined;
}

function addHead(
  layer: string,
  graph: KerasGraph | undefined,
  take: (layer: string, ...names: string[]) => StoredTensor | undefined,
  { weights, config, notes }: Pick<Mapping, 'weights' | 'config' | 'notes'>,
): void {
  const kernel = take(layer, 'kernel');
  if (kernel === undefined) return; // named as missing later
  const bias = take(layer, 'bias');
  let sources = [permuted(kernel, [1, 0]), bias === undefined ? zeros([kernel.dims[1]]) : same(bias)];
  if (graph?.norm !== undefined) {
    const { layer: norm, epsilon } = graph.norm;
    const [scale, shift, mean, variance] = NORM_VARIABLES.map((name) => take(norm, name));
    if (mean === undefined || variance === undefined) {
      throw new MobileNetError('WEIGHTS', `${kernel.file}: ${norm} lacks its mean and variance`, { file: kernel.file });
    }
    sources = withNormBefore(sources[0], sources[1], { scale, shift, mean, variance, epsilon });
    notes.push(`Keras: ${norm}, a batch norm before the classifier, has become a part of it`);
  }
  const activation = graph?.activation ?? 'softmax';
  if (activation === 'sigmoid' && kernel.dims[1] === 1) {
    // softmax(0, z) is (1 − σ(z), σ(z)).
    sources = sources.map(zeroFirst);
    notes.push(`Keras: ${layer} has one output and a sigmoid; it becomes two classes with the same probabilities`);
  } else if (activation === 'sigmoid') config.problem_type = 'multi_label_classification';
  weights.set('classifier.weight', sources[0]);
  weights.set('classifier.bias', sources[1]);
}

function describe(graph: KerasGraph, config: MobileNetV2ConfigOptions, notes: string[]): void {
  config.layer_norm_eps = graph.epsilon;
  config.hidden_act = graph.hidden_act;
  if (graph.dropout !== undefined) config.classifier_dropout_prob = graph.dropout;
  const { size, byLayer } = graph.pictures;
  if (size !== undefined) config.image_size = size[0] === size[1] ? size[0] : size;
  if (graph.idle.length > 0)
    notes.push(`Keras: without effect after training and left out: ${listNames(graph.idle, 10)}`);
  if (byLayer)
    notes.push('Keras: its layers resize without smoothing; the image processor, which smooths, takes their place');
}
