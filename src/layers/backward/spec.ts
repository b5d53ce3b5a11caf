/**
 * What the kernels of training are told: gradients, batch norm over a batch, optimizers. As in ../spec.ts: sizes and operands,
 * no name of a weight. Buffers are NHWC, and NCHW where the picture is; weights and their gradients are in the checkpoint's order.
 *
 * Two rules besides those of forward kernels:
 * - a gradient of weights is **added** to what is in `y`: pictures come one after another, and a step is the sum of them;
 * - a sum over pixels has an order that depends on the sizes alone, never on threads. So calls are split by channels or by rows
 *   of the result, and the same bits come out for any number of threads.
 */
import type { FusedActivation } from '../spec.js';

interface Real {
  dtype: 'f32';
}

/** Sizes of a 3×3 convolution, as of the forward one. */
interface Window extends Real {
  batch: number;
  inHeight: number;
  inWidth: number;
  outHeight: number;
  outWidth: number;
  stride: 1 | 2;
  padTop: number;
  padLeft: number;
}

/** Gradient of the first convolution's weights. x [N,C,H,W], other = dy [N,OH,OW,K] → y += dW [K,C,3,3]. */
export interface Conv3x3DwSpec extends Window {
  op: 'conv3x3_dw';
  inChannels: number;
  outChannels: number;
}

/** Gradient of its input, the picture. x = dy [N,OH,OW,K], weights [K,C,3,3] → y = dX [N,C,H,W]. */
export interface Conv3x3DxSpec extends Window {
  op: 'conv3x3_dx';
  inChannels: number;
  outChannels: number;
}

/** Gradient of a depthwise convolution's weights. x [N,H,W,C], other = dy [N,OH,OW,C] → y += dW [C,1,3,3]. */
export interface DepthwiseDwSpec extends Window {
  op: 'depthwise3x3_dw';
  channels: number;
  dilation: number;
}

/**
 * Gradient of its input. x = dy [N,OH,OW,C], weights [C,1,3,3] → y = dX [N,H,W,C]. With a mask that input, other [N,H,W,C], came
 * out of a clamp, and y = dX is 0 where it is at or beyond a bound: an `activation_dx` in the same pass.
 */
export interface DepthwiseDxSpec extends Window {
  op: 'depthwise3x3_dx';
  channels: number;
  dilation: number;
  mask: FusedActivation;
}

/** Gradient of a 1×1 convolution's weights, dYᵀ·X. x [P,C], other = dy [P,K] → y += dW [K,C]. */
export interface PointwiseDwSpec extends Real {
  op: 'pointwise_dw';
  pixels: number;
  inChannels: number;
  outChannels: number;
}

/**
 * Gradient of its input, dY·W. x = dy [P,K], weights [K,C] → y = dX [P,C]. The residual [P,C] is the gradient that arrives by another
 * way. The mask is as of `depthwise3x3_dx`: other [P,C] came out of a clamp, and after the addition dX is 0 where it is at a bound.
 */
export interface PointwiseDxSpec extends Real {
  op: 'pointwise_dx';
  pixels: number;
  inChannels: number;
  outChannels: number;
  residual: boolean;
  mask: FusedActivation;
}

/** Sum over pixels, the gradient of a bias. x [P,C] → y += [C]. */
export interface ChannelSumSpec extends Real {
  op: 'channel_sum';
  pixels: number;
  channels: number;
}

/**
 * Through an activation. x, other = dy → y = dy · f′(x), all of `size`; y may be other. Of relu and relu6, x may be what went in
 * or what came out: f′ is 1 where 0 < x (< 6), and 0 at the bounds, as in PyTorch. Of all others, x is what went in.
 */
export interface ActivationDxSpec extends Real {
  op: 'activation_dx';
  size: number;
  function: string;
}

/** Mean and variance, biased, of each channel. x [P,C] → y [2,C]. */
export interface NormMomentsSpec extends Real {
  op: 'norm_moments';
  pixels: number;
  channels: number;
}

/** Moments of all pictures, from those of each; all have as many pixels. x [N,2,C] → y [2,C]. */
export interface NormMomentsJoinSpec extends Real {
  op: 'norm_moments_join';
  pictures: number;
  channels: number;
}

/** What norm_sums made of each picture, for all. x [N,2,C] → y [2,C]. */
export interface NormSumsJoinSpec extends Real {
  op: 'norm_sums_join';
  pictures: number;
  channels: number;
}

/** y = clamp(x · scale + shift). x [P,C], weights [2,C]: scales, then shifts → y [P,C]. */
export interface ScaleShiftSpec extends Real {
  op: 'scale_shift';
  pixels: number;
  channels: number;
  activation: FusedActivation;
}

/** What batch norm over a batch needs to go back. x [P,C] what went in, other = dy [P,C], weights = moments [2,C] → y [2,C]: Σ dy and Σ dy·(x − mean). */
export interface NormSumsSpec extends Real {
  op: 'norm_sums';
  pixels: number;
  channels: number;
}

/** y = other · w[0] + x · w[1] + w[2], three numbers a channel. x, other = dy [P,C], weights [3,C] → y [P,C]; y may be other. */
export interface NormDxSpec extends Real {
  op: 'norm_dx';
  pixels: number;
  channels: number;
}

/** What batch norm does with a batch, for scale_shift. x = moments [2,C], weights = gammas [C], bias = betas [C] → y [2,C]. */
export interface NormScaleSpec extends Real {
  op: 'norm_scale';
  channels: number;
  epsilon: number;
}

