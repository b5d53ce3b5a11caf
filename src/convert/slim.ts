/**
 * TF-slim's checkpoints of a MobileNetV2 and of DeepLab on it, which the authors have published and Hugging Face's were made
 * from: `MobilenetV2/expanded_conv_3/depthwise/depthwise_weights`. Kernels are [R,S,C,K], those of depthwise filters [R,S,C,1].
 *
 * Source: tensorflow/models, research/slim/nets/mobilenet and research/deeplab/model.py; transformers,
 * models/mobilenet_v2/convert_original_tf_checkpoint_to_pytorch.py.
 */
import { listNames } from '../base/errors.js';
import type { StoredTensor } from '../formats/stored.js';
import { PREFIX } from '../models/mobilenet-v2/weights.js';
import { type Mapping, NORM_PARTS, permuted, same, zeros } from './mapping.js';
import { picturesOf } from './pictures.js';

const SLIM_PARTS = ['gamma', 'beta', 'moving_mean', 'moving_variance'];
const EPSILON = 0.001;
/** What training keeps beside each variable, and counts. */
const TRAINING =
  /\/(?:ExponentialMovingAverage|RMSProp(?:_\d)?|Momentum|Adam(?:_\d)?|biased|local_step)(?:\/|$)|^(?:global_step|beta\d_power)$/;
/** Ranges that training with simulated quantization has found. */
const RANGES = /\/(?:weights|act|conv|add|input)_quant\//;
const HEAD = 'segmentation_head';

/** Slim's scope of each layer, and our layer. */
const LAYERS: readonly (readonly [scope: string, ours: string])[] = [
  ['MobilenetV2/Conv', `${PREFIX}conv_stem.first_conv`],
  ['MobilenetV2/expanded_conv/depthwise', `${PREFIX}conv_stem.conv_3x3`],
  ['MobilenetV2/expanded_conv/project', `${PREFIX}conv_stem.reduce_1x1`],
  ...Array.from({ length: 16 }, (_, index) => {
    const block = `MobilenetV2/expanded_conv_${index + 1}`;
    const ours = `${PREFIX}layer.${index}`;
    return [
      [`${block}/expand`, `${ours}.expand_1x1`],
      [`${block}/depthwise`, `${ours}.conv_3x3`],
      [`${block}/project`, `${ours}.reduce_1x1`],
    ] as const;
  }).flat(),
  ['MobilenetV2/Conv_1', `${PREFIX}conv_1x1`],
  ['image_pooling', `${HEAD}.conv_pool`],
  ['aspp0', `${HEAD}.conv_aspp`],
  ['concat_projection', `${HEAD}.conv_projection`],
];
const LOGITS = 'MobilenetV2/Logits/Conv2d_1c_1x1';
const SEMANTIC = 'logits/semantic';

export const isSlimCheckpoint = (names: Iterable<string>): boolean =>
  [...names].some((name) => name === 'MobilenetV2/Conv/weights');

export function mapSlim(tensors: ReadonlyMap<string, StoredTensor>, { head }: { head: boolean }): Mapping {
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
    if (!head && ours.startsWith(HEAD)) continue;
    if (kernel !== undefined) weights.set(`${ours}.convolution.weight`, ordered(kernel, [3, 2, 0, 1]));
    if (filters !== undefined) weights.set(`${ours}.convolution.weight`, ordered(filters, [2, 3, 0, 1]));
    NORM_PARTS.forEach((part, i) => {
      const stored = take(`${scope}/BatchNorm/${SLIM_PARTS[i]}`);
      if (stored !== undefined) weights.set(`${ours}.normalization.${part}`, same(stored));
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
  const ranges = [...rest.keys()].filter((name) => RANGES.test(name));
  const unmapped = [...rest.keys()].filter((name) => !TRAINING.test(name) && !RANGES.test(name));
  const notes: string[] = [];
  if (ranges.length > 0) {
    notes.push(
      `slim: the checkpoint was trained for 8 bits; its ranges (${listNames(ranges, 2)}) are left out, and real numbers come out`,
    );
  }
  const shape: [number, number] | undefined = isSegmenter ? [513, 513] : undefined;
  const [side, edge] = isSegmenter ? [513, 513] : [224, 256];
  return {
    ...{ weights, unmapped, notes },
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
    preprocessor: picturesOf(shape, undefined, [-1, 1], {
      ...{ resize: { shortest_edge: edge }, crop: [side, side], resample: 2 },
    }),
  };
}

/** A shape that no kernel has is named later. */
const ordered = (stored: StoredTensor, order: readonly number[]) =>
  stored.dims.length === 4 ? permuted(stored, order) : same(stored);
