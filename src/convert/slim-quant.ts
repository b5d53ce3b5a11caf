/**
 * Whole numbers of a slim checkpoint that was trained for 8 bits with tf.contrib.quantize: beside the weights it has the ranges
 * that training has found, `<scope>/weights_quant/{min,max}` of weights with their batch norm in them and
 * `<scope>/act_quant/{min,max}` of what a layer makes.
 *
 * Scales, zero points and numbers are those of TensorFlow's own converter to TensorFlow Lite, in its arithmetic: batch norm is
 * multiplied into the weights in float32, as the graph does it; scales are float64 until they are stored. One thing depends on the
 * processor there: its 1/√x is an approximation, here the nearest float32. A weight that lies between two numbers may become
 * the other one.
 *
 * Source: tensorflow/contrib/quantize/python (quantize.py, fold_batch_norms.py) of TensorFlow 1.15; the converter of 2.21,
 * compiler/mlir/lite/quantization/common/quantization_lib, quantfork's FakeQuantSupport, core/kernels/fake_quant_ops_functor.h.
 */
import { listNames, MobileNetError, show } from '../base/errors.js';
import { mapped } from '../base/mapped.js';
import type { StoredTensor } from '../formats/stored.js';
import { type ConvNode, type Graph, INPUT, type LinearNode, type Node } from '../graph/nodes.js';
import { PREFIX, type State } from '../models/mobilenet-v2/weights.js';
import { Tensor } from '../tensor/tensor.js';
import { type Mapping, NORM_PARTS, same } from './mapping.js';
import { smallUint8 } from './tflite-state.js';

/** The end of a range; not what training keeps beside it, `…/min/biased`. */
export const RANGE = /\/(?:weights|act|conv|add|input|post_activation_bypass)_quant\/(?:min|max)$/;

/** What training says nothing about: the converter is told that a byte p stands for (p − 128) / 128, and so were the published files. */
const PIXEL = { scale: 1 / 128, zeroPoint: 128 };
export const PIXELS = [-1, 127 / 128] as const;

/** Weights are from 1 to 255, so that their products fit into 16 bits in pairs (`narrow_range`). */
const LOWEST_WEIGHT = 1;
const HIGHEST = 255;

/** Names of ranges of what a convolution makes, and of a block's sum, by the versions of the rewriter. */
const OF_LAYERS = ['act_quant', 'conv_quant'];
const OF_SUMS = ['post_activation_bypass_quant', 'add_quant', 'act_quant'];

interface SlimParts {
  weights: Mapping['weights'];
  /** Ends of ranges by their names. */
  ranges: ReadonlyMap<string, StoredTensor>;
  /** Slim's scope of a node. */
  scopes: ReadonlyMap<string, string>;
  /** Named in messages. */
  file: string;
}

/** real = scale · (raw − zeroPoint); `scale` is not yet rounded to float32. */
interface ValueScale {
  scale: number;
  zeroPoint: number;
}

type Range = readonly [low: number, high: number];

/**
 * @param graph in real numbers
 * @throws MobileNetError QUANT naming ranges that are missing or cannot be; NONFINITE
 */
export function slimState(graph: Graph, parts: SlimParts): State {
  return new Reader(parts).read(graph);
}

class Reader {
  readonly #parts: SlimParts;
  readonly #missing: string[] = [];

  constructor(parts: SlimParts) {
    this.#parts = parts;
  }

