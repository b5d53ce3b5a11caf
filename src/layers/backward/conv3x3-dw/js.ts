/** The gradient of a 3×3 convolution's weights in plain JavaScript: the product of gradients and taps (weight-product.ts). */
import type { Kernel } from '../../kernel.js';
import type { Conv3x3DwSpec } from '../spec.js';
import { addWeightProduct } from '../weight-product.js';

export const conv3x3DwJs: Kernel<Conv3x3DwSpec> = {
  op: 'conv3x3_dw',
  engine: 'js',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,C,H,W] · other = dy [N,OH,OW,K] → y += dW [K,C,3,3] */
  run(spec, { x, other: dy, y }) {
    const { batch: N, inChannels: C, inHeight: H, inWidth: W } = spec;
    const { outChannels: K, outHeight: OH, outWidth: OW, stride, padTop, padLeft } = spec;

    /** One tap of one channel, of each output pixel; outside the picture 0. */
    const fillColumn = (lane: Float64Array, column: number, first: number, count: number) => {
      const c = Math.floor(column / 9);
      const r = Math.floor((column % 9) / 3) - padTop;
      const s = (column % 3) - padLeft;
      for (let p = 0; p < count; ) {
        const row = Math.floor((first + p) / OW);
        const h = (row % OH) * stride + r;
        const from = ((Math.floor(row / OH) * C + c) * H + h) * W;
        const inside = h >= 0 && h < H;
        const end = Math.min(count, p + OW - ((first + p) % OW));
        for (let v = ((first + p) % OW) * stride + s; p < end; p++, v += stride) {
          lane[p] = inside && v >= 0 && v < W ? x[from + v] : 0;
        }
      }
    };
    addWeightProduct({ pixels: N * OH * OW, rows: K, columns: 9 * C }, dy, fillColumn, y);
  },
};
