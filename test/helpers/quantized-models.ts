/** Quantized models with weights and scales drawn at random, small enough to run on every engine. */
import { MobileNetV2Config, type MobileNetV2ConfigOptions, Tensor } from '../../src/entries/main-node.js';
import { RAW_RANGES, type RawType } from '../../src/graph/quantization.js';
import { classificationGraph, segmentationGraph } from '../../src/models/mobilenet-v2/architecture.js';
import { foldedGraph, QUANT_METHOD, quantizedParameters } from '../../src/models/mobilenet-v2/quantized.js';
import type { State } from '../../src/models/mobilenet-v2/weights.js';
import { elementCount } from '../../src/tensor/shape.js';
import { randomNumbers } from './random.js';

const TINY = { depth_multiplier: 0.35, image_size: 32, finegrained_output: false, num_labels: 5 };

export function quantizedConfig(type: RawType, fields: MobileNetV2ConfigOptions = {}): MobileNetV2Config {
  const quantization_config = { quant_method: QUANT_METHOD, dtype: type };
  return MobileNetV2Config.from_dict({ ...TINY, ...fields, quantization_config });
}

/**
 * A state for it. Scales are such that sums fill the range of what they become, so that no layer is all zeros or all bounds.
 */
export function quantizedState(
  config: MobileNetV2Config,
  task: 'classify' | 'segment',
  type: RawType,
  seed: number,
): State {
  const random = randomNumbers(seed);
  const [min, max] = RAW_RANGES[type];
  const graph = foldedGraph(task === 'classify' ? classificationGraph(config, 'global') : segmentationGraph(config));
  const most = type === 'int16' ? 2047 : 127;
  const state: State = new Map();
  const scaleOf = 6 / (max - min);
  for (const { name, dims, role, types } of quantizedParameters(graph)) {
    const count = elementCount(dims);
    const whole = (low: number, high: number) =>
      Array.from({ length: count }, () => Math.floor(low + random() * (high - low + 1)));
    if (role === 'weight') {
      const wide = type === 'int16';
      // Most of them small, as trained ones are: else sums of 12 bits could leave i32.
      const data = Array.from({ length: count }, () => Math.round(most * (2 * random() - 1) ** 3));
      state.set(name, new Tensor(wide ? 'int16' : 'int8', data, dims));
    } else if (role === 'weight_zero_point') {
      if (type === 'uint8' && random() < 0.5) state.set(name, new Tensor('int32', whole(-4, 4), dims));
    } else if (role === 'weight_scale') {
      const fanIn = name.includes('conv_3x3') ? 9 : 60;
      const scales = Array.from({ length: count }, () => ((0.5 + random()) * 2.6) / most / Math.sqrt(fanIn));
      state.set(name, new Tensor('float32', scales, dims));
    } else if (role === 'bias') state.set(name, new Tensor('int32', whole(-most * 20, most * 20), dims));
    else if (role === 'scale') state.set(name, new Tensor('float32', [scaleOf * (0.8 + 0.4 * random())], dims));
    else if (types !== undefined) {
      // Where ReLU6 follows, most files have the zero point at the end of the range; elsewhere in the middle.
      const point = /reduce_1x1|add|classifier|pixel_values/.test(name) ? Math.round((min + max) / 2) : min;
      state.set(name, new Tensor('int32', [point], dims));
    }
  }
  return state;
}