  read({ nodes }: Graph): State {
    // A segmenter's checkpoint may lack the last convolution, which its head does not read.
    const kept = nodes.filter((node) => !isLayer(node) || this.#parts.weights.has(`${pathOf(node)}.weight`));
    const ranges = this.#valueRanges(kept);
    const ofWeights = new Map(kept.filter(isLayer).map((node) => [node.name, this.#weightRange(node.name)]));
    this.#refuseMissing();
    const scales = new Map(Array.from(ranges, ([name, range]) => [name, scaleOf(range!, 0)]));
    scales.set(INPUT, PIXEL);
    const state: State = new Map();
    for (const node of kept) {
      if (isLayer(node)) this.#addLayer(state, node, ofWeights.get(node.name)!, scales.get(node.input)!.scale);
    }
    const prefix = nodes.some((node) => isLayer(node) && node.weight.startsWith(PREFIX)) ? PREFIX : '';
    for (const [name, { scale, zeroPoint }] of scales) {
      const path = name === INPUT || isOfHead(name) ? name : `${prefix}${name}`;
      state.set(`${path}.scale`, new Tensor('float32', [scale], []));
      state.set(`${path}.zero_point`, new Tensor('int32', [zeroPoint], []));
    }
    return state;
  }

  /** Of all values but the picture; undefined for those whose names are then in #missing. */
  #valueRanges(nodes: readonly Node[]): Map<string, Range | undefined> {
    const ranges = new Map<string, Range | undefined>();
    for (const node of nodes) ranges.set(node.name, this.#valueRange(node, ranges));
    return ranges;
  }

  #valueRange(node: Node, before: ReadonlyMap<string, Range | undefined>): Range | undefined {
    switch (node.op) {
      case 'average_pool':
      case 'resize':
        return before.get(node.input);
      case 'concat': {
        const [a, b] = [before.get(node.input), before.get(node.other)];
        return a && b && [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
      }
      case 'add': {
        // layer.3.add is expanded_conv_4.
        const block = `MobilenetV2/expanded_conv_${Number(node.name.split('.')[1]) + 1}`;
        return this.#range(OF_SUMS.map((name) => `${block}/${name}`));
      }
      default:
        return this.#range(OF_LAYERS.map((name) => `${this.#parts.scopes.get(node.name)}/${name}`));
    }
  }

  #weightRange(node: string): Range | undefined {
    return this.#range([`${this.#parts.scopes.get(node)}/weights_quant`]);
  }

  /** The first of them that is there. */
  #range(names: readonly string[]): Range | undefined {
    const { ranges, file } = this.#parts;
    const name = names.find((one) => ranges.has(`${one}/min`) || ranges.has(`${one}/max`)) ?? names[0];
    const ends = ['min', 'max'].map((end) => ranges.get(`${name}/${end}`));
    const [low, high] = ends.map((stored) => stored && Number(same(stored).read().data[0]));
    if (low === undefined || high === undefined) {
      this.#missing.push(...['min', 'max'].map((end) => `${name}/${end}`).filter((end) => !ranges.has(end)));
      return undefined;
    }
    if (low < high) return [low, high];
    throw new MobileNetError(
      'QUANT',
      `${show(name)}: expected min below max, got ${low} and ${high} in ${file}; dtype: 'fp32' takes the real numbers`,
      { file, tensor: `${name}/min` },
    );
  }

  #refuseMissing(): void {
    const names = this.#missing;
    if (names.length === 0) return;
    const { file } = this.#parts;
    throw new MobileNetError(
      'QUANT',
      `${file}: was trained for 8 bits, but lacks ${names.length} ends of ranges (${listNames(names, 4, 250)}); dtype: 'fp32' takes the real numbers`,
      { file, tensor: names[0], names },
    );
  }

  #addLayer(state: State, node: ConvNode | LinearNode, range: Range, inputScale: number): void {
    const path = node.weight.slice(0, -'.weight'.length);
    const { kernel, dims, bias } = this.#folded(node);
    const { scale, zeroPoint } = scaleOf(range, LOWEST_WEIGHT);
    const small = smallUint8(wholeWeights(kernel, range, zeroPoint), zeroPoint);
    const step = inputScale * scale;
    const biases = mapped(new Int32Array(bias.length), bias, (value, k) => this.#wholeBias(value / step, path, k));
    state.set(`${path}.weight`, new Tensor('int8', small.numbers, dims));
    if (small.zeroPoint !== 0) state.set(`${path}.weight_zero_point`, new Tensor('int32', [small.zeroPoint], []));
    state.set(`${path}.weight_scale`, new Tensor('float32', new Float32Array(bias.length).fill(scale), [bias.length]));
    state.set(`${path}.bias`, new Tensor('int32', biases, [bias.length]));
  }

  /** Halves away from zero. */
  #wholeBias(steps: number, path: string, channel: number): number {
    const whole = Math.sign(steps) * Math.round(Math.abs(steps));
    if (Math.abs(whole) < 2 ** 31) return whole;
    const { file } = this.#parts;
    const message = `${path}.bias: expected at most 2^31 steps of the range of its weights, got ${whole} in channel ${channel} of ${file}`;
    throw new MobileNetError('QUANT', message, { file, tensor: `${path}.bias` });
  }

