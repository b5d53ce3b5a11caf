/**
 * The gradient of a depthwise convolution's weights in plain JavaScript. For every row of outputs and each of the three input rows
 * under it, both lie in lanes (../../matrix-product.ts says why), the input row with the zeros left and right of the picture.
 * Four pixels at a time go over all channels: so a sum is read and written once for four products.
 */
import { fillLane } from '../../depthwise/lanes.js';
import type { Kernel } from '../../kernel.js';
import type { DepthwiseDwSpec } from '../spec.js';

/** Numbers in a lane of pixels. Wider rows are done in pieces. */
const ROW = 32768;
/** Numbers in a lane of sums, three rows of taps. */
const SUMS = 12288;
/** Pixels that are done at a time. */
const PIXELS = 4;

/** Made once; matrix-product.ts explains why in a constructor. */
class Lanes {
  readonly x: Float32Array;
  readonly dy: Float32Array;
  readonly sums: readonly Float64Array[];
  /**
   * Adds four pixels, all channels, to the sums from `w` on. Their windows' columns lie `step` apart and begin at index `i`
   * of the input row, `next` apart.
   */
  readonly fourPixels: (i: number, next: number, step: number, d: number, C: number, w: number) => void;

  constructor() {
    const x = new Float32Array(ROW);
    const dy = new Float32Array(ROW);
    const s0 = new Float64Array(SUMS);
    const s1 = new Float64Array(SUMS);
    const s2 = new Float64Array(SUMS);

    this.x = x;
    this.dy = dy;
    this.sums = [s0, s1, s2];
    this.fourPixels = (i, next, step, d, C, w) => {
      for (let c = 0; c < C; c++) {
        const d0 = dy[d];
        const d1 = dy[(d + C) | 0];
        const d2 = dy[(d + 2 * C) | 0];
        const d3 = dy[(d + 3 * C) | 0];
        let j = i;
        s0[w] += d0 * x[j] + d1 * x[(j + next) | 0] + d2 * x[(j + 2 * next) | 0] + d3 * x[(j + 3 * next) | 0];
        j = (j + step) | 0;
        s1[w] += d0 * x[j] + d1 * x[(j + next) | 0] + d2 * x[(j + 2 * next) | 0] + d3 * x[(j + 3 * next) | 0];
        j = (j + step) | 0;
        s2[w] += d0 * x[j] + d1 * x[(j + next) | 0] + d2 * x[(j + 2 * next) | 0] + d3 * x[(j + 3 * next) | 0];
        i = (i + 1) | 0;
        d = (d + 1) | 0;
        w = (w + 1) | 0;
      }
    };
  }
}

const lanes = new Lanes();

export const depthwiseDwJs: Kernel<DepthwiseDwSpec> = {
  op: 'depthwise3x3_dw',
  engine: 'js',
  supports: ({ channels, stride, dilation }) =>
    ((PIXELS - 1) * stride + 2 * dilation + 1) * channels <= ROW && 3 * channels <= SUMS,
  pack: (_spec, weights) => weights,

  /** x [N,H,W,C] · other = dy [N,OH,OW,C] → y += dW [C,1,3,3] */
  run(spec, { x, other: dy, y }) {
    const { batch: N, inHeight: H, inWidth: W, channels: C } = spec;
    const { outHeight: OH, outWidth: OW, stride, dilation, padTop, padLeft } = spec;
    for (const sums of lanes.sums) sums.fill(0, 0, 3 * C);

    // So many windows fit into a lane, in fours: the first is 2·dilation + 1 columns wide, each further one takes `stride` more.
    const fit = Math.floor((Math.floor(ROW / C) - 2 * dilation - 1) / stride) + 1;
    const most = fit - (fit % PIXELS);
    for (let row = 0; row < N * OH; row++) {
      const n = Math.floor(row / OH);
      const top = (row % OH) * stride - padTop;
      for (let first = 0; first < OW; first += most) {
        const count = Math.min(most, OW - first);
        // Where pixels are left over, their gradients are zeros.
        const whole = Math.ceil(count / PIXELS) * PIXELS;
        fillLane(lanes.dy, dy, (row * OW + first) * C, 0, whole, count, C);
        const columns = (whole - 1) * stride + 2 * dilation + 1;
        for (let r = 0; r < 3; r++) {
          const h = top + r * dilation;
          if (h < 0 || h >= H) continue;
          const left = first * stride - padLeft;
          fillLane(lanes.x, x, (n * H + h) * W * C, left, columns, W, C);
          for (let ow = 0; ow < count; ow += PIXELS) {
            lanes.fourPixels(ow * stride * C, stride * C, dilation * C, ow * C, C, r * C);
          }
        }
      }
    }
    for (let c = 0; c < C; c++) {
      for (let tap = 0; tap < 9; tap++) y[c * 9 + tap] += lanes.sums[tap % 3][Math.floor(tap / 3) * C + c];
    }
  },
};
