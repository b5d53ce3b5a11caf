/**
 * What every kernel is told: an operation, the type of its elements, and sizes. No kernel knows a weight's name, a layer or a
 * model. Inside the network buffers are NHWC; the first convolution alone reads NCHW, the picture's own layout, so that
 * no one has to transpose it first.
 */

/** Type of elements. A spec's `dtype` is that of what it makes; a kernel says which it can make. */
export type ElementType = 'f32' | 'i32' | 'i16' | 'i8';

/** Bytes of an element. */
export const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = { f32: 4, i32: 4, i16: 2, i8: 1 };

/** A fused activation is a clamp of the stored value; anything else is a step of its own (activation/plain.ts). */
export type FusedActivation = 'none' | 'relu' | 'relu6';

/** The bounds of a fused activation: `Math.min(Math.max(v, lo), hi)`, which lets NaN through. */
export function clampBounds(activation: FusedActivation): { lo: number; hi: number } {
  return { lo: activation === 'none' ? -Infinity : 0, hi: activation === 'relu6' ? 6 : Infinity };
}

/** Convolutions of real numbers: what becomes of a sum. */
export interface FloatStore {
  dtype: 'f32';
  activation: FusedActivation;
}

/**
 * Convolutions of whole numbers. Numbers are centered, real = scale · number, so that padding is zero: whatever the type in the
 * checkpoint, uint8, int8 or 12 bits, it is i16 here. A sum, with its bias exact in i32, becomes
 * y = clamp(round(f32(f32(sum) · multiplier[k])), lo, hi), ties to even (requantize.ts).
 */
export interface I16Store {
  dtype: 'i16';
  weights: 'i8' | 'i16';
  /** The bounds of y: those of its type and of the activation. */
  lo: number;
  hi: number;
}

interface Conv3x3Sizes {
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
}

/** 3×3 convolution over all channels. x [N,C,H,W] · w [K,C,3,3] · bias [K] → y [N,OH,OW,K]. */
export interface Conv3x3Spec extends Conv3x3Sizes, FloatStore {}
/** The same of whole numbers, but NHWC: x [N,H,W,C] · w [K,C,3,3] · bias, multiplier [K] → y [N,OH,OW,K]. */
export interface Conv3x3I16Spec extends Conv3x3Sizes, I16Store {}

interface DepthwiseSizes {
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
  /** x has room for so many rows only, and row h is at h mod that; batch is 1 then. Default: for all (runtime/compile/bands.ts). */
  rowsHeld?: number;
}

/** 3×3 convolution of each channel by itself. x [N,H,W,C] · w [C,1,3,3] · bias [C] → y [N,OH,OW,C]. */
export interface DepthwiseSpec extends DepthwiseSizes, FloatStore {}
/** The same of whole numbers. */
export interface DepthwiseI16Spec extends DepthwiseSizes, I16Store {}

interface PointwiseSizes {
  op: 'pointwise';
  batch: number;
  pixels: number;
  inChannels: number;
  outChannels: number;
  /** True when the bias is [N,K], one row an image: the pooled branch of DeepLabV3+ comes in this way. */
  biasPerImage: boolean;
}

/**
 * 1×1 convolution, which is a matrix product. x [N,P,C] · w [K,C] · bias [K] or [N,K] → y [N,P,K], P pixels an image.
 * With a residual [N,P,K] that is added after bias and before the activation (MobileNetV2 has no activation there).
 * A linear layer is this with P = 1.
 */
export interface PointwiseSpec extends PointwiseSizes, FloatStore {
  residual: boolean;
}
/** The same of whole numbers. There is no residual: two sums that are rounded by themselves are added by an addition. */
export interface PointwiseI16Spec extends PointwiseSizes, I16Store {}

/**
 * The sums of whole numbers that such a product has for one pixel of every image, as they are: what another convolution takes for
 * its bias. x [N,C] · w [K,C] · bias [K] → y [N,K].
 */
