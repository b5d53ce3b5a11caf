import { clampBounds, type Kernel, NONE, type PointwiseSpec } from '../spec.js';
import { LANE, multiplyBlock, X0, X1, X2 } from '../product.js';

export const pointwiseJs: Kernel<PointwiseSpec> = {
  op: 'pointwise',
  engine: 'js',
  supports: (spec) => spec.inChannels <= LANE,
  pack: (_spec, weights) => weights,
  run(spec, x, w, bias, residual, y) {
    const { batch, inChannels: C, outChannels: K } = spec;
    const { lo, hi } = clampBounds(spec.activation);
    const images = spec.biasPerImage ? batch : 1;
    const P = spec.biasPerImage ? spec.pixels : spec.pixels * batch;
    const most = 3 * Math.floor(LANE / C);
    for (let n = 0; n < images; n++) {
      for (let p = 0; p < P; p += most) {
        const count = Math.min(most, P - p);
        const first = n * P + p;
        const B = Math.ceil(count / 3);
        X0.set(x.subarray(first * C, (first + B) * C));
        X1.set(x.subarray((first + B) * C, Math.min((first + 2 * B), first + count) * C));
        if (count > 2 * B) X2.set(x.subarray((first + 2 * B) * C, (first + count) * C));
        multiplyBlock(first, count, C, K, w, bias, spec.biasPerImage ? n * K : 0, spec.residual ? residual : NONE, y, lo, hi);
      }
    }
  },
};
