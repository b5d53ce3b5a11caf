/**
 * What every kernel is told: an operation, the type of its elements, and sizes. No kernel knows a weight's name, a layer or a
 * model. Inside the network buffers are NHWC; the first convolution alone reads NCHW, the picture's own layout, so that
 * no one has to transpose it first.
 */

/** Type of elements. A kernel says with which it can work. */
export type ElementType = 'f32';

/** Bytes of an element. */
export const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = { f32: 4 };

/** A fused activation is a clamp of the stored value; anything else is a step of its own (activation/plain.ts). */
export type FusedActivation = 'none' | 'relu' | 'relu6';

/** The bounds of a fused activation: `Math.min(Math.max(v, lo), hi)`, which lets NaN through. */
export function clampBounds(activation: FusedActivation): { lo: number; hi: number } {
  return { lo: activation === 'none' ? -Infinity : 0, hi: activation === 'relu6' ? 6 : Infinity };
}

/** 3×3 convolution over all channels. x [N,C,H,W] · w [K,C,3,3] · bias [K] → y [N,OH,OW,K]. */
export interface Conv3x3Spec {
  op: 'conv3x3';
  dtype: ElementType;
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
  dtype: ElementType;
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
  /** x has room for so many rows only, and row h is at h mod that; batch is 1 then. Default: for all (runtime/compile/bands.ts). */
  rowsHeld?: number;
}

/**
 * 1×1 convolution, which is a matrix product. x [N,P,C] · w [K,C] · bias [K] or [N,K] → y [N,P,K], P pixels an image.
 * With a residual [N,P,K] that is added after bias and before the activation (MobileNetV2 has no activation there).
 * A linear layer is this with P = 1.
 */
export interface PointwiseSpec {
  op: 'pointwise';
  dtype: ElementType;
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
  dtype: ElementType;
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
  dtype: ElementType;
  batch: number;
  inHeight: number;
  inWidth: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  alignCorners: boolean;
}

/** y = x + other, all of `size` elements. */
export interface AddSpec {
  op: 'add';
  dtype: ElementType;
  size: number;
}

/** Channels side by side. x [pixels,C1] ‖ other [pixels,C2] → y [pixels,C1+C2]. */
export interface ConcatSpec {
  op: 'concat';
  dtype: ElementType;
  pixels: number;
  channels1: number;
  channels2: number;
}

/** y = (x − mean) / √(var + epsilon) · gamma + beta, a channel at a time; weights are [4,C]: gamma, beta, mean, var. */
export interface BatchNormSpec {
  op: 'batch_norm';
  dtype: ElementType;
  pixels: number;
  channels: number;
  epsilon: number;
}

/** y = f(x), elementwise; `x` and `y` may be the same buffer. */
export interface ActivationSpec {
  op: 'activation';
  dtype: ElementType;
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

/** Three convolutions done together, a band of rows at a time, by kernels of their own (runtime/compile/bands.ts). */
export interface InvertedResidualSpec {
  op: 'inverted_residual';
  /** What makes the wide tensor: the expansion, or the network's first convolution. */
  widen: PointwiseSpec | Conv3x3Spec;
  filter: DepthwiseSpec;
  project: PointwiseSpec;
  /** Output rows of a band. */
  bandRows: number;
}

/** Who computes: plain loops to read, fast JavaScript, or emitted WebAssembly. */
export type EngineName = 'reference' | 'js' | 'wasm';

/** `depthwise3x3_s2_f32_relu6__js`: cache key, profiler row, bench row and test title in one. */
export function kernelName(spec: Spec | InvertedResidualSpec, engine: EngineName): string {
  if (spec.op === 'inverted_residual') {
    return `${spec.op}_s${spec.filter.stride}_${spec.filter.dtype}${spec.project.residual ? '_add' : ''}__${engine}`;
  }
  const parts: string[] = [spec.op];
  if ('stride' in spec) parts.push(`s${spec.stride}`);
  if ('dilation' in spec && spec.dilation > 1) parts.push(`d${spec.dilation}`);
  parts.push(spec.dtype);
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
