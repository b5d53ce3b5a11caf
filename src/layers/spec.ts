/**
 * What every kernel is told, and the one signature all of them share. A spec holds sizes and nothing else; no kernel
 * knows a weight's name, a layer or a model.
 *
 * All buffers are float32. Inside the network they are NHWC; the first convolution alone reads NCHW, the picture's own
 * layout, so that no one has to transpose it first.
 */

import type { ModuleBuilder } from '../tensor/wasm/assembler.js';

/** A fused activation is a clamp of the stored value; anything else is a step of its own (activation.ts). */
export type FusedActivation = 'none' | 'relu' | 'relu6';

/** The bounds of a fused activation: `Math.min(Math.max(v, lo), hi)`, which lets NaN through. */
export function clampBounds(activation: FusedActivation): { lo: number; hi: number } {
  return { lo: activation === 'none' ? -Infinity : 0, hi: activation === 'relu6' ? 6 : Infinity };
}

/** 3×3 convolution over all channels. x [N,C,H,W] · w [K,C,3,3] · bias [K] → y [N,OH,OW,K]. */
export interface Conv3x3Spec {
  op: 'conv3x3';
  batch: number;
  inHeight: number;
  inWidth: number;
  inChannels: number;
  outHeight: number;
  outWidth: number;
  outChannels: number;
  stride: 1 | 2;
  /** Rows and columns of zeros before the input; after it as many as the output needs. */
  padTop: number;
  padLeft: number;
  activation: FusedActivation;
}

/** 3×3 convolution of each channel by itself. x [N,H,W,C] · w [C,1,3,3] · bias [C] → y [N,OH,OW,C]. */
export interface DepthwiseSpec {
  op: 'depthwise3x3';
  batch: number;
  inHeight: number;
  inWidth: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  stride: 1 | 2;
  dilation: number;
  padTop: number;
  padLeft: number;
  activation: FusedActivation;
  /** x has room for so many rows only, and row h is at h mod that; batch is 1 then. Default: for all (bands.ts). */
  rowsHeld?: number;
}

/**
 * 1×1 convolution, which is a matrix product. x [N,P,C] · w [K,C] · bias [K] or [N,K] → y [N,P,K], P pixels an image.
 * With a residual [N,P,K] that is added after bias and before the activation (MobileNetV2 has no activation there).
 * A linear layer is this with P = 1.
 */
export interface PointwiseSpec {
  op: 'pointwise';
  batch: number;
  pixels: number;
  inChannels: number;
  outChannels: number;
  /** True when the bias is [N,K], one row an image: the pooled branch of DeepLabV3+ comes in this way. */
  biasPerImage: boolean;
  residual: boolean;
  activation: FusedActivation;
}

/** Average over a window, stride 1, no padding. x [N,H,W,C] → y [N,H-R+1,W-S+1,C]. Global pooling has R×S = H×W. */
export interface AveragePoolSpec {
  op: 'average_pool';
  batch: number;
  inHeight: number;
  inWidth: number;
  channels: number;
  kernelHeight: number;
  kernelWidth: number;
}

/** Bilinear resize. x [N,H,W,C] → y [N,OH,OW,C]. `alignCorners` as in torch.nn.functional.interpolate. */
export interface ResizeSpec {
  op: 'resize_bilinear';
  batch: number;
  inHeight: number;
  inWidth: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  alignCorners: boolean;
}

/** y = x + residual, all of `size` elements. */
export interface AddSpec {
  op: 'add';
  size: number;
}

/** Channels side by side. x [pixels,C1] ‖ residual [pixels,C2] → y [pixels,C1+C2]. */
export interface ConcatSpec {
  op: 'concat';
  pixels: number;
  channels1: number;
  channels2: number;
}

/** y = (x − mean) / √(var + epsilon) · gamma + beta, a channel at a time; weights are [4,C]: gamma, beta, mean, var. */
export interface BatchNormSpec {
  op: 'batch_norm';
  pixels: number;
  channels: number;
  epsilon: number;
}

/** y = f(x), elementwise; `x` and `y` may be the same buffer. */
export interface ActivationSpec {
  op: 'activation';
  size: number;
  function: string;
}

export type Spec =
  | Conv3x3Spec
  | DepthwiseSpec
  | PointwiseSpec
  | AveragePoolSpec
  | ResizeSpec
  | AddSpec
  | ConcatSpec
  | BatchNormSpec
  | ActivationSpec;

/** Three convolutions done together, a band of rows at a time, by kernels of their own (runtime/bands.ts). */
export interface InvertedResidualSpec {
  op: 'inverted_residual';
  /** What makes the wide tensor: the expansion, or the network's first convolution. */
  widen: PointwiseSpec | Conv3x3Spec;
  filter: DepthwiseSpec;
  project: PointwiseSpec;
  /** Output rows of a band. */
  bandRows: number;
}

