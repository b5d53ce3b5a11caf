/** The numbers of a picture as whole numbers, its channels side by side. */
import type { PlainI16Kernel } from '../kernel-i16.js';
import { roundTiesToEven } from '../requantize.js';
import type { QuantizeI16Spec } from '../spec.js';

export const quantize: PlainI16Kernel<QuantizeI16Spec> = {
  op: 'quantize',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,C,P] → y [N,P,C]. NaN becomes `lo`, for whole numbers know no NaN. */
  run({ batch: N, channels: C, pixels: P, multiplier, lo, hi }, { x, y }) {
    const scale = Math.fround(multiplier);
    for (let n = 0; n < N; n++) {
      for (let c = 0; c < C; c++) {
        let from = (n * C + c) * P;
        let to = n * P * C + c;
        for (let p = 0; p < P; p++, from++, to += C) {
          const scaled = Math.fround(x[from] * scale);
          y[to] = scaled > lo ? roundTiesToEven(Math.min(scaled, hi)) : lo;
        }
      }
    }
  },
};
