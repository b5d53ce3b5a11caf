/**
 * A resize that is given the rows of a picture one after another, as a decoder makes them, and gives the rows of the result.
 * It holds no picture, only the rows that the next row of the result is made of.
 *
 * Each pass rounds to 8 bits, so their order shows. Along an axis that keeps its size every filter is the identity, so
 * Pillow's skipping of that pass needs no code.
 */
import { premultiplyRow, unpremultiplyRow } from './alpha.js';
import { FILTERS, Resampling, type ResamplingNumber } from './filters.js';
import { jsPasses } from './js.js';
import { NearestRows } from './nearest.js';
import type { MakePasses, Passes, PassesSpec } from './passes.js';
import { extent, longest, makeTaps, type Taps } from './taps.js';
import { wasmPasses } from './wasm.js';

/** A part of a picture, in its pixels. */
export interface Window {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** From what to what. */
export interface ResizePlan {
  /** Of the source, in pixels. */
  source: { width: number; height: number; channels: number };
  /** Of the whole result. */
  width: number;
  height: number;
  filter: ResamplingNumber;
  /** The part of the result that is computed. */
  window: Window;
  /** The part of the source that becomes the result, as Pillow's `resize(box=…)`; all of it when left out. */
  box?: Window | undefined;
  /** Channels of the result: those of the source, or 3 of 4, without the alpha. */
  channels: number;
}

/** Takes rows of the source, top down: `count` whole rows from row `first` on. They are not read after the call. */
export interface RowResizer {
  rows(data: Uint8Array | Uint8ClampedArray, first: number, count: number): void;
  /** Gives memory back; comes after the last row, or after an error. */
  close(): void;
}

/** Hears of row `y` of the window, which holds during the call only. */
export type OnRow = (row: Uint8ClampedArray, y: number) => void;

export function resizeRows(plan: ResizePlan, onRow: OnRow, make: MakePasses = passesHere): RowResizer {
  const { source, width, height, filter, box } = plan;
  const sameSize = box === undefined && width === source.width && height === source.height;
  if (sameSize || filter === Resampling.nearest) return new NearestRows(plan, onRow);
  return new ConvolvedRows(plan, onRow, make);
}

/**
 * Emitting and compiling takes 5 ms, in which JavaScript makes some three million multiply-adds: a picture of 640×480 for a
 * crop of 224 takes 3.6. Before as many are done it is not worth it.
 */
const WORTH_COMPILING = 3e6;
let multiplyAdds = 0;
let wasmIsRefused = false;

/** Emitted code where it pays, may be compiled and finds memory, else JavaScript. */
function passesHere(spec: PassesSpec): Passes {
  multiplyAdds += spec.multiplyAdds;
  if (multiplyAdds >= WORTH_COMPILING && !wasmIsRefused) {
    try {
      return wasmPasses(spec);
    } catch (error) {
      wasmIsRefused = !(error instanceof RangeError); // no memory, for a picture of this size
    }
  }
  return jsPasses(spec);
}

/** Bytes of source rows that are worked on at once, to stay in a cache of the processor. */
const CHUNK_BYTES = 64 * 1024;
/** Bytes of held rows beyond those needed, so that they are seldom moved. */
const SPARE_BYTES = 128 * 1024;
/** Vectors are stored whole. */
const LINE = 16;
const lines = (bytes: number): number => Math.ceil((bytes + LINE) / LINE) * LINE;

/** Of the box, along x and along y: where it begins, and where it ends. */
export function edges({ source, box }: ResizePlan): [columns: [number, number], rows: [number, number]] {
  const { left, top, width, height } = box ?? { left: 0, top: 0, ...source };
  return [
    [left, left + width],
    [top, top + height],
  ];
}

class ConvolvedRows implements RowResizer {
  readonly #plan: ResizePlan;
  readonly #onRow: OnRow;
  readonly #vertical: Taps;
  readonly #passes: Passes;
  /** Weighted by alpha before the passes, and divided by it after them, as Pillow does for RGBA. */
  readonly #alpha: boolean;
  readonly #columnsFirst: boolean;
  /** Columns and rows of the source that are needed, each [first, one after the last]. */
  readonly #columns: readonly [number, number];
  readonly #needed: readonly [number, number];

  /** Addresses: rows of the source, rows that are held for the pass along columns, one row between passes, one row done. */
  readonly #input = 0;
  readonly #held: number;
  readonly #between: number;
  readonly #done: number;
  /** Bytes from a row to the next. */
  readonly #inputStride: number;
  readonly #heldStride: number;
  /** How many rows there is room for. */
  readonly #inputRows: number;
  readonly #heldRows: number;

  /** Rows of the source from `first` on, before `end`, are held. */
  #first: number;
  #end: number;
  /** The next row of the window. */
  #next = 0;

