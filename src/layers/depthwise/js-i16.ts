/** 3×3 depthwise convolution of whole numbers in plain JavaScript (lanes.ts). */
import type { I16Kernel } from '../kernel-i16.js';
import { requantize } from '../requantize.js';
import type { DepthwiseI16Spec } from '../spec.js';
import { eachPiece, inLanes, packPhases, ROW, TAPS } from './lanes.js';

/** Made once; matrix-product.ts explains why in a constructor. */
class Lanes {
  /** A row of the input each. */
  readonly rows: readonly Int16Array[];
  /** The weights, [lane's row, column], as `pack` lays them. */
  readonly taps: readonly Int16Array[];
  readonly biases: Int32Array;
  readonly multipliers: Float64Array;
  readonly out: Int16Array;
  /** One output pixel, as in js.ts. */
  readonly onePixel: (i: number, step: number, w: number, C: number, to: number, lo: number, hi: number) => void;

  constructor() {
    const x0 = new Int16Array(ROW);
    const x1 = new Int16Array(ROW);
    const x2 = new Int16Array(ROW);
    const out = new Int16Array(ROW);
    const w00 = new Int16Array(TAPS);
    const w01 = new Int16Array(TAPS);
    const w02 = new Int16Array(TAPS);
    const w10 = new Int16Array(TAPS);
    const w11 = new Int16Array(TAPS);
    const w12 = new Int16Array(TAPS);
    const w20 = new Int16Array(TAPS);
    const w21 = new Int16Array(TAPS);
    const w22 = new Int16Array(TAPS);
    const biases = new Int32Array(TAPS);
    const multipliers = new Float64Array(TAPS);

    this.rows = [x0, x1, x2];
    this.taps = [w00, w01, w02, w10, w11, w12, w20, w21, w22];
    this.biases = biases;
    this.multipliers = multipliers;
    this.out = out;
    this.onePixel = (i, step, w, C, to, lo, hi) => {
      let j = (i + step) | 0;
      let k = (j + step) | 0;
      for (let c = 0; c < C; c++) {
        let sum = biases[w];
        sum = (sum + Math.imul(x0[i], w00[w])) | 0;
        sum = (sum + Math.imul(x0[j], w01[w])) | 0;
        sum = (sum + Math.imul(x0[k], w02[w])) | 0;
        sum = (sum + Math.imul(x1[i], w10[w])) | 0;
        sum = (sum + Math.imul(x1[j], w11[w])) | 0;
        sum = (sum + Math.imul(x1[k], w12[w])) | 0;
        sum = (sum + Math.imul(x2[i], w20[w])) | 0;
        sum = (sum + Math.imul(x2[j], w21[w])) | 0;
        sum = (sum + Math.imul(x2[k], w22[w])) | 0;
        out[to] = requantize(sum, multipliers[w], lo, hi);
        i = (i + 1) | 0;
        j = (j + 1) | 0;
        k = (k + 1) | 0;
        w = (w + 1) | 0;
        to = (to + 1) | 0;
      }
    };
  }
}

const { rows, taps, biases, multipliers, out, onePixel } = new Lanes();

export const depthwiseI16Js: I16Kernel<DepthwiseI16Spec> = {
  op: 'depthwise3x3',
  engine: 'js',
  supports: inLanes,
  pack: ({ channels: C }, weights) => packPhases(C, weights, new Int16Array(27 * C)),

  /** x [N,H,W,C] · w packed · bias, multiplier [C] → y [N,OH,OW,C] */
  run(spec, { x, weights: w, bias, multiplier, y }) {
    const { channels: C, stride, dilation, lo, hi } = spec;
    for (let tap = 0; tap < 9; tap++) taps[tap].set(w.subarray(tap * 3 * C, (tap + 1) * 3 * C));
    for (let phase = 0; phase < 3; phase++) {
      biases.set(bias, phase * C);
      multipliers.set(multiplier, phase * C);
    }

    eachPiece(spec, rows, x, (phase, count, at) => {
      for (let ow = 0; ow < count; ow++) onePixel(ow * stride * C, dilation * C, phase * C, C, ow * C, lo, hi);
      y.set(out.subarray(0, count * C), at);
    });
  },
};
