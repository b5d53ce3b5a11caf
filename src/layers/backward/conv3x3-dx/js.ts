/**
 * The gradient of a 3×3 convolution's input in plain JavaScript: a product of dY with the weights, by the tile of
 * ../../matrix-product.ts, gives what each window leaves in its 9·C places, and those are added up.
 */
import { type Kernel, NONE, scaled } from '../../kernel.js';
import { blockPixels, LANE, multiplyBlock } from '../../matrix-product.js';
import { fillLanes } from '../../pointwise/js.js';
import type { Conv3x3DxSpec } from '../spec.js';

/** Adds what the window at `top`, `left` of picture `n` leaves, parts[at …] in the order [C,3,3], to y [N,C,H,W]. */
function addWindow(
  { inChannels: C, inHeight: H, inWidth: W }: Conv3x3DxSpec,
  parts: Float32Array,
  at: number,
  { n, top, left }: { n: number; top: number; left: number },
  y: Float32Array,
): void {
  for (let c = 0; c < C; c++) {
    for (let h = top; h < top + 3; h++) {
      const row = ((n * C + c) * H + h) * W;
      const inside = h >= 0 && h < H;
      for (let v = left; v < left + 3; v++, at++) if (inside && v >= 0 && v < W) y[row + v] += parts[at];
    }
  }
}

export const conv3x3DxJs: Kernel<Conv3x3DxSpec> = {
  op: 'conv3x3_dx',
  engine: 'js',
  supports: ({ outChannels }) => outChannels <= LANE,

  /** [K,C,3,3] → [C,3,3,K] */
  pack({ outChannels: K }, unscaled, scale = null) {
    const weights = scaled(unscaled, scale);
    const taps = weights.length / K;
    return weights.map((_, i) => weights[(i % K) * taps + Math.floor(i / K)]);
  },

  /** x = dy [N,OH,OW,K] · w packed → y = dX [N,C,H,W] */
  run(spec, { x: dy, weights, y }) {
    const { batch: N, inChannels: C, outChannels: K, outHeight: OH, outWidth: OW, stride, padTop, padLeft } = spec;
    const [pixels, taps, most] = [N * OH * OW, 9 * C, blockPixels(K)];
    const bias = new Float32Array(taps);
    const parts = new Float32Array(Math.min(most, pixels) * taps);
    y.fill(0);
    for (let first = 0; first < pixels; first += most) {
      const count = Math.min(most, pixels - first);
      fillLanes(dy, first, count, K);
      multiplyBlock(0, count, K, taps, weights, bias, 0, NONE, parts, 'none');
      for (let p = 0; p < count; p++) {
        const row = Math.floor((first + p) / OW);
        const place = {
          n: Math.floor(row / OH),
          top: (row % OH) * stride - padTop,
          left: ((first + p) % OW) * stride - padLeft,
        };
        addWindow(spec, parts, p * taps, place, y);
      }
    }
  },
};
