/**
 * The matrix product of the pointwise and the 3×3 convolution of the js engine: y = x · wᵀ + bias, with x [pixels,C],
 * w [K,C] and y [pixels,K].
 *
 * Its form is what V8 makes fast. Times are for all pointwise layers of 1.0 at 224 in Node 20, without activations; the
 * reference takes 283 ms.
 *
 * - **Operands lie in lanes**, typed arrays that are constants and all have one length. V8 then compiles addresses and
 *   lengths into the code, and of reads at the same index checks the bounds of only the first: five reads, two checks.
 *   This tile takes 86 ms over arrays that come as parameters, 43 over lanes. V8 does not treat an exported array as
 *   constant, because an importer could see it change: 127 ms. So lanes are private, and only a list of them is exported.
 * - **Lanes are constants of a constructor that is called once**, not of the file. Bundlers (esbuild, Vite and Turbopack
 *   among them) turn a file's `const` into `var`, which V8 must expect to change: the whole network took 256 ms
 *   instead of 104. Inside a function they leave `const` alone, or make it `let`, which V8 treats alike.
 *   Parameters of that function would not be constants (221 ms in Node 20). A plain function does not work either:
 *   Turbopack puts its body in the place of its only call, its constants among the file's variables (353 ms). No bundler
 *   does that with a constructor. `npm run bench:bundles` shows each.
 * - **Lanes are parts of one buffer.** In a process that has ever detached a buffer, as servers have, V8 looks at each read
 *   whether the buffer is still there. With one buffer for all this costs little in Node 24; Node 20 takes a third
 *   longer either way (bench/README.md, "Small differences").
 * - **Lanes hold float64.** JavaScript multiplies in float64, so a value is converted once instead of once a product.
 *   Rounding products to float32 by Math.fround, in the hope of float32 arithmetic, takes 204 ms.
 * - **A tile is 3 pixels × 2 channels.** V8 puts all products of a loop's body before all sums, so a tile of n needs 2·n
 *   registers, and there are 15: 2×2 takes 60 ms, 2×3 and 3×2 take 43, 3×3 takes 91, 4×4 takes 86. 3×2 rather than 2×3
 *   because K is a multiple of 8 in MobileNetV2.
 */
import { clampRange } from './clamp.js';
import { requantize } from './requantize.js';
import type { FusedActivation } from './spec.js';

/** Numbers in a lane, and the most input channels (or taps) of a product. */
export const LANE = 16384;

/** Pixels in a block: enough to make up for filling the weights' lanes, few enough to stay in cache. */
export function blockPixels(C: number): number {
  return 3 * Math.min(64, Math.floor(LANE / C));
}

/** Where sums of whole numbers go. */
export interface I16Store {
  bias: Int32Array;
  biasAt: number;
  multiplier: Float32Array;
  lo: number;
  hi: number;
  y: Int16Array;
}

/** The lanes and what computes on them. */
class MatrixProduct {
  /** The lanes of a block of pixels, which the caller fills, a third of the block into each (see multiplyBlock). */
  readonly PIXEL_LANES: readonly Float64Array[];
  /** The lanes of two rows of weights, what sums begin with, two numbers, and the six sums of a tile: for who fills them otherwise. */
  readonly WEIGHT_LANES: readonly Float64Array[];
  readonly START: Float64Array;
  readonly SUMS: Float64Array;
  /**
   * Six dot products, three rows of pixels from index `at` of their lanes with the two rows of weights. A property, as
   * Turbopack puts the body of a function in the place of its only call, and then makes a function of it in every turn.
   */
  readonly tile: (at: number, C: number) => void;
  /**
   * All K outputs of a block of pixels, `first` to first + count − 1, that lies in the lanes: a third of them, ⌈count / 3⌉,
   * in lane 0, the next third in lane 1, the rest in lane 2. The K biases start at bias[biasAt]. An empty residual adds
   * nothing.
   */
  readonly multiplyBlock: (
    first: number,
    count: number,
    C: number,
    K: number,
    w: Float32Array,
    bias: Float32Array,
    biasAt: number,
    residual: Float32Array,
    y: Float32Array,
    activation: FusedActivation,
  ) => void;
  /**
   * The same of whole numbers, whose sums are exact in float64. (x86-64 multiplies two float64 a cycle, and one integer.) What
   * rounds and stores is a function of its own, whose numbers would take registers from the tile.
   */
  readonly multiplyBlockI16: (
    first: number,
    count: number,
    C: number,
    K: number,
    w: Int8Array | Int16Array,
    to: I16Store,
  ) => void;

