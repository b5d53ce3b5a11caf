/** The nearest pixel: a copy of the one under each pixel's center. Source: Pillow's Geometry.c (ImagingScaleAffine). */
import type { OnRow, ResizePlan, RowResizer } from './rows.js';

/** At the same size this is a plain copy. */
export class NearestRows implements RowResizer {
  readonly #plan: ResizePlan;
  readonly #onRow: OnRow;
  readonly #columns: Int32Array;
  readonly #rows: Int32Array;
  readonly #row: Uint8ClampedArray;
  /** The next row of the window. */
  #next = 0;

  constructor(plan: ResizePlan, onRow: OnRow) {
    this.#plan = plan;
    this.#onRow = onRow;
    const { source, width, height, window, channels } = plan;
    this.#columns = nearestIndices(source.width, width, window.left, window.width);
    this.#rows = nearestIndices(source.height, height, window.top, window.height);
    this.#row = new Uint8ClampedArray(window.width * channels);
  }

  rows(data: Uint8Array | Uint8ClampedArray, first: number, count: number): void {
    const { source, channels } = this.#plan;
    for (; this.#next < this.#rows.length; this.#next++) {
      const y = this.#rows[this.#next]! - first;
      if (y >= count) return;
      let to = 0;
      for (const x of this.#columns) {
        const from = (y * source.width + x) * source.channels;
        for (let c = 0; c < channels; c++) this.#row[to++] = data[from + c]!;
      }
      this.#onRow(this.#row, this.#next);
    }
  }

  close(): void {}
}

/** Pillow adds up the step instead of multiplying, so the rounding errors of the sum are part of the result. */
function nearestIndices(inSize: number, outSize: number, first: number, count: number): Int32Array {
  const step = inSize / outSize;
  const indices = new Int32Array(count);
  let at = step * 0.5;
  for (let i = 0; i < first + count; i++) {
    if (i >= first) indices[i - first] = Math.min(inSize - 1, Math.trunc(at));
    at += step;
  }
  return indices;
}
