/**
 * One value of a layer, computed by hand: the numbers it looks at, its weights, their products, and the sum. Batch norm is
 * multiplied into the weights, as when the network runs.
 */
import type { GraphNode } from 'mobilenet-v2';

/** Tensors, of which data and shape are enough. */
type State = ReadonlyMap<string, { data: ArrayLike<number | bigint> }>;
interface Values {
  data: Float32Array;
  dims: readonly number[];
}
type Conv = Extract<GraphNode, { op: 'convolution' }>;

/** A weight, the value of the input that it is multiplied with, and their product. */
export interface Term {
  channel: number;
  /** Row and column of the input; outside of it lies padding, which is 0. */
  y: number;
  x: number;
  value: number;
  weight: number;
  product: number;
}

export interface HandSum {
  terms: Term[];
  bias: number;
  /** Of all terms and the bias. */
  sum: number;
  activation: string;
  /** The sum after the activation: what the network has to have, too. */
  result: number;
}

/** Rows or columns of padding before the input, as TensorFlow or PyTorch pad. */
function paddingBefore({ padding, kernel, stride, dilation }: Conv, length: number): number {
  if (padding === 'symmetric') return ((kernel - 1) / 2) * dilation;
  const out = Math.ceil(length / stride);
  return Math.floor(Math.max(0, (out - 1) * stride + kernel - length) / 2) * dilation;
}

/** Weights are multiplied with `scale`, and `bias` is added: norm(x) = x · scale + bias. */
function normOf(state: State, { norm, bias }: Conv, channel: number): { scale: number; bias: number } {
  const of = (name: string) => Number(state.get(name)!.data[channel]);
  const own = bias === null ? 0 : of(bias);
  if (norm === null) return { scale: 1, bias: own };
  const { prefix, epsilon } = norm;
  const scale = of(`${prefix}.weight`) / Math.sqrt(of(`${prefix}.running_var`) + epsilon);
  return { scale, bias: of(`${prefix}.bias`) + (own - of(`${prefix}.running_mean`)) * scale };
}

/**
 * @param input what the layer reads [1,C,h,w]
 * @param at the channel, row and column of the value
 */
export function sumByHand(
  node: Conv,
  state: State,
  input: Values,
  at: { channel: number; y: number; x: number },
): HandSum {
  const [, , height = 1, width = 1] = input.dims;
  const { kernel, groups, stride, dilation, outChannels, inChannels, activation } = node;
  const weights = state.get(node.weight)!.data;
  const { scale, bias } = normOf(state, node, at.channel);
  const read = inChannels / groups;
  const first = Math.floor(at.channel / (outChannels / groups)) * read;
  const [top, left] = [paddingBefore(node, height), paddingBefore(node, width)];
  const terms: Term[] = [];
  let sum = bias;
  for (let c = 0; c < read; c++) {
    for (let r = 0; r < kernel; r++) {
      for (let s = 0; s < kernel; s++) {
        const [y, x] = [at.y * stride - top + r * dilation, at.x * stride - left + s * dilation];
        const inside = y >= 0 && y < height && x >= 0 && x < width;
        const value = inside ? input.data[((first + c) * height + y) * width + x] : 0;
        const weight = Number(weights[((at.channel * read + c) * kernel + r) * kernel + s]) * scale;
        terms.push({ channel: first + c, y, x, value, weight, product: value * weight });
        sum += value * weight;
      }
    }
  }
  return { terms, bias, sum, activation, result: activated(activation, sum) };
}

function activated(name: string, value: number): number {
  if (name === 'relu6') return Math.min(6, Math.max(0, value));
  if (name === 'relu') return Math.max(0, value);
  return value;
}
