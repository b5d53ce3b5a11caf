/**
 * The gradient of a depthwise convolution's input in plain JavaScript. With stride 1 it is a depthwise convolution of dY with
 * its taps turned round, and goes its way (../../depthwise/lanes.ts).
 *
 * With stride 2 the pixels of a row lie in turn under one column of taps and under two, and so do rows: a row of the input has
 * the taps of one row of outputs, or of two. The two rows lie in lanes, with zeros for what is outside.
 */
import { fillLane, filterRows, inLanes, packPhases } from '../../depthwise/lanes.js';
import { type Kernel, type Operands, scaled } from '../../kernel.js';
import type { DepthwiseSpec } from '../../spec.js';
import { passClamp } from '../activation/js.js';
import type { DepthwiseDxSpec } from '../spec.js';

/** Numbers in a lane of pixels. Wider rows are done in pieces. */
const ROW = 32768;
/** Numbers in a lane of weights. */
const TAPS = 4096;

/** Made once; ../../matrix-product.ts explains why in a constructor. */
class Lanes {
  /** Gradients of the outputs whose tap row is first or second, and the taps. */
  readonly rows: readonly Float32Array[];
  readonly taps: readonly Float64Array[];
  readonly out: Float32Array;
  /** A pixel that lies under the columns 0 and 2 of windows: theirs begin at index `i` and, one pixel before, at `j`. */
  readonly evenPixel: (i: number, j: number, C: number, to: number) => void;
  /** A pixel that lies under the column 1 of the window at index `i`. */
  readonly oddPixel: (i: number, C: number, to: number) => void;

  constructor() {
    const a = new Float32Array(ROW);
    const b = new Float32Array(ROW);
    const out = new Float32Array(ROW);
    const a0 = new Float64Array(TAPS);
    const a1 = new Float64Array(TAPS);
    const a2 = new Float64Array(TAPS);
    const b0 = new Float64Array(TAPS);
    const b1 = new Float64Array(TAPS);
    const b2 = new Float64Array(TAPS);

    this.rows = [a, b];
    this.taps = [a0, a1, a2, b0, b1, b2];
    this.out = out;
    this.evenPixel = (i, j, C, to) => {
      for (let c = 0; c < C; c++) {
        out[to] = a[i] * a0[c] + a[j] * a2[c] + b[i] * b0[c] + b[j] * b2[c];
        i = (i + 1) | 0;
        j = (j + 1) | 0;
        to = (to + 1) | 0;
      }
    };
    this.oddPixel = (i, C, to) => {
      for (let c = 0; c < C; c++) {
        out[to] = a[i] * a1[c] + b[i] * b1[c];
        i = (i + 1) | 0;
        to = (to + 1) | 0;
      }
    };
  }
}

const lanes = new Lanes();

/** With stride 1: the convolution that gives dX. */
function forward(spec: DepthwiseDxSpec): DepthwiseSpec {
  const { batch, channels, dilation } = spec;
  return {
    ...{ op: 'depthwise3x3', dtype: 'f32', batch, channels, stride: 1, dilation, activation: 'none' },
    ...{ inHeight: spec.outHeight, inWidth: spec.outWidth, outHeight: spec.inHeight, outWidth: spec.inWidth },
    ...{ padTop: 2 * dilation - spec.padTop, padLeft: 2 * dilation - spec.padLeft },
  };
}

/** The rows of dX where stride is 2, a piece of `most` columns at a time. */
function filterStride2(
  spec: DepthwiseDxSpec,
  { x: dy, weights: w }: Pick<Operands<Float32Array>, 'x' | 'weights'>,
  store: (sums: Float32Array, count: number, at: number) => void,
): void {
  const { batch: N, inHeight: H, inWidth: W, channels: C, outHeight: OH, outWidth: OW, padTop, padLeft } = spec;
  const most = 2 * Math.floor(ROW / C / 2) - 2;
  for (let row = 0; row < N * H; row++) {
    const n = Math.floor(row / H);
    const h = (row % H) + padTop;
    // Of an odd row there is tap row 1 alone; what the second lane holds counts for nothing.
    const tapRows = h % 2 === 1 ? [1] : [0, 2];
    for (let lane = 0; lane < 2; lane++) {
      const r = tapRows[lane];
      for (let s = 0; s < 3; s++) {
        if (r === undefined) lanes.taps[3 * lane + s].fill(0, 0, C);
        else lanes.taps[3 * lane + s].set(w.subarray((r * 3 + s) * C, (r * 3 + s + 1) * C));
      }
    }
    for (let first = 0; first < W; first += most) {
      const count = Math.min(most, W - first);
      // The windows that a piece needs: from the one before that of its first pixel on.
      const left = ((first + padLeft) >> 1) - 1;
      const columns = ((first + count - 1 + padLeft) >> 1) - left + 1;
      for (let lane = 0; lane < 2; lane++) {
        const oh = lane === 0 ? h >> 1 : (h >> 1) - 1;
        const inside = oh >= 0 && oh < OH && lane < tapRows.length;
        fillLane(lanes.rows[lane], dy, inside ? (n * OH + oh) * OW * C : undefined, left, columns, OW, C);
      }
      for (let v = 0; v < count; v++) {
        const q = first + v + padLeft;
        const i = ((q >> 1) - left) * C;
        if (q % 2 === 1) lanes.oddPixel(i, C, v * C);
        else lanes.evenPixel(i, i - C, C, v * C);
      }
      store(lanes.out, count * C, (row * W + first) * C);
    }
  }
}

export const depthwiseDxJs: Kernel<DepthwiseDxSpec> = {
  op: 'depthwise3x3_dx',
  engine: 'js',
  supports: (spec) => (spec.stride === 1 ? inLanes(forward(spec)) : spec.dilation === 1 && spec.channels <= TAPS),

  /** Turned round and in phases; [9,C] where stride is 2. */
  pack({ channels: C, stride }, weights, scale = null) {
    const own = scaled(weights, scale);
    if (stride === 1)
      return packPhases(
        C,
        own.map((_, i) => own[i - (i % 9) + 8 - (i % 9)]),
        new Float32Array(27 * C),
      );
    return own.map((_, i) => own[(i % C) * 9 + Math.floor(i / C)]);
  },

  /** x = dy [N,OH,OW,C] · w packed (· other [N,H,W,C]) → y = dX [N,H,W,C] */
  run(spec, { x, weights, other, y }) {
    const { mask } = spec;
    const store = (sums: Float32Array, count: number, at: number) => {
      const [made, stored] = [sums.subarray(0, count), y.subarray(at, at + count)];
      if (mask === 'none') stored.set(made);
      else passClamp(mask, { x: other.subarray(at, at + count), dy: made, y: stored });
    };
    const bias = new Float32Array(spec.channels);
    if (spec.stride === 1) filterRows(forward(spec), { x, weights, bias }, store);
    else filterStride2(spec, { x, weights }, store);
  },
};
