/** The weights of a layer as whole numbers, a scale for each output channel, and the bias in steps of its sums. */
import { MobileNetError } from '../base/errors.js';
import type { ConvNode, LinearNode } from '../graph/nodes.js';
import { foldFactors } from '../layers/batch-norm/fold.js';
import type { Levels } from './dtypes.js';

/** A layer as one affine function: batch norm is in its weights. */
export interface FoldedLayer {
  name: string;
  /** [K, perOutput] in float64. */
  weight: Float64Array;
  /** [K] */
  bias: Float64Array;
  outChannels: number;
  /** Weights of one output: input channels of its group, each with its taps. */
  perOutput: number;
  /** Kernel height times width. */
  taps: number;
  /** 1, or as many as there are channels. */
  groups: number;
}

/** What a layer of whole numbers reads: real = scale · number, and no number is greater than `most`. */
export interface LayerInput {
  scale: number;
  most: number;
  /** What was added to the input, in real numbers; the bias takes it away. */
  shift: number;
  /** The mean of each channel over the pictures, for the correction of the bias; null leaves the bias alone. */
  means: Float64Array | null;
}

/** real weight = scale[k] · weight, real bias = scale[k] · the input's scale · bias. */
export interface QuantizedLayer {
  weight: Int8Array | Int16Array;
  weightScale: Float32Array;
  bias: Int32Array;
}

/** Sums are of 32 bits; a hundredth is left for the rounding of weights. */
const MOST_SUM = 0.99 * 2 ** 31;
/** Biases up to here are exact as float32, which they become when they are scaled. */
const MOST_BIAS = 2 ** 24;

/** Batch norm multiplied into the weights, in float64. */
export function foldLayer(node: ConvNode | LinearNode, floats: (name: string) => Float32Array): FoldedLayer {
  const { name, inChannels, outChannels } = node;
  const [kernel, groups] = node.op === 'linear' ? [1, 1] : [node.kernel, node.groups];
  const taps = kernel * kernel;
  const perOutput = (inChannels / groups) * taps;
  const weight = new Float64Array(floats(node.weight));
  let bias = node.bias === null ? new Float64Array(outChannels) : new Float64Array(floats(node.bias));
  if (node.op === 'convolution' && node.norm !== null) {
    const { prefix, epsilon } = node.norm;
    const [gamma, beta] = [floats(`${prefix}.weight`), floats(`${prefix}.bias`)];
    const [mean, variance] = [floats(`${prefix}.running_mean`), floats(`${prefix}.running_var`)];
    const own = node.bias === null ? undefined : floats(node.bias);
    const factors = foldFactors({ bias: own, gamma, beta, mean, variance, epsilon });
    for (let i = 0; i < weight.length; i++) weight[i] *= factors.scale[Math.floor(i / perOutput)];
    bias = new Float64Array(factors.bias);
  }
  return { name, weight, bias, outChannels, perOutput, taps, groups };
}

/**
 * Each output channel has a scale of its own, the least with which all of its weights fit. A channel whose weights are all but
 * zero gets one with which its bias fits.
 */
export function quantizeLayer(layer: FoldedLayer, input: LayerInput, levels: Levels): QuantizedLayer {
  const { outChannels, perOutput } = layer;
  const weight = new (levels.weight > 127 ? Int16Array : Int8Array)(layer.weight.length);
  const weightScale = new Float32Array(outChannels);
  const bias = new Int32Array(outChannels);
  for (let k = 0; k < outChannels; k++) {
    const own = layer.weight.subarray(k * perOutput, (k + 1) * perOutput);
    const shifted = layer.bias[k] - input.shift * own.reduce((sum, w) => sum + w, 0);
    const scale = channelScale(layer, k, own, shifted, input, levels);
    weightScale[k] = scale;
    for (let i = 0; i < perOutput; i++) weight[k * perOutput + i] = Math.round(own[i] / scale);
    const rounded = weight.subarray(k * perOutput, (k + 1) * perOutput);
    const corrected = shifted - expectedShift(layer, k, own, rounded, scale, input.means);
    bias[k] = Math.min(Math.max(Math.round(corrected / (input.scale * scale)), -MOST_BIAS), MOST_BIAS);
  }
  return { weight, weightScale, bias };
}

/** The scale of channel k, a float32 number. */
function channelScale(
  { name }: FoldedLayer,
  k: number,
  weights: Float64Array,
  bias: number,
  input: LayerInput,
  levels: Levels,
): number {
  let [most, sum] = [0, 0];
  for (const w of weights) {
    most = Math.max(most, Math.abs(w));
    sum += Math.abs(w);
  }
  const offset = Math.abs(bias) / input.scale;
  if (!Number.isFinite(sum + offset)) {
    throw new MobileNetError('NONFINITE', `${name}: weights of channel ${k} are not finite numbers`, { tensor: name });
  }
  const scale = Math.max(most / levels.weight, (sum * input.most + offset) / MOST_SUM, (2 * offset) / MOST_BIAS);
  // Rounded up, so that the largest weight is not one step beyond the last.
  const rounded = Math.fround(scale * (1 + 2 ** -23));
  return rounded > 0 ? rounded : 1;
}

/** By how much the outputs of channel k are greater on average because its weights were rounded. */
function expectedShift(
  { perOutput, taps, groups }: FoldedLayer,
  k: number,
  weights: Float64Array,
  rounded: Int8Array | Int16Array,
  scale: number,
  means: Float64Array | null,
): number {
  if (means === null) return 0;
  let shift = 0;
  for (let i = 0; i < perOutput; i++) {
    const channel = groups === 1 ? Math.floor(i / taps) : k;
    shift += (rounded[i] * scale - weights[i]) * means[channel];
  }
  return shift;
}