export interface SumsSpec {
  op: 'sums';
  dtype: 'i32';
  weights: 'i8' | 'i16';
  batch: number;
  inChannels: number;
  outChannels: number;
}

interface AveragePoolSizes {
  op: 'average_pool';
  batch: number;
  inHeight: number;
  inWidth: number;
  channels: number;
  kernelHeight: number;
  kernelWidth: number;
}

/** Average over a window, stride 1, no padding. x [N,H,W,C] → y [N,H-R+1,W-S+1,C]. Global pooling has R×S = H×W. */
export interface AveragePoolSpec extends AveragePoolSizes {
  dtype: 'f32';
}
/**
 * The same of whole numbers. With a multiplier, y = clamp(round(f32(f32(sum) · multiplier)), lo, hi), ties to even, as TFLite's
 * MEAN. Without, as its AVERAGE_POOL of uint8: y = clamp(floor((sum + floor(n/2)) / n), lo, hi), n numbers in a window.
 */
export interface AveragePoolI16Spec extends AveragePoolSizes {
  dtype: 'i16';
  multiplier: number | null;
  lo: number;
  hi: number;
}

interface ResizeSizes {
  op: 'resize_bilinear';
  batch: number;
  inHeight: number;
  inWidth: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  alignCorners: boolean;
}

/** Bilinear resize. x [N,H,W,C] → y [N,OH,OW,C]. `alignCorners` as in torch.nn.functional.interpolate. */
export interface ResizeSpec extends ResizeSizes {
  dtype: 'f32';
}
/**
 * The same of whole numbers, in float32 on numbers that count from `min`, the least that x can be, as TFLite's on uint8:
 * y = trunc(mean of (x − min) + 0.5) + min.
 */
export interface ResizeI16Spec extends ResizeSizes {
  dtype: 'i16';
  min: number;
}

/** y = x + other, all of `size` elements. */
export interface AddSpec {
  op: 'add';
  dtype: 'f32';
  size: number;
}
/** y = clamp((x · xMultiplier + other · otherMultiplier + 2^(shift − 1)) >> shift, lo, hi), as XNNPACK adds. */
export interface AddI16Spec {
  op: 'add';
  dtype: 'i16';
  size: number;
  xMultiplier: number;
  otherMultiplier: number;
  shift: number;
  lo: number;
  hi: number;
}

/** y = clamp(round(f32(x · multiplier)), lo, hi), ties to even: pixels x [N,C,P] in float32 → y [N,P,C]. */
export interface QuantizeI16Spec {
  op: 'quantize';
  dtype: 'i16';
  batch: number;
  channels: number;
  pixels: number;
  /** 1 / scale, in float32. */
  multiplier: number;
  lo: number;
  hi: number;
}

/** From one scale to another: y = clamp((x · multiplier + 128) >> 8, lo, hi), all of `size` elements, as XNNPACK has it. */
export interface RequantizeI16Spec {
  op: 'requantize';
  dtype: 'i16';
  size: number;
  /** 256 times the first scale over the second, rounded. */
  multiplier: number;
  lo: number;
  hi: number;
}

/** The first channel that has the largest number. x [pixels,C] → y [pixels]. */
export interface ArgmaxI16Spec {
  op: 'argmax';
  dtype: 'i16';
  pixels: number;
  channels: number;
}

interface ConcatSizes {
  op: 'concat';
  pixels: number;
  channels1: number;
  channels2: number;
}

/** Channels side by side. x [pixels,C1] ‖ other [pixels,C2] → y [pixels,C1+C2]. */
export interface ConcatSpec extends ConcatSizes {
  dtype: 'f32';
}
/** The same of whole numbers, which stay as they are. */
export interface ConcatI16Spec extends ConcatSizes {
  dtype: 'i16';
}

