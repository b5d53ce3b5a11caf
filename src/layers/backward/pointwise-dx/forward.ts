import type { PointwiseSpec } from '../../spec.js';
import type { PointwiseDxSpec } from '../spec.js';

/** The 1×1 convolution of dY that gives dX, before the mask. */
export function forward({ pixels, inChannels, outChannels, residual }: PointwiseDxSpec): PointwiseSpec {
  return {
    ...{ op: 'pointwise', dtype: 'f32', batch: 1, pixels, inChannels: outChannels, outChannels: inChannels },
    ...{ biasPerImage: false, residual, activation: 'none' },
  };
}