  /** Weights and bias with the batch norm in them, each product rounded as the graph of TensorFlow rounds it. */
  #folded(node: ConvNode | LinearNode): { kernel: Float32Array; dims: readonly number[]; bias: Float32Array } {
    const path = pathOf(node);
    const floats = (name: string) => this.#parts.weights.get(name)!.read();
    const { data, dims } = floats(`${path}.weight`);
    if (node.op === 'linear' || node.norm === null) {
      return { kernel: data, dims, bias: floats(`${path}.bias`).data };
    }
    const norm = path.replace(/convolution$/, 'normalization');
    const [gamma, beta, mean, variance] = NORM_PARTS.map((part) => floats(`${norm}.${part}`).data);
    const { fround, sqrt } = Math;
    const epsilon = fround(node.norm.epsilon);
    const factor = mapped(
      new Float32Array(gamma.length),
      gamma,
      (one, k) => one * fround(1 / sqrt(fround(variance[k] + epsilon))),
    );
    const each = data.length / factor.length;
    return {
      kernel: mapped(new Float32Array(data.length), data, (value, i) => value * factor[Math.floor(i / each)]),
      dims,
      bias: mapped(new Float32Array(beta.length), beta, (one, k) => one - fround(mean[k] * factor[k])),
    };
  }
}

/**
 * As FakeQuantWithMinMaxVars has it, in float32: floor((w − min) / scale − zero + ½), where min is moved so that zero is whole.
 * Weights that lie in the middle of two numbers are many, so the order of its operations counts.
 */
function wholeWeights(kernel: Float32Array, [low, high]: Range, zeroPoint: number): Uint8Array {
  const { fround, floor, min, max } = Math;
  const scale = fround(fround(high - low) / (HIGHEST - LOWEST_WEIGHT));
  const zero = within(floor(fround(fround(LOWEST_WEIGHT - fround(low / scale)) + 0.5)), LOWEST_WEIGHT);
  const [least, most] = [LOWEST_WEIGHT, HIGHEST].map((end) => fround((end - zero) * scale));
  const steps = floor(fround(fround(-least * fround(1 / scale)) + 0.5));
  return mapped(new Uint8Array(kernel.length), kernel, (value) => {
    const above = fround(fround(min(max(value, least), most) - least) / scale);
    return within(floor(fround(fround(above - steps) + 0.5)) + zeroPoint, LOWEST_WEIGHT);
  });
}

const isLayer = (node: Node): node is ConvNode | LinearNode => node.op === 'convolution' || node.op === 'linear';

const isOfHead = (name: string): boolean => name === 'classifier' || name.startsWith('segmentation_head.');

/** The layer by the name that its tensors have in the mapping, where the backbone's always have their prefix. */
function pathOf({ name, op }: ConvNode | LinearNode): string {
  const path = isOfHead(name) ? name : `${PREFIX}${name}`;
  return op === 'linear' ? path : `${path}.convolution`;
}

const within = (raw: number, lowest: number): number => Math.min(Math.max(raw, lowest), HIGHEST);

/** Zero is a whole number, for padding has to be exact: it is computed from that end where less is lost. */
function scaleOf([low, high]: Range, lowest: number): ValueScale {
  const scale = (high - low) / (HIGHEST - lowest);
  const [below, above] = [low / scale, high / scale];
  const zero = lowest + Math.abs(below) < HIGHEST + Math.abs(above) ? lowest - below : HIGHEST - above;
  return { scale, zeroPoint: within(Math.round(zero), lowest) };
}
