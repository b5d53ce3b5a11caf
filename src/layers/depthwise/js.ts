/** 3×3 depthwise convolution in plain JavaScript (lanes.ts). */
import { clampRange } from '../clamp.js';
import { type Kernel, scaled } from '../kernel.js';
import type { DepthwiseSpec } from '../spec.js';
import { eachPiece, inLanes, packPhases, ROW, TAPS } from './lanes.js';

/** Made once; matrix-product.ts explains why in a constructor. */
class Lanes {
  /** A row of the input each. */
  readonly rows: readonly Float32Array[];
  /** The weights, [lane's row, column], as `pack` lays them. */
  readonly taps: readonly Float64Array[];
  readonly biases: Float64Array;
  readonly out: Float32Array;
  /**
   * One output pixel, all channels, to out[to …]: its window's columns start at index `i` of the lanes and lie `step`
   * apart; its weights start at `w`. Two pixels at a time, which share reads, gained 8 %, and was not worth the longer code.
   */
  readonly onePixel: (i: number, step: number, w: number, C: number, to: number) => void;

  constructor() {
    // Pixels stay float32, which copies fastest and is converted where it is used; weights, used often, are float64.
    const x0 = new Float32Array(ROW);
    const x1 = new Float32Array(ROW);
    const x2 = new Float32Array(ROW);
    const out = new Float32Array(ROW);
    const w00 = new Float64Array(TAPS);
    const w01 = new Float64Array(TAPS);
    const w02 = new Float64Array(TAPS);
    const w10 = new Float64Array(TAPS);
    const w11 = new Float64Array(TAPS);
    const w12 = new Float64Array(TAPS);
    const w20 = new Float64Array(TAPS);
    const w21 = new Float64Array(TAPS);
    const w22 = new Float64Array(TAPS);
    const biases = new Float64Array(TAPS);

    this.rows = [x0, x1, x2];
    this.taps = [w00, w01, w02, w10, w11, w12, w20, w21, w22];
    this.biases = biases;
    this.out = out;
    this.onePixel = (i, step, w, C, to) => {
      let j = (i + step) | 0;
      let k = (j + step) | 0;
      for (let c = 0; c < C; c++) {
        let sum = biases[w];
        sum += x0[i] * w00[w];
        sum += x0[j] * w01[w];
        sum += x0[k] * w02[w];
        sum += x1[i] * w10[w];
        sum += x1[j] * w11[w];
        sum += x1[k] * w12[w];
        sum += x2[i] * w20[w];
        sum += x2[j] * w21[w];
        sum += x2[k] * w22[w];
        out[to] = sum;
        i = (i + 1) | 0;
        j = (j + 1) | 0;
        k = (k + 1) | 0;
        w = (w + 1) | 0;
        to = (to + 1) | 0;
      }
    };
  }
}

const { rows, taps, biases, out, onePixel } = new Lanes();

export const depthwiseJs: Kernel<DepthwiseSpec> = {
  op: 'depthwise3x3',
  engine: 'js',
  supports: inLanes,
  pack: ({ channels: C }, weights, scale = null) => packPhases(C, scaled(weights, scale), new Float32Array(27 * C)),

  /** x [N,H,W,C] · w packed · bias [C] → y [N,OH,OW,C] */
  run(spec, { x, weights: w, bias, y }) {
    const { channels: C, stride, dilation, activation } = spec;
    for (let tap = 0; tap < 9; tap++) taps[tap].set(w.subarray(tap * 3 * C, (tap + 1) * 3 * C));
    for (let phase = 0; phase < 3; phase++) biases.set(bias, phase * C);

    eachPiece(spec, rows, x, (phase, count, at) => {
      for (let ow = 0; ow < count; ow++) onePixel(ow * stride * C, dilation * C, phase * C, C, ow * C);
      clampRange(out, 0, count * C, activation);
      y.set(out.subarray(0, count * C), at);
    });
  },
};
