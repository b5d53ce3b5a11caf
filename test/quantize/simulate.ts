/**
 * A quantized network in plain loops, written from the rules of docs/quantization.md and not from the engines: every sum is
 * exact in float64. Slow; an oracle for small networks, and for experiments.
 */
import type { Graph, Node } from '../../src/graph/nodes.js';
import { INPUT } from '../../src/graph/nodes.js';
import { LEVELS, type QuantizedDtype } from '../../src/quantize/dtypes.js';
import type { Tensor } from '../../src/tensor/tensor.js';

/** Centered numbers, NHWC. */
export interface Numbers {
  data: Int32Array;
  batch: number;
  height: number;
  width: number;
  channels: number;
  scale: number;
  /** The least and greatest number. */
  lo: number;
  hi: number;
}

type State = ReadonlyMap<string, Tensor>;

const f32 = Math.fround;

function halfEven(v: number): number {
  const floor = Math.floor(v);
  const rest = v - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

const clamp = (v: number, lo: number, hi: number) => Math.min(Math.max(v, lo), hi);

/** All values by the names of nodes. @param pixels [N,C,H,W] */
export function simulate(graph: Graph, state: State, dtype: QuantizedDtype, pixels: Tensor<'float32'>) {
  const values = new Map<string, Numbers>();
  const { min, max } = LEVELS[dtype];
  const empty = (name: string, batch: number, height: number, width: number, channels: number): Numbers => {
    const path = state.has(`${name}.scale`) ? name : `mobilenet_v2.${name}`;
    const scale = Number(state.get(`${path}.scale`)!.data[0]);
    const zero = Number(state.get(`${path}.zero_point`)!.data[0]);
    const data = new Int32Array(batch * height * width * channels);
    return { data, batch, height, width, channels, scale, lo: min - zero, hi: max - zero };
  };
  const [N, C, H, W] = pixels.dims;
  const input = empty(INPUT, N, H, W, C);
  for (let n = 0; n < N; n++)
    for (let c = 0; c < C; c++)
      for (let i = 0; i < H * W; i++) {
        const x = pixels.data[(n * C + c) * H * W + i] / input.scale;
        input.data[(n * H * W + i) * C + c] = clamp(halfEven(f32(x)), input.lo, input.hi);
      }
  values.set(INPUT, input);
  for (const node of graph.nodes) values.set(node.name, compute(node, values, state, empty, dtype));
  return values;
}

type Empty = (name: string, batch: number, height: number, width: number, channels: number) => Numbers;

function compute(node: Node, values: Map<string, Numbers>, state: State, empty: Empty, dtype: QuantizedDtype): Numbers {
  const x = values.get(node.input)!;
  if (node.op === 'convolution' || node.op === 'linear') return convolution(node, x, state, empty);
  if (node.op === 'add')
    return add(x, values.get(node.other)!, empty(node.name, x.batch, x.height, x.width, x.channels), dtype);
  if (node.op === 'average_pool') return pool(x, empty(node.name, x.batch, 1, 1, x.channels));
  if (node.op === 'resize') {
    const like = values.get(node.like)!;
    const y = empty(node.name, x.batch, like.height, like.width, x.channels);
    if (x.height * x.width !== 1 || x.scale !== y.scale) throw new Error('only one pixel, and of one scale');
    for (let i = 0; i < y.data.length; i++) {
      const n = Math.floor(i / (y.height * y.width * y.channels));
      y.data[i] = x.data[n * x.channels + (i % x.channels)];
    }
    return y;
  }
  if (node.op === 'concat') {
    const other = values.get(node.other)!;
    const y = empty(node.name, x.batch, x.height, x.width, x.channels + other.channels);
    if (x.scale !== y.scale || other.scale !== y.scale) throw new Error('of one scale');
    for (let p = 0; p < x.batch * x.height * x.width; p++) {
      y.data.set(x.data.subarray(p * x.channels, (p + 1) * x.channels), p * y.channels);
      y.data.set(other.data.subarray(p * other.channels, (p + 1) * other.channels), p * y.channels + x.channels);
    }
    return y;
  }
  throw new Error(node.op);
}

function convolution(node: Extract<Node, { op: 'convolution' | 'linear' }>, x: Numbers, state: State, empty: Empty) {
  const isConv = node.op === 'convolution';
  const { kernel, stride, dilation, groups } = isConv ? node : { kernel: 1, stride: 1, dilation: 1, groups: 1 };
  const path = node.weight.replace(/\.weight$/, '');
  const w = Float64Array.from(state.get(node.weight)!.data as Int16Array);
  const scales = state.get(`${path}.weight_scale`)!.data as Float32Array;
  const bias = state.get(`${path}.bias`)!.data as Int32Array;
  const extent = (kernel - 1) * dilation + 1;
  const same = !isConv || node.padding === 'same';
  const outSize = (size: number) =>
    same ? Math.ceil(size / stride) : Math.floor((size + 2 * Math.floor(extent / 2) - extent) / stride) + 1;
  const before = (size: number) => {
    if (!same) return Math.floor(extent / 2);
    // TensorFlow's SAME as transformers has it: from the undilated kernel, then times the dilation.
    const rest = size % stride;
    const total = Math.max(kernel - (rest === 0 ? stride : rest), 0);
    return Math.floor(total / 2) * dilation;
  };
  const K = node.outChannels;
  const y = empty(node.name, x.batch, outSize(x.height), outSize(x.width), K);
  const activation = isConv ? node.activation : 'linear';
  const lo = activation === 'linear' ? y.lo : Math.max(y.lo, 0);
  const hi = activation === 'relu6' ? Math.min(y.hi, Math.floor(f32(f32(6 / y.scale) + 0.5))) : y.hi;
  const [top, left] = [before(x.height), before(x.width)];
  const perGroup = x.channels / groups;
  const acc = new Float64Array(K);
  const taps = kernel * kernel;
  const packed = pack(w, K, perGroup, taps);
  const multipliers = scales.map((s) => f32(f32(f32(x.scale) * s) / f32(y.scale)));
  const depthwise = groups > 1;
  for (let n = 0; n < x.batch; n++)
    for (let r = 0; r < y.height; r++)
      for (let c = 0; c < y.width; c++) {
        acc.set(bias);
        for (let t = 0; t < taps; t++) {
          const row = r * stride - top + Math.floor(t / kernel) * dilation;
          const column = c * stride - left + (t % kernel) * dilation;
          if (row < 0 || row >= x.height || column < 0 || column >= x.width) continue;
          const at = ((n * x.height + row) * x.width + column) * x.channels;
          if (depthwise) for (let k = 0; k < K; k++) acc[k] += x.data[at + k] * packed[t * K + k];
          else
            for (let i = 0; i < perGroup; i++) {
              const v = x.data[at + i];
              if (v === 0) continue;
              const base = (t * perGroup + i) * K;
              for (let k = 0; k < K; k++) acc[k] += v * packed[base + k];
            }
        }
        const to = ((n * y.height + r) * y.width + c) * K;
        for (let k = 0; k < K; k++) {
          if (Math.abs(acc[k]) >= 2 ** 31) throw new Error(`${node.name}: a sum of ${acc[k]}`);
          y.data[to + k] = clamp(halfEven(f32(f32(acc[k]) * multipliers[k])), lo, hi);
        }
      }
  return y;
}

/** [K,C,taps] to [taps,C,K]. */
function pack(w: Float64Array, K: number, C: number, taps: number): Float64Array {
  const packed = new Float64Array(w.length);
  for (let k = 0; k < K; k++)
    for (let c = 0; c < C; c++) for (let t = 0; t < taps; t++) packed[(t * C + c) * K + k] = w[(k * C + c) * taps + t];
  return packed;
}

/** Both scales as whole numbers of 21 bits over 2^shift (XNNPACK); with 12-bit numbers of 17, for sums must stay below 2^31. */
function add(a: Numbers, b: Numbers, y: Numbers, dtype: QuantizedDtype): Numbers {
  const [ra, rb] = [f32(f32(a.scale) / f32(y.scale)), f32(f32(b.scale) / f32(y.scale))];
  const shift = (dtype === 'int16' ? 16 : 20) - Math.floor(Math.log2(Math.max(ra, rb)));
  const [ma, mb] = [halfEven(f32(ra * 2 ** shift)), halfEven(f32(rb * 2 ** shift))];
  for (let i = 0; i < y.data.length; i++) {
    const sum = 2 ** (shift - 1) + a.data[i] * ma + b.data[i] * mb;
    if (Math.abs(sum) >= 2 ** 31) throw new Error(`add: ${sum}`);
    y.data[i] = clamp(Math.floor(sum / 2 ** shift), y.lo, y.hi);
  }
  return y;
}

function pool(x: Numbers, y: Numbers): Numbers {
  const size = x.height * x.width;
  const multiplier = f32(f32(x.scale) / f32(size * f32(y.scale)));
  for (let n = 0; n < x.batch; n++)
    for (let c = 0; c < x.channels; c++) {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += x.data[(n * size + i) * x.channels + c];
      y.data[n * x.channels + c] = clamp(halfEven(f32(f32(sum) * multiplier)), y.lo, y.hi);
    }
  return y;
}
