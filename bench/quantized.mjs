/**
 * A quantized network's weights and scales, drawn at random: such that sums fill the range of what they become, for a layer of
 * nothing but zeros or bounds would be no harder to store, but multipliers out of all proportion are slow.
 */
import {
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  Tensor,
} from 'mobilenet-v2';
import { RAW_RANGES } from '../dist/graph/quantization.js';
import { foldedGraph, quantizedParameters } from '../dist/models/mobilenet-v2/quantized.js';
import { NETWORKS } from './networks.mjs';

/** What a network computes with. */
export const elementsOf = (network) => (NETWORKS[network].dtype === undefined ? 'f32' : 'i16');

/** The state that `makeNetwork` needs beside other options: none for a network of real numbers. */
export function stateOf(network) {
  const { depth_multiplier, output_stride, dtype } = NETWORKS[network];
  if (dtype === undefined) return {};
  const config = new MobileNetV2Config({
    ...{ depth_multiplier, num_labels: output_stride === undefined ? 1001 : 21, output_stride: output_stride ?? 32 },
  });
  const Model = output_stride === undefined ? MobileNetV2ForImageClassification : MobileNetV2ForSemanticSegmentation;
  const { graph } = new Model(config);
  // Weights count from 0, but for those of the original networks, which need 9 bits.
  const parameters = quantizedParameters(foldedGraph(graph)).filter(
    ({ role }) => role !== 'weight_zero_point' || dtype === 'uint8',
  );
  return { state: new Map(parameters.map((one) => [one.name, tensorOf(one, dtype)])) };
}

function tensorOf({ name, dims, role }, dtype) {
  const [min, max] = RAW_RANGES[dtype];
  const most = dtype === 'int16' ? 2047 : 127;
  const count = dims.reduce((product, size) => product * size, 1);
  const random = (low, high) => Array.from({ length: count }, () => low + Math.random() * (high - low));
  const whole = (low, high) => random(low, high).map(Math.round);
  switch (role) {
    case 'weight': {
      // Cubed, most of them are small, as trained ones are.
      const data = random(-1, 1).map((value) => Math.round(most * value ** 3));
      return new Tensor(dtype === 'int16' ? 'int16' : 'int8', data, dims);
    }
    case 'weight_scale':
      return new Tensor(
        'float32',
        random(1, 3).map((scale) => scale / most / Math.sqrt(name.includes('conv_3x3') ? 9 : 60)),
        dims,
      );
    case 'bias':
      return new Tensor('int32', whole(-20 * most, 20 * most), dims);
    case 'scale': // one for all, so that layers of the same sizes are the same
      return new Tensor('float32', [6 / (max - min)], dims);
    case 'weight_zero_point':
      return new Tensor('int32', [9], dims);
    default:
      // Of linear layers' values in the middle, else at the end, where ReLU6 follows.
      return new Tensor(
        'int32',
        [/reduce_1x1|add|classifier|pixel_values/.test(name) ? Math.round((min + max) / 2) : min],
        dims,
      );
  }
}
