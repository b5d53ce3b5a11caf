/**
 * torchvision's `mobilenet_v2`: `features.0` is the stem, `features.1` to `.17` are the blocks, `features.18` is the last
 * convolution. A block is `conv`: one [convolution, norm, activation] for each of expansion and depthwise filter, then the
 * projection and its norm bare.
 *
 * Its quantized weights were made from V1, and are prepared for as that (torchvision-quant.ts).
 *
 * Source: torchvision 0.29, models/mobilenetv2.py; preprocessing from `MobileNet_V2_Weights`.
 */
import type { StoredTensor } from '../formats/stored.js';
import type { Mapping } from './mapping.js';
import { type Layer, mapTorch } from './torch.js';
import { isQuantizedTorchvision, mapQuantizedTorchvision } from './torchvision-quant.js';

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

/** The first convolution, and what training puts before every name. */
export const TORCHVISION_FIRST = /^((?:.*\.)?)features\.0\.0\.weight$/;

/** The part of its hash in the name of the file that torchvision downloads. */
const V1 = /b0353104/;
const V2 = /7ebf99e0/;
/** Shortest edge before the crop of 224: `resize_size` of the two sets of weights. */
const EDGES = { V1: 256, V2: 232 };

/** @param file its name tells which of torchvision's own weights it holds; where it does not, V2 is what torchvision calls DEFAULT */
export function mapTorchvision(
  tensors: ReadonlyMap<string, StoredTensor>,
  file: string,
  how: { head: boolean },
): Mapping {
  const isQuantized = isQuantizedTorchvision(tensors);
  const mapping = mapTorch(isQuantized ? new Map() : tensors, LAYERS, how);
  if (isQuantized) Object.assign(mapping, mapQuantizedTorchvision(tensors, LAYERS, file, how.head));
  if (isQuantized) mapping.config.hidden_act = 'relu';
  const isV1 = V1.test(file) || isQuantized;
  const shortest_edge = isV1 ? EDGES.V1 : EDGES.V2;
  const notes = [...mapping.notes];
  if (!isV1 && !V2.test(file)) {
    notes.push(
      `torchvision: the file's name is neither of torchvision's own, so pictures are prepared as for its default weights (V2): shortest edge ${EDGES.V2} before the crop of 224; V1 and many trainings have ${EDGES.V1} (see shortest_edge)`,
    );
  }
  return { ...mapping, notes, preprocessor: { ...mapping.preprocessor, size: { shortest_edge } } };
}