  constructor() {
    const buffer = new ArrayBuffer((5 * LANE + 8) * Float64Array.BYTES_PER_ELEMENT);
    const part = (at: number, length = LANE) => new Float64Array(buffer, at * Float64Array.BYTES_PER_ELEMENT, length);
    const x0 = part(0);
    const x1 = part(LANE);
    const x2 = part(2 * LANE);
    const w0 = part(3 * LANE);
    const w1 = part(4 * LANE);
    const start = part(5 * LANE, 2);
    const sums = part(5 * LANE + 2, 6);

    this.PIXEL_LANES = [x0, x1, x2];
    this.WEIGHT_LANES = [w0, w1];
    this.START = start;
    this.SUMS = sums;
    this.tile = (at, C) => {
      let sum00 = start[0];
      let sum01 = start[1];
      let sum10 = start[0];
      let sum11 = start[1];
      let sum20 = start[0];
      let sum21 = start[1];
      for (let c = 0; c < C; c++) {
        const a0 = x0[at];
        const a1 = x1[at];
        const a2 = x2[at];
        const b0 = w0[c];
        const b1 = w1[c];
        sum00 += a0 * b0;
        sum01 += a0 * b1;
        sum10 += a1 * b0;
        sum11 += a1 * b1;
        sum20 += a2 * b0;
        sum21 += a2 * b1;
        at = (at + 1) | 0;
      }
      sums[0] = sum00;
      sums[1] = sum01;
      sums[2] = sum10;
      sums[3] = sum11;
      sums[4] = sum20;
      sums[5] = sum21;
    };
    this.multiplyBlock = (first, count, C, K, w, bias, biasAt, residual, y, activation) => {
      const third = Math.ceil(count / 3);
      for (let k = 0; k < K; k += 2) {
        // After an odd K, the last tile's second channel is computed from what is left in the lane, and not stored.
        const pair = k + 1 < K;
        for (let c = 0, i = k * C; c < C; c++, i = (i + 1) | 0) w0[c] = w[i];
        start[0] = bias[biasAt + k];
        if (pair) {
          for (let c = 0, i = (k + 1) * C; c < C; c++, i = (i + 1) | 0) w1[c] = w[i];
          start[1] = bias[biasAt + k + 1];
        }
        for (let t = 0; t < third; t++) {
          this.tile((t * C) | 0, C);
          const at = ((first + t) * K + k) | 0;
          const next = (at + 1) | 0;
          y[at] = sums[0];
          if (pair) y[next] = sums[1];
          if (t + third < count) {
            y[(at + third * K) | 0] = sums[2];
            if (pair) y[(next + third * K) | 0] = sums[3];
          }
          if (t + 2 * third < count) {
            y[(at + 2 * third * K) | 0] = sums[4];
            if (pair) y[(next + 2 * third * K) | 0] = sums[5];
          }
        }
      }
      if (residual.length > 0) for (let i = first * K; i < (first + count) * K; i++) y[i] += residual[i];
      clampRange(y, first * K, (first + count) * K, activation);
    };
    const storeTile = (row: number, third: number, end: number, k: number, K: number, to: I16Store) => {
      const { bias, biasAt, multiplier, lo, hi, y } = to;
      // After an odd K, the last tile's second channel is computed from what is left in the lane, and not stored.
      const pair = k + 1 < K;
      const bias0 = bias[biasAt + k];
      const multiplier0 = multiplier[k];
      const bias1 = pair ? bias[biasAt + k + 1] : 0;
      const multiplier1 = pair ? multiplier[k + 1] : 0;
      for (let sum = 0; row < end; row = (row + third) | 0, sum = (sum + 2) | 0) {
        const at = (Math.imul(row, K) + k) | 0;
        y[at] = requantize(sums[sum] + bias0, multiplier0, lo, hi);
        if (pair) y[(at + 1) | 0] = requantize(sums[(sum + 1) | 0] + bias1, multiplier1, lo, hi);
      }
    };
    this.multiplyBlockI16 = (first, count, C, K, w, to) => {
      const third = Math.ceil(count / 3);
      const end = first + count;
      start.fill(0);
      for (let k = 0; k < K; k += 2) {
        for (let c = 0, i = k * C; c < C; c++, i = (i + 1) | 0) w0[c] = w[i];
        if (k + 1 < K) for (let c = 0, i = (k + 1) * C; c < C; c++, i = (i + 1) | 0) w1[c] = w[i];
        for (let t = 0; t < third; t++) {
          this.tile((t * C) | 0, C);
          storeTile(first + t, third, end, k, K, to);
        }
      }
    };
  }
}

export const { PIXEL_LANES, WEIGHT_LANES, START, SUMS, tile, multiplyBlock, multiplyBlockI16 } = new MatrixProduct();