  constructor(plan: ResizePlan, onRow: OnRow, make: MakePasses) {
    this.#plan = plan;
    this.#onRow = onRow;
    const { source, width, height, window, channels } = plan;
    const [columns, rows] = edges(plan);
    const filter = FILTERS[plan.filter as keyof typeof FILTERS];
    const horizontal = makeTaps(source.width, width, filter, window.left, window.width, columns);
    const vertical = makeTaps(source.height, height, filter, window.top, window.height, rows);
    this.#vertical = vertical;
    this.#alpha = channels === 4;
    // Pillow 13 takes the columns first when that is less work (its ImagingResampleInner); earlier versions never did.
    const lost = source.height - height;
    this.#columnsFirst = lost > 0 && lost > 2 * (source.width - width);
    this.#columns = extent(horizontal);
    this.#needed = extent(vertical);
    [this.#first, this.#end] = [this.#needed[0], this.#needed[0]];

    const [left, right] = this.#columns;
    const pixelBytes = source.channels;
    this.#inputStride = lines((right - left) * pixelBytes);
    const outStride = lines(window.width * channels);
    this.#heldStride = this.#columnsFirst ? this.#inputStride : outStride;
    const wanted = Math.max(1, Math.floor(CHUNK_BYTES / this.#inputStride));
    this.#inputRows = Math.min(wanted, this.#needed[1] - this.#needed[0]);
    this.#heldRows = longest(vertical) + this.#inputRows + Math.floor(SPARE_BYTES / this.#heldStride);
    this.#held = this.#input + (this.#columnsFirst ? 0 : this.#inputRows * this.#inputStride);
    this.#between = this.#held + (this.#heldRows + 1) * this.#heldStride;
    this.#done = this.#between + (this.#columnsFirst ? this.#inputStride : 0);
    const bytes = this.#done + outStride;
    const rowsAcross = this.#columnsFirst ? window.height : this.#needed[1] - this.#needed[0];
    const columnsDown = this.#columnsFirst ? right - left : window.width;
    const multiplyAdds =
      channels * (rowsAcross * window.width * longest(horizontal) + columnsDown * window.height * longest(vertical));
    this.#passes = make({ horizontal, vertical, left, pixelBytes, channels, bytes, multiplyAdds });
  }

  rows(data: Uint8Array | Uint8ClampedArray, first: number, count: number): void {
    const end = Math.min(first + count, this.#needed[1]);
    while (this.#end < end) {
      const rows = Math.min(end - this.#end, this.#inputRows);
      this.#makeRoom(rows);
      const held = this.#held + (this.#end - this.#first) * this.#heldStride;
      if (this.#columnsFirst) {
        this.#copy(data, this.#end - first, rows, held);
      } else {
        this.#copy(data, this.#end - first, rows, this.#input);
        this.#passes.alongRows(this.#input, this.#inputStride, rows, held, this.#heldStride);
      }
      this.#end += rows;
      this.#giveRows();
    }
  }

  close(): void {
    this.#passes.release();
  }

  /** Copies what is needed of rows of the source; the first of them is row `row` of `data`. */
  #copy(data: Uint8Array | Uint8ClampedArray, row: number, rows: number, to: number): void {
    const { width, channels } = this.#plan.source;
    const [left, right] = this.#columns;
    const { memory } = this.#passes;
    for (let i = 0; i < rows; i++, to += this.#inputStride) {
      const from = ((row + i) * width + left) * channels;
      const needed = data.subarray(from, from + (right - left) * channels);
      memory.set(needed, to);
      if (this.#alpha) premultiplyRow(memory.subarray(to, to + needed.length));
    }
  }

  /** Forgets rows that are no longer needed, when there is no room for more. */
  #makeRoom(rows: number): void {
    if (this.#end - this.#first + rows <= this.#heldRows) return;
    const first = Math.min(this.#end, this.#vertical.start[this.#next]!);
    const from = this.#held + (first - this.#first) * this.#heldStride;
    const to = this.#held + (this.#end - this.#first) * this.#heldStride;
    this.#passes.memory.copyWithin(this.#held, from, to);
    this.#first = first;
  }

  /** Gives the rows of the result for which all is there. */
  #giveRows(): void {
    const { start, length } = this.#vertical;
    const { source, window, channels } = this.#plan;
    const outBytes = window.width * channels;
    const inBytes = (this.#columns[1] - this.#columns[0]) * source.channels;
    for (; this.#next < start.length; this.#next++) {
      const i = this.#next;
      if (start[i]! + length[i]! > this.#end) return;
      const from = this.#held + (start[i]! - this.#first) * this.#heldStride;
      if (this.#columnsFirst) {
        this.#passes.downColumns(i, from, this.#heldStride, inBytes, this.#between);
        this.#passes.alongRows(this.#between, 0, 1, this.#done, 0);
      } else {
        this.#passes.downColumns(i, from, this.#heldStride, outBytes, this.#done);
      }
      const row = this.#passes.memory.subarray(this.#done, this.#done + outBytes);
      if (this.#alpha) unpremultiplyRow(row);
      this.#onRow(row, i);
    }
  }
}