/** A factor for the weights of each output channel, or null for none (batchnorm.ts). */
export type Scale = Float64Array | null;

/** Weights [K, …] times their factors, rounded to float32 once; themselves where there are none. */
export function scaled(weights: Float32Array, scale: Scale): Float32Array {
  if (scale === null) return weights;
  const perChannel = weights.length / scale.length;
  const result = new Float32Array(weights.length);
  for (const [k, factor] of scale.entries()) {
    for (let i = k * perChannel; i < (k + 1) * perChannel; i++) result[i] = weights[i] * factor;
  }
  return result;
}

/** What stands for an operand that a kernel does not use. */
export const NONE = new Float32Array(0);

/**
 * One implementation of one operation.
 *
 * `run` writes all of `y` and touches nothing else; operands never overlap unless the spec allows it. It allocates
 * nothing that lives on.
 */
export interface Kernel<S extends Spec = Spec> {
  readonly op: S['op'];
  readonly engine: 'reference' | 'js';
  /** Whether this kernel can do this spec; the first of a list that can is taken. */
  supports(spec: S): boolean;
  /**
   * Weights from the checkpoint's order to the order this kernel reads them in, times their factors. Not called where
   * there are none.
   */
  pack(spec: S, weights: Float32Array, scale?: Scale): Float32Array;
  run(
    spec: S,
    x: Float32Array,
    weights: Float32Array,
    bias: Float32Array,
    residual: Float32Array,
    y: Float32Array,
  ): void;
}

/** Byte addresses of a step's operands in the memory of the wasm engine. */
export interface Addresses {
  x: number;
  weights: number;
  bias: number;
  residual: number;
  y: number;
  /** 16 zeros: what lies outside a picture. */
  zeros: number;
}

/**
 * One call of an emitted function, and how threads share it: arguments `at` and `at + 1` are the bounds of the part that
 * is computed, here those of the whole, and parts begin at multiples of the grain.
 */
export interface Call {
  name: string;
  args: number[];
  split: { at: number; grain: number };
}

/**
 * An operation in WebAssembly: functions that are emitted once and serve every size, and the calls that make a step.
 * Results do not depend on how a call is split.
 */
export interface WasmKernel<S extends Spec = Spec> {
  readonly op: S['op'];
  readonly engine: 'wasm';
  supports(spec: S): boolean;
  /**
   * Weights from the checkpoint's order to the order this kernel reads them in, times their factors. `room` gives a
   * place for so many, not cleared; a kernel with many weights uses it, to spare a copy.
   */
  pack(spec: S, weights: Float32Array, scale?: Scale, room?: (length: number) => Float32Array): Float32Array;
  emit(module: ModuleBuilder): void;
  calls(spec: S, at: Addresses): Call[];
}

/** Who computes: plain loops to read, fast JavaScript, or emitted WebAssembly. */
export type Engine = 'reference' | 'js' | 'wasm';

/** A kernel whose plain loop is already the fast one: every engine that has none of its own takes it (kernels.ts). */
export type PlainKernel<S extends Spec> = Omit<Kernel<S>, 'engine'>;

/** `depthwise3x3_s2_f32_relu6__js`: cache key, profiler row, bench row and test title in one. */
export function kernelName(spec: Spec | InvertedResidualSpec, engine: Engine): string {
  if (spec.op === 'inverted_residual') {
    return `${spec.op}_s${spec.filter.stride}_f32${spec.project.residual ? '_add' : ''}__${engine}`;
  }
  const parts: string[] = [spec.op];
  if ('stride' in spec) parts.push(`s${spec.stride}`);
  if ('dilation' in spec && spec.dilation > 1) parts.push(`d${spec.dilation}`);
  parts.push('f32');
  if (spec.op === 'activation') parts.push(spec.function);
  if ('activation' in spec && spec.activation !== 'none') parts.push(spec.activation);
  if (spec.op === 'pointwise' && spec.residual) parts.push('add');
  return `${parts.join('_')}__${engine}`;
}

/** Multiply-adds of a step, counted as the paper does: convolutions and linear layers, nothing else. */
export function multiplyAdds(spec: Spec | InvertedResidualSpec): number {
  switch (spec.op) {
    case 'inverted_residual':
      return multiplyAdds(spec.widen) + multiplyAdds(spec.filter) + multiplyAdds(spec.project);
    case 'conv3x3':
      return spec.batch * spec.outHeight * spec.outWidth * spec.outChannels * spec.inChannels * 9;
    case 'depthwise3x3':
      return spec.batch * spec.outHeight * spec.outWidth * spec.channels * 9;
    case 'pointwise':
      return spec.batch * spec.pixels * spec.inChannels * spec.outChannels;
    default:
      return 0;
  }
}
