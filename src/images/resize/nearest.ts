/** The nearest pixel: a copy of the one under each pixel's center. Source: Pillow's Geometry.c (ImagingScaleAffine). */
import { edges, type OnRow, type ResizePlan, type RowResizer } from './rows.js';

/** At the same size this is a plain copy. */
export class NearestRows implements RowResizer {
  readonly #plan: ResizePlan;
  readonly #onRow: OnRow;
  readonly #columns: Int32Array;
  readonly #rows: Int32Array;
  readonly #row: Uint8ClampedArray;
  /** Rows of the result are parts of the source's rows. */
  readonly #whole: boolean;
  /** The next row of the window. */
  #next = 0;

  constructor(plan: ResizePlan, onRow: OnRow) {
    this.#plan = plan;
    this.#onRow = onRow;
    const { source, width, height, window, channels } = plan;
    const [columns, rows] = edges(plan);
    this.#columns = nearestIndices(columns, width, window.left, window.width);
    this.#rows = nearestIndices(rows, height, window.top, window.height);
    this.#whole = plan.box === undefined && width === source.width && channels === source.channels;
    this.#row = new Uint8ClampedArray(window.width * channels);
  }

  rows(data: Uint8Array | Uint8ClampedArray, first: number, count: number): void {
    const { source, channels, window } = this.#plan;
    for (; this.#next < this.#rows.length; this.#next++) {
      const y = this.#rows[this.#next]! - first;
      if (y >= count) return;
      const start = y * source.width * source.channels;
      if (this.#whole) {
        const from = start + window.left * channels;
        this.#row.set(data.subarray(from, from + this.#row.length));
      } else {
        pick(data, start, source.channels, this.#columns, channels, this.#row);
      }
      this.#onRow(this.#row, this.#next);
    }
  }

  close(): void {}
}

/** The first `channels` of each of these pixels of a row that begins at `start`. */
function pick(
  data: Uint8Array | Uint8ClampedArray,
  start: number,
  step: number,
  columns: Int32Array,
  channels: number,
  row: Uint8ClampedArray,
): void {
  for (let i = 0, to = 0; i < columns.length; i++) {
    const from = start + columns[i]! * step;
    for (let c = 0; c < channels; c++) row[to++] = data[from + c]!;
  }
}

/** Pillow adds up the step instead of multiplying, so the rounding errors of the sum are part of the result. */
function nearestIndices(
  [from, to]: readonly [number, number],
  outSize: number,
  first: number,
  count: number,
): Int32Array {
  const step = (to - from) / outSize;
  const indices = new Int32Array(count);
  let at = from + step * 0.5;
  for (let i = 0; i < first + count; i++) {
    if (i >= first) indices[i - first] = Math.min(to - 1, Math.trunc(at));
    at += step;
  }
  return indices;
}
