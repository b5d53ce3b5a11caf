/**
 * The matrix product of gradients of weights in plain JavaScript: y += dYᵀ · X, summed over pixels. It goes through the tile of
 * ../matrix-product.ts, whose rows here are channels, and whose length is a block of pixels.
 */
import { LANE, PIXEL_LANES, START, SUMS, tile, WEIGHT_LANES } from '../matrix-product.js';

/** Pixels of a block: their rows of one channel stay in a cache, and 192 rows of gradients fit into the lanes. */
const BLOCK = 256;
/** Rows of gradients that are done together. */
const ROWS = 3 * (LANE / BLOCK);

/** Writes column `c` of X, pixels `first` to first + count − 1, to the lane. */
type FillColumn = (lane: Float64Array, c: number, first: number, count: number) => void;

/** Columns of gradients [P,K], `k` to k + rows − 1, to the lanes, a third into each; pixels `first` to first + count − 1. */
function fillRows(dy: Float32Array, K: number, k: number, rows: number, first: number, count: number): void {
  const third = Math.ceil(rows / 3);
  for (let row = 0; row < rows; row++) {
    const lane = PIXEL_LANES[Math.floor(row / third)];
    const at = (row % third) * count;
    for (let p = 0, i = first * K + k + row; p < count; p++, i += K) lane[at + p] = dy[i];
  }
}

/** Adds the product of what is in the lanes to the rows of y from `k` on. */
function addRows(rows: number, count: number, k: number, columns: number, c: number, y: Float32Array): void {
  const third = Math.ceil(rows / 3);
  const pair = c + 1 < columns;
  for (let t = 0; t < third; t++) {
    tile((t * count) | 0, count);
    for (let lane = 0, row = t; lane < 3 && row < rows; lane++, row += third) {
      const at = (k + row) * columns + c;
      y[at] += SUMS[2 * lane];
      if (pair) y[at + 1] += SUMS[2 * lane + 1];
    }
  }
}

/** dy [P,K] · columns [P,C] → y [K,C], added. */
export function addWeightProduct(
  { pixels: P, rows: K, columns: C }: { pixels: number; rows: number; columns: number },
  dy: Float32Array,
  fillColumn: FillColumn,
  y: Float32Array,
): void {
  START.fill(0);
  for (let first = 0; first < P; first += BLOCK) {
    const count = Math.min(BLOCK, P - first);
    for (let k = 0; k < K; k += ROWS) {
      const rows = Math.min(ROWS, K - k);
      fillRows(dy, K, k, rows, first, count);
      for (let c = 0; c < C; c += 2) {
        fillColumn(WEIGHT_LANES[0], c, first, count);
        if (c + 1 < C) fillColumn(WEIGHT_LANES[1], c + 1, first, count);
        addRows(rows, count, k, C, c, y);
      }
    }
  }
}
