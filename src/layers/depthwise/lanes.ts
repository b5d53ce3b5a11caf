/**
 * The sums of a 3×3 depthwise convolution in plain JavaScript, of real or of whole numbers, a row of the output at a time.
 *
 * The three input rows that an output row needs lie in lanes, like the operands of matrix-product.ts and for the same reason:
 * of reads at the same index in constant arrays of one length V8 checks the bounds once. The lanes bring the zeros left
 * and right of the picture with them, and a lane of zeros stands for a row above or below it, so that no tap asks
 * whether it is inside.
 *
 * Padded row h stays in lane ⌊h / dilation⌋ mod 3 as long as it is needed. The three rows of a window thus always lie
 * in different lanes, but which of them is the top one, the phase, goes round: therefore the weights are packed three
 * times, each time turned by one row. Each row is copied once.
 */
import type { IntegerWeights } from '../kernel-i16.js';
import type { DepthwiseI16Spec, DepthwiseSpec } from '../spec.js';

/** Numbers in a lane of pixels. Wider rows are done in pieces. */
const ROW = 32768;
/** Numbers in a lane of weights, three phases of C. */
const TAPS = 12288;

type AnySpec = DepthwiseSpec | DepthwiseI16Spec;

export const inLanes = ({ channels, dilation }: AnySpec): boolean =>
  (2 * dilation + 1) * channels <= ROW && 3 * channels <= TAPS;

/** [C,1,3,3] → [lane's row, column, phase, C]: at phase p, lane r holds row (r − p) mod 3 of the window. */
export function packPhases<T extends Float32Array | Int16Array>(C: number, weights: ArrayLike<number>, packed: T): T {
  let to = 0;
  for (let lane = 0; lane < 3; lane++) {
    for (let s = 0; s < 3; s++) {
      for (let phase = 0; phase < 3; phase++) {
        const r = (lane - phase + 3) % 3;
        for (let c = 0; c < C; c++) packed[to++] = weights[(c * 3 + r) * 3 + s];
      }
    }
  }
  return packed;
}

/**
 * Copies `columns` columns of an input row, from column `left` on, into a lane, with zeros for those outside the picture.
 * `row` is where the row starts in x, or undefined for a row above or below the picture.
 */
export function fillLane(
  lane: Float32Array,
  x: Float32Array | Int16Array,
  row: number | undefined,
  left: number,
  columns: number,
  W: number,
  C: number,
): void {
  if (row === undefined) {
    lane.fill(0, 0, columns * C);
    return;
  }
  const from = Math.max(left, 0);
  const to = Math.min(left + columns, W);
  lane.fill(0, 0, (from - left) * C);
  lane.set(x.subarray(row + from * C, row + to * C), (from - left) * C);
  lane.fill(0, (to - left) * C, columns * C);
}

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

/** What is read: all real numbers, or all whole ones. */
interface Operands {
  x: Float32Array | Int16Array;
  weights: Float32Array | IntegerWeights;
  bias: Float32Array | Int32Array;
}

/**
 * Has all sums computed, and then stored: `count` of them, which are pixels of all channels and in y begin at number `at`. They are
 * rounded to float32. Before that whole numbers are exact.
 * @param w as `packPhases` lays them
 */
export function filterRows(
  spec: AnySpec,
  { x, weights: w, bias }: Operands,
  store: (sums: Float32Array, count: number, at: number) => void,
): void {
  const { batch: N, inHeight: H, inWidth: W, channels: C } = spec;
  const { outHeight: OH, outWidth: OW, stride, dilation, padTop, padLeft, rowsHeld = H } = spec;
  const step = dilation * C;

  for (let tap = 0; tap < 9; tap++) taps[tap].set(w.subarray(tap * 3 * C, (tap + 1) * 3 * C));
  for (let phase = 0; phase < 3; phase++) biases.set(bias, phase * C);

  // So many windows fit into a lane: the first is 2·dilation + 1 columns wide, each further one takes `stride` more.
  const most = Math.floor((Math.floor(ROW / C) - 2 * dilation - 1) / stride) + 1;
  // Which padded row each lane holds.
  const held = [-1, -1, -1];
  for (let n = 0; n < N; n++) {
    for (let first = 0; first < OW; first += most) {
      const count = Math.min(most, OW - first);
      const columns = (count - 1) * stride + 2 * dilation + 1;
      held.fill(-1);

      // Output rows `dilation` apart share input rows, so they follow each other.
      for (let turn = 0; turn < dilation; turn++) {
        for (let oh = turn; oh < OH; oh += dilation) {
          const top = Math.floor((oh * stride) / dilation);
          for (let r = 0; r < 3; r++) {
            const lane = (top + r) % 3;
            const h = oh * stride + r * dilation - padTop;
            if (held[lane] === h + padTop) continue;
            held[lane] = h + padTop;
            const row = h < 0 || h >= H ? undefined : (n * H + (h % rowsHeld)) * W * C;
            fillLane(rows[lane], x, row, first * stride - padLeft, columns, W, C);
          }

          for (let ow = 0; ow < count; ow++) onePixel(ow * stride * C, step, (top % 3) * C, C, ow * C);
          store(out, count * C, ((n * OH + oh) * OW + first) * C);
        }
      }
    }
  }
}
