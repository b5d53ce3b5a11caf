/**
 * TF-slim's checkpoints of a MobileNetV2 and of DeepLab on it, which the authors have published and Hugging Face's were made
 * from: `MobilenetV2/expanded_conv_3/depthwise/depthwise_weights`. Kernels are [R,S,C,K], those of depthwise filters [R,S,C,1].
 *
 * Source: tensorflow/models, research/slim/nets/mobilenet and research/deeplab/model.py; transformers,
 * models/mobilenet_v2/convert_original_tf_checkpoint_to_pytorch.py.
 */
import type { StoredTensor } from '../formats/stored.js';
import type { Graph } from '../graph/nodes.js';
import { PREFIX } from '../models/mobilenet-v2/weights.js';
import { type Mapping, NORM_PARTS, permuted, same, zeros } from './mapping.js';
import { picturesOf } from './pictures.js';
import { PIXELS, RANGE, slimState } from './slim-quant.js';

const SLIM_PARTS = ['gamma', 'beta', 'moving_mean', 'moving_variance'];
const EPSILON = 0.001;
/** What training keeps beside each variable, and counts. */
const TRAINING =
  /\/(?:ExponentialMovingAverage|RMSProp(?:_\d)?|Momentum|Adam(?:_\d)?|biased|local_step)(?:\/|$)|^(?:global_step|beta\d_power)$/;
const HEAD = 'segmentation_head';

/** Slim's scope of each layer, and our layer. */
const LAYERS: readonly (readonly [scope: string, ours: string])[] = [
  ['MobilenetV2/Conv', 'conv_stem.first_conv'],
  ['MobilenetV2/expanded_conv/depthwise', 'conv_stem.conv_3x3'],
  ['MobilenetV2/expanded_conv/project', 'conv_stem.reduce_1x1'],
  ...Array.from({ length: 16 }, (_, index) => {
    const block = `MobilenetV2/expanded_conv_${index + 1}`;
    const ours = `layer.${index}`;
    return [
      [`${block}/expand`, `${ours}.expand_1x1`],
      [`${block}/depthwise`, `${ours}.conv_3x3`],
      [`${block}/project`, `${ours}.reduce_1x1`],
    ] as const;
  }).flat(),
  ['MobilenetV2/Conv_1', 'conv_1x1'],
  ['image_pooling', `${HEAD}.conv_pool`],
  ['aspp0', `${HEAD}.conv_aspp`],
  ['concat_projection', `${HEAD}.conv_projection`],
];
const LOGITS = 'MobilenetV2/Logits/Conv2d_1c_1x1';
const SEMANTIC = 'logits/semantic';

const SCOPES: ReadonlyMap<string, string> = new Map([
  ...LAYERS.map(([scope, ours]) => [ours, scope] as const),
  ['classifier', LOGITS],
  [`${HEAD}.classifier`, SEMANTIC],
]);

export const isSlimCheckpoint = (names: Iterable<string>): boolean =>
  [...names].some((name) => name === 'MobilenetV2/Conv/weights');

/** @param file named in messages */
export function mapSlim(
  tensors: ReadonlyMap<string, StoredTensor>,
  file: string,
  { head }: { head: boolean },
): Mapping {
  const rest = new Map(tensors);
  const take = (name: string): StoredTensor | undefined => {
    const stored = rest.get(name);
    rest.delete(name);
    return stored;
  };
  const weights: Mapping['weights'] = new Map();
  for (const [scope, ours] of LAYERS) {
    const kernel = take(`${scope}/weights`);
    const filters = take(`${scope}/depthwise_weights`);
    const isHead = ours.startsWith(HEAD);
    if (!head && isHead) continue;
    const path = isHead ? ours : `${PREFIX}${ours}`;
    if (kernel !== undefined) weights.set(`${path}.convolution.weight`, ordered(kernel, [3, 2, 0, 1]));
    if (filters !== undefined) weights.set(`${path}.convolution.weight`, ordered(filters, [2, 3, 0, 1]));
    NORM_PARTS.forEach((part, i) => {
      const stored = take(`${scope}/BatchNorm/${SLIM_PARTS[i]}`);
      if (stored !== undefined) weights.set(`${path}.normalization.${part}`, same(stored));
    });
  }
  const isSegmenter = rest.has(`${SEMANTIC}/weights`);
  const [scope, ours] = isSegmenter ? [SEMANTIC, `${HEAD}.classifier.convolution`] : [LOGITS, 'classifier'];
  const [kernel, bias] = [take(`${scope}/weights`), take(`${scope}/biases`)];
  if (head && kernel !== undefined) {
    const source = ordered(kernel, [3, 2, 0, 1]);
    const flat = {
      ...source,
      dims: source.dims.slice(0, 2),
      read: () => source.read().view(...source.dims.slice(0, 2)),
    };
    weights.set(`${ours}.weight`, isSegmenter ? source : flat);
    weights.set(`${ours}.bias`, bias === undefined ? zeros(source.dims.slice(0, 1)) : same(bias));
  }
  const ranges = new Map([...rest].filter(([name]) => RANGE.test(name)));
  const unmapped = [...rest.keys()].filter((name) => !TRAINING.test(name) && !ranges.has(name));
  const shape: [number, number] | undefined = isSegmenter ? [513, 513] : undefined;
  const [side, edge] = isSegmenter ? [513, 513] : [224, 256];
  const geometry = { resize: { shortest_edge: edge }, crop: [side, side] as const, resample: 2 };
  return {
    ...{ weights, unmapped, notes: [] },
    needed: [],
    architecture:
      head && kernel !== undefined
        ? isSegmenter
          ? 'MobileNetV2ForSemanticSegmentation'
          : 'MobileNetV2ForImageClassification'
        : 'MobileNetV2Model',
    config: {
      ...{ tf_padding: true, layer_norm_eps: EPSILON, hidden_act: 'relu6' },
      ...(isSegmenter && head && { output_stride: 16 }),
    },
    preprocessor: picturesOf(shape, undefined, [-1, 1], geometry),
    ...(ranges.size > 0 && {
      quantized: {
        dtype: 'uint8' as const,
        preprocessor: picturesOf(shape, undefined, PIXELS, geometry),
        read: (graph: Graph) => slimState(graph, { weights, ranges, scopes: SCOPES, file }),
      },
    }),
  };
}

/** A shape that no kernel has is named later. */
const ordered = (stored: StoredTensor, order: readonly number[]) =>
  stored.dims.length === 4 ? permuted(stored, order) : same(stored);
