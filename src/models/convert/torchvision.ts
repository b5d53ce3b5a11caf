/**
 * torchvision's `mobilenet_v2`: `features.0` is the stem, `features.1` to `.17` are the blocks, `features.18` is the last
 * convolution. A block is `conv`: one [convolution, norm, activation] for each of expansion and depthwise filter, then the
 * projection and its norm bare.
 *
 * Source: torchvision 0.29, models/mobilenetv2.py; preprocessing from `MobileNet_V2_Weights.IMAGENET1K_V1`.
 */
import type { StoredTensor } from '../weights/stored.js';
import type { Mapping } from './mapping.js';
import { type Layer, mapTorch } from './torch.js';

const BLOCKS = 17;

const LAYERS: readonly Layer[] = [
  ['features.0.0', 'features.0.1', 'conv_stem.first_conv'],
  ['features.1.conv.0.0', 'features.1.conv.0.1', 'conv_stem.conv_3x3'],
  ['features.1.conv.1', 'features.1.conv.2', 'conv_stem.reduce_1x1'],
  ...Array.from({ length: BLOCKS - 1 }, (_, index): Layer[] => {
    const block = `features.${index + 2}.conv`;
    return [
      [`${block}.0.0`, `${block}.0.1`, `layer.${index}.expand_1x1`],
      [`${block}.1.0`, `${block}.1.1`, `layer.${index}.conv_3x3`],
      [`${block}.2`, `${block}.3`, `layer.${index}.reduce_1x1`],
    ];
  }).flat(),
  ['features.18.0', 'features.18.1', 'conv_1x1'],
];

export const isTorchvision = (names: ReadonlySet<string>): boolean => names.has('features.0.0.weight');

export function mapTorchvision(tensors: ReadonlyMap<string, StoredTensor>, how: { head: boolean }): Mapping {
  return mapTorch(tensors, LAYERS, how);
}