/** y = (x − mean) / √(var + epsilon) · gamma + beta, a channel at a time; weights are [4,C]: gamma, beta, mean, var. */
export interface BatchNormSpec {
  op: 'batch_norm';
  dtype: 'f32';
  pixels: number;
  channels: number;
  epsilon: number;
}

/** y = f(x), elementwise; `x` and `y` may be the same buffer. */
export interface ActivationSpec {
  op: 'activation';
  dtype: 'f32';
  size: number;
  function: string;
}

/** An operation on real numbers. */
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

/** An operation on whole numbers. */
export type I16Spec =
  | Conv3x3I16Spec
  | DepthwiseI16Spec
  | PointwiseI16Spec
  | SumsSpec
  | AveragePoolI16Spec
  | ResizeI16Spec
  | AddI16Spec
  | ConcatI16Spec
  | QuantizeI16Spec
  | RequantizeI16Spec
  | ArgmaxI16Spec;

export type AnySpec = Spec | I16Spec;

/** Three convolutions done together, a band of rows at a time, by kernels of their own (runtime/compile/bands.ts). */
export interface InvertedResidualSpec {
  op: 'inverted_residual';
  /** What makes the wide tensor: the expansion, or the network's first convolution. */
  widen: PointwiseSpec | Conv3x3Spec | PointwiseI16Spec | Conv3x3I16Spec;
  filter: DepthwiseSpec | DepthwiseI16Spec;
  project: PointwiseSpec | PointwiseI16Spec;
  /** Output rows of a band. */
  bandRows: number;
}

/** Whether the store of a product adds another value. */
export const hasResidual = (spec: PointwiseSpec | PointwiseI16Spec): boolean => spec.dtype === 'f32' && spec.residual;

/** Who computes: plain loops to read, fast JavaScript, or emitted WebAssembly. */
export type EngineName = 'reference' | 'js' | 'wasm';

/** What a kernel's name is made of, which the specs of training (backward/spec.ts) have too. */
export interface NamedSpec {
  op: string;
  dtype: ElementType;
  stride?: number;
  dilation?: number;
  weights?: ElementType;
  function?: string;
  activation?: FusedActivation;
  residual?: boolean;
}

/** `depthwise3x3_s2_f32_relu6__js`: cache key, profiler row, bench row and test title in one. */
export function kernelName(spec: NamedSpec | InvertedResidualSpec, engine: EngineName): string {
  if ('widen' in spec) {
    return `${spec.op}_s${spec.filter.stride}_${spec.filter.dtype}${hasResidual(spec.project) ? '_add' : ''}__${engine}`;
  }
  const { op, dtype, stride, dilation = 1, weights, function: named, activation = 'none', residual } = spec;
  const parts = [op];
  if (stride !== undefined) parts.push(`s${stride}`);
  if (dilation > 1) parts.push(`d${dilation}`);
  parts.push(dtype);
  if (weights === 'i16') parts.push('w16');
  if (named !== undefined) parts.push(named);
  if (activation !== 'none') parts.push(activation);
  if (residual) parts.push('add');
  return `${parts.join('_')}__${engine}`;
}

/** Multiply-adds of a step, counted as the paper does: convolutions and linear layers, nothing else. */
export function multiplyAdds(spec: AnySpec | InvertedResidualSpec): number {
  switch (spec.op) {
    case 'inverted_residual':
      return multiplyAdds(spec.widen) + multiplyAdds(spec.filter) + multiplyAdds(spec.project);
    case 'conv3x3':
      return spec.batch * spec.outHeight * spec.outWidth * spec.outChannels * spec.inChannels * 9;
    case 'depthwise3x3':
      return spec.batch * spec.outHeight * spec.outWidth * spec.channels * 9;
    case 'pointwise':
      return spec.batch * spec.pixels * spec.inChannels * spec.outChannels;
    case 'sums':
      return spec.batch * spec.inChannels * spec.outChannels;
    default:
      return 0;
  }
}
