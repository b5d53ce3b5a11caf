/**
 * The way of a 3×3 depthwise convolution in plain JavaScript (js.ts, js-i16.ts), a row of the output at a time.
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
import type { DepthwiseI16Spec, DepthwiseSpec } from '../spec.js';

/** Numbers in a lane of pixels. Wider rows are done in pieces. */
export const ROW = 32768;
/** Numbers in a lane of weights, three phases of C. */
export const TAPS = 12288;

type AnySpec = DepthwiseSpec | DepthwiseI16Spec;
type Numbers = Float32Array | Int16Array;

export const inLanes = ({ channels, dilation }: AnySpec): boolean =>
  (2 * dilation + 1) * channels <= ROW && 3 * channels <= TAPS;

/** [C,1,3,3] → [lane's row, column, phase, C]: at phase p, lane r holds row (r − p) mod 3 of the window. */
export function packPhases<T extends Numbers>(C: number, weights: ArrayLike<number>, packed: T): T {
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
function fillLane<T extends Numbers>(
  lane: T,
  x: T,
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

/**
 * Fills the lanes for each piece of an output row, and has it computed: `count` pixels, at a phase, which in y begin at
 * number `at`.
 */
export function eachPiece<T extends Numbers>(
  spec: AnySpec,
  rows: readonly T[],
  x: T,
  compute: (phase: number, count: number, at: number) => void,
): void {
  const { batch: N, inHeight: H, inWidth: W, channels: C } = spec;
  const { outHeight: OH, outWidth: OW, stride, dilation, padTop, padLeft, rowsHeld = H } = spec;

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

          compute(top % 3, count, ((n * OH + oh) * OW + first) * C);
        }
      }
    }
  }
}
