/**
 * What torchvision's and timm's state dicts have in common: a table from their modules to our layers, PyTorch's names of
 * parameters, padding `(k − 1) / 2`, batch norm's epsilon of 1e-5, and ImageNet's mean and deviation.
 */
import { listNames } from '../base/errors.js';
import type { StoredTensor } from '../formats/stored.js';
import { PREFIX } from '../models/mobilenet-v2/weights.js';
import { type Mapping, type Preprocessor, same, zeros } from './mapping.js';

/** A convolution and its batch norm by their modules, and our layer. */
export type Layer = readonly [convolution: string, norm: string, ours: string];

/** How often each row of the paper's Table 2 is repeated, the first block (in our stem) included. */
export const REPEATS = [1, 2, 3, 4, 3, 3, 1] as const;

/** Batch norm counts its training steps, and an average of weights what it is the average of; nothing reads them. */
const COUNTER = /(?:\.num_batches_tracked|^n_averaged)$/;
const CLASSIFIER = /^(classifier(?:\..+)?)\.(weight|bias)$/;
const BACKBONE = /^(?:features|blocks|conv_stem|conv_head|bn\d)\./;

export function mapTorch(
  tensors: ReadonlyMap<string, StoredTensor>,
  layers: readonly Layer[],
  { head: wantsHead }: { head: boolean },
): Mapping {
  const ours = new Map<string, string>();
  for (const [convolution, norm, layer] of layers) {
    ours.set(`${convolution}.weight`, `${PREFIX}${layer}.convolution.weight`);
    for (const part of ['weight', 'bias', 'running_mean', 'running_var']) {
      ours.set(`${norm}.${part}`, `${PREFIX}${layer}.normalization.${part}`);
    }
  }
  const weights: Mapping['weights'] = new Map();
  const unmapped: string[] = [];
  const inHead = [...tensors.keys()].filter((name) => name.startsWith('classifier.') && !COUNTER.test(name));
  const [linear] = inHead.map((name) => CLASSIFIER.exec(name)?.[1]);
  for (const [name, stored] of tensors) {
    if (!wantsHead && name.startsWith('classifier.')) continue;
    const [, module, part] = CLASSIFIER.exec(name) ?? [];
    const target = ours.get(name) ?? (module !== undefined && module === linear ? `classifier.${part}` : undefined);
    if (target !== undefined) weights.set(target, same(stored));
    else if (!COUNTER.test(name)) unmapped.push(name);
  }
  const classifier = weights.get('classifier.weight');
  if (classifier !== undefined && !weights.has('classifier.bias')) {
    weights.set('classifier.bias', zeros(classifier.dims.slice(0, 1)));
  }
  // A second layer of the head, or a layer of any name that takes as many numbers as the first gives.
  const follows = ({ dims }: StoredTensor) =>
    classifier !== undefined && dims.length === 2 && dims[1] === classifier.dims[0];
  const isMore =
    unmapped.some((name) => name.startsWith('classifier.')) || unmapped.some((name) => follows(tensors.get(name)!));
  const head = new Set(inHead);
  const needed = isMore ? [...inHead, ...unmapped.filter((name) => !head.has(name) && !BACKBONE.test(name))] : [];
  const blocks = unmapped.filter((name) => BACKBONE.test(name));
  const notes =
    blocks.length === 0
      ? []
      : [`left out are layers of the network itself (${listNames(blocks, 3)}), so its results are others now`];
  return { weights, unmapped, needed, config: { ...TORCH_CONFIG }, preprocessor: TORCH_PICTURES, notes };
}

const TORCH_CONFIG = { tf_padding: false, layer_norm_eps: 1e-5, hidden_act: 'relu6', classifier_dropout_prob: 0.2 };

/**
 * torchvision's `ImageClassification` preset: a shortest edge (of 256 here), the middle 224×224 of it. Where an odd number of pixels is
 * cut away, torchvision rounds half of it to even and Hugging Face down, so that the crop may lie one pixel further.
 */
const TORCH_PICTURES: Preprocessor = {
  do_resize: true,
  size: { shortest_edge: 256 },
  resample: 2,
  do_center_crop: true,
  crop_size: { height: 224, width: 224 },
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.485, 0.456, 0.406],
  image_std: [0.229, 0.224, 0.225],
};
