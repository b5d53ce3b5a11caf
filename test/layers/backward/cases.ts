/** Cases that every kernel of training must get right, and how one is compared with the reference. */
import { findTrainingKernel } from '../../../src/layers/backward/kernels.js';
import type { TrainingSpec } from '../../../src/layers/backward/spec.js';
import type { Operands } from '../../../src/layers/kernel.js';

/** Elements of every operand and of y. */
export function trainingSizes(spec: TrainingSpec): Record<keyof Operands<unknown>, number> {
  const none = { x: 0, weights: 0, bias: 0, residual: 0, other: 0, y: 0 };
  switch (spec.op) {
    case 'conv3x3_dw':
    case 'conv3x3_dx': {
      const { batch: N, inChannels: C, outChannels: K } = spec;
      const picture = N * C * spec.inHeight * spec.inWidth;
      const gradient = N * spec.outHeight * spec.outWidth * K;
      if (spec.op === 'conv3x3_dw') return { ...none, x: picture, other: gradient, y: K * C * 9 };
      return { ...none, x: gradient, weights: K * C * 9, y: picture };
    }
    case 'depthwise3x3_dw':
    case 'depthwise3x3_dx': {
      const { batch: N, channels: C } = spec;
      const input = N * spec.inHeight * spec.inWidth * C;
      const gradient = N * spec.outHeight * spec.outWidth * C;
      if (spec.op === 'depthwise3x3_dw') return { ...none, x: input, other: gradient, y: 9 * C };
      return { ...none, x: gradient, weights: 9 * C, y: input };
    }
    case 'pointwise_dw': {
      const { pixels: P, inChannels: C, outChannels: K } = spec;
      return { ...none, x: P * C, other: P * K, y: K * C };
    }
    case 'channel_sum':
      return { ...none, x: spec.pixels * spec.channels, y: spec.channels };
    case 'activation_dx':
      return { ...none, x: spec.size, other: spec.size, y: spec.size };
    case 'norm_moments':
      return { ...none, x: spec.pixels * spec.channels, y: 2 * spec.channels };
    case 'scale_shift': {
      const size = spec.pixels * spec.channels;
      return { ...none, x: size, weights: 2 * spec.channels, y: size };
    }
    case 'norm_sums': {
      const size = spec.pixels * spec.channels;
      return { ...none, x: size, other: size, weights: 2 * spec.channels, y: 2 * spec.channels };
    }
    case 'norm_dx': {
      const size = spec.pixels * spec.channels;
      return { ...none, x: size, other: size, weights: 3 * spec.channels, y: size };
    }
    case 'norm_scale': {
      const { channels: C } = spec;
      return { ...none, x: 2 * C, weights: C, bias: C, y: 2 * C };
    }
    case 'norm_dw':
      return { ...none, x: 2 * spec.channels, other: 2 * spec.channels, y: spec.channels };
    case 'norm_dx_weights': {
      const { channels: C } = spec;
      return { ...none, x: 2 * C, other: 2 * C, weights: C, y: 3 * C };
    }
    case 'fold_dw': {
      const { channels: K, perChannel: R } = spec;
      return { ...none, x: K * R, weights: K, other: 2 * K, y: K * R };
    }
    case 'fold_dgamma': {
      const { channels: K, perChannel: R } = spec;
      return { ...none, x: K * R, weights: K * R, bias: K, other: 2 * K, y: K };
    }
    case 'average_pool_dx': {
      const { batch: N, inHeight: H, inWidth: W, channels: C } = spec;
      return { ...none, x: N * (H - spec.kernelHeight + 1) * (W - spec.kernelWidth + 1) * C, y: N * H * W * C };
    }
    case 'resize_bilinear_dx': {
      const { batch: N, channels: C } = spec;
      return { ...none, x: N * spec.outHeight * spec.outWidth * C, y: N * spec.inHeight * spec.inWidth * C };
    }
    case 'slice_channels':
      return { ...none, x: spec.pixels * spec.inChannels, y: spec.pixels * spec.channels };
    case 'dropout': {
      const size = spec.batch * spec.pixels * spec.channels;
      return { ...none, x: size, other: spec.batch * spec.channels, y: size };
    }
    case 'sum_of_squares':
      return { ...none, x: spec.size, y: 1 };
    case 'sgd':
      return { ...none, x: spec.size, other: spec.momentum === 0 ? 0 : spec.size, y: spec.size };
    case 'rmsprop': {
      const arrays = 1 + (spec.momentum > 0 ? 1 : 0) + (spec.centered ? 1 : 0);
      return { ...none, x: spec.size, other: arrays * spec.size, y: spec.size };
    }
    case 'adam':
      return { ...none, x: spec.size, other: 2 * spec.size, y: spec.size };
  }
}

/** Runs a kernel by name of its engine on unpacked operands, into `y` as it is given, zeros unless given. */
export function runTraining(
  engine: 'reference' | 'js',
  spec: TrainingSpec,
  given: Partial<Operands<Float32Array>>,
): Float32Array {
  const kernel = findTrainingKernel(spec, [engine]);
  const none = new Float32Array(0);
  const y = given.y ?? new Float32Array(trainingSizes(spec).y);
  const weights = given.weights === undefined ? none : kernel.pack(spec, given.weights);
  kernel.run(spec, { x: none, bias: none, residual: none, other: none, ...given, weights, y });
  return y;
}