/** Gradient of gammas. x = moments [2,C], other = what norm_sums made → y += [C]. Betas': channel_sum of its first C numbers, one pixel. */
export interface NormDwSpec extends Real {
  op: 'norm_dw';
  channels: number;
  epsilon: number;
}

/** The weights of norm_dx. x = moments [2,C], other = what norm_sums made, weights = gammas [C] → y [3,C]. */
export interface NormDxWeightsSpec extends Real {
  op: 'norm_dx_weights';
  pixels: number;
  channels: number;
  epsilon: number;
}

/**
 * From the gradient of folded weights to that of a convolution's own, R numbers a channel. x [K,R], weights = gammas [K],
 * other = the norm's means and variances [2,K] → y += [K,R].
 */
export interface FoldDwSpec extends Real {
  op: 'fold_dw';
  channels: number;
  perChannel: number;
  epsilon: number;
}

/**
 * From there to the gradient of gammas. x [K,R], weights = the convolution's own [K,R], bias = gradient of the folded bias [K],
 * other = means and variances [2,K] → y += [K]. The gradient of betas is that of the folded bias.
 */
export interface FoldDgammaSpec extends Real {
  op: 'fold_dgamma';
  channels: number;
  perChannel: number;
  epsilon: number;
}

/** Through average pooling. x = dy [N,H−R+1,W−S+1,C] → y = dX [N,H,W,C]. */
export interface AveragePoolDxSpec extends Real {
  op: 'average_pool_dx';
  batch: number;
  inHeight: number;
  inWidth: number;
  channels: number;
  kernelHeight: number;
  kernelWidth: number;
}

/** Through a bilinear resize. x = dy [N,OH,OW,C] → y = dX [N,H,W,C]. */
export interface ResizeDxSpec extends Real {
  op: 'resize_bilinear_dx';
  batch: number;
  inHeight: number;
  inWidth: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  alignCorners: boolean;
}

/** Some channels: through a concatenation. x [P,C] → y [P,`channels`], from channel `from` on. */
export interface SliceSpec extends Real {
  op: 'slice_channels';
  pixels: number;
  inChannels: number;
  from: number;
  channels: number;
}

/** Dropout, and through it. x [N,P,C], other [N,C] zeros and 1/(1−p) → y = x · other; y may be x. */
export interface DropoutSpec extends Real {
  op: 'dropout';
  batch: number;
  pixels: number;
  channels: number;
}

/** Sum of squares of `size` numbers, in a fixed order. x → y [1]. */
export interface SumOfSquaresSpec extends Real {
  op: 'sum_of_squares';
  size: number;
}

interface Update extends Real {
  size: number;
  learningRate: number;
  weightDecay: number;
  /** What gradients are multiplied by first: clipping by norm, or a mean over steps. */
  gradientScale: number;
}

/**
 * Optimizers change y, the weights, by x, their gradient; `other` [S,size] is what they remember, one array after another, zeros
 * at first. Formulas and orders of operations are PyTorch's (torch/optim/{sgd,rmsprop,adam,adamw}.py, one tensor at a time).
 */
export interface SgdSpec extends Update {
  op: 'sgd';
  momentum: number;
  dampening: number;
  nesterov: boolean;
  /** The first step has no dampening. */
  first: boolean;
}

/** S is 1 to 3: mean of squares; with momentum its buffer; if centered the mean of gradients. In this order. */
export interface RmspropSpec extends Update {
  op: 'rmsprop';
  alpha: number;
  epsilon: number;
  momentum: number;
  centered: boolean;
}

/** S is 2: mean of gradients, mean of squares. Adam adds the decay to the gradient; AdamW shrinks the weights first (`decoupled`). */
export interface AdamSpec extends Update {
  op: 'adam';
  decoupled: boolean;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Counts from 1. */
  step: number;
}

export type OptimizerSpec = SgdSpec | RmspropSpec | AdamSpec;

/** An operation of training. */
export type TrainingSpec =
  | Conv3x3DwSpec
  | Conv3x3DxSpec
  | DepthwiseDwSpec
  | DepthwiseDxSpec
  | PointwiseDwSpec
  | PointwiseDxSpec
  | ChannelSumSpec
  | ActivationDxSpec
  | NormMomentsSpec
  | NormMomentsJoinSpec
  | ScaleShiftSpec
  | NormSumsSpec
  | NormSumsJoinSpec
  | NormDxSpec
  | NormScaleSpec
  | NormDwSpec
  | NormDxWeightsSpec
  | FoldDwSpec
  | FoldDgammaSpec
  | AveragePoolDxSpec
  | ResizeDxSpec
  | SliceSpec
  | DropoutSpec
  | SumOfSquaresSpec
  | OptimizerSpec;

/** Multiply-adds of a step, counted as `multiplyAdds` of ../spec.ts counts them: convolutions, nothing else. */
export function trainingMultiplyAdds(spec: TrainingSpec): number {
  switch (spec.op) {
    case 'conv3x3_dw':
    case 'conv3x3_dx':
      return spec.batch * spec.outHeight * spec.outWidth * spec.outChannels * spec.inChannels * 9;
    case 'depthwise3x3_dw':
    case 'depthwise3x3_dx':
      return spec.batch * spec.outHeight * spec.outWidth * spec.channels * 9;
    case 'pointwise_dw':
    case 'pointwise_dx':
      return spec.pixels * spec.inChannels * spec.outChannels;
    default:
      return 0;
  }
}
