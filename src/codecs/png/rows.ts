/**
 * A picture grows from inflated bytes that come piece by piece. Of the filtered rows there is never more in memory than a
 * few, whatever the shape: a row above, and up to 128 KiB that are being worked on. Rows of up to 8,192 pixels are done many
 * at once; of wider ones a part at once.
 */
import type { DecodedImage } from '../../base/pixels.js';
import { refuse } from '../header.js';
import { isGreyPng, type PngLayout, type PngPass, paletteColours, pngPasses, SAMPLES } from './header.js';
import { kernelInJs, PLACE, type RowKernel } from './kernel.js';
import { kernelInWasm } from './wasm.js';

/** Pixels of a row that are done at once; a multiple of 8, so that each part ends with a whole byte. */
const PART = 8192;
/** Filtered bytes that are waited for: a part of eight bytes a pixel and its filter byte, and as much again. */
const FROM_BYTES = 1 << 17;
/** Bytes of the result that rows done at once may have: at most `PART` pixels of three bytes, if that is more. */
const TO_BYTES = 1 << 17;
/** Room after and before everything, for steps of 16 bytes. */
const SLACK = 32;
const TO = PLACE.from + FROM_BYTES + SLACK;
const ROW = TO + TO_BYTES + SLACK * 2;
/** Memory that is kept for the next picture. */
const KEPT_BYTES = 1 << 20;

let idle: RowKernel | undefined;

function makeKernel(): RowKernel {
  try {
    return kernelInWasm();
  } catch {
    return kernelInJs();
  }
}

export interface RowOptions {
  /** Of 16-bit samples the lower byte in place of the upper one. */
  lowerBytes: boolean;
  file: string;
}

export class PngRows {
  readonly image: DecodedImage & { channels: 1 | 3 };
  readonly #layout: PngLayout;
  readonly #passes: readonly PngPass[];
  readonly #kernel: RowKernel;
  readonly #pixelBytes: number;
  readonly #bits: number;
  readonly #file: string;
  /** Filtered bytes that wait. */
  #filled = 0;
  #pass = 0;
  /** The next row of the pass, and in a wide one the next pixel and the row's filter. */
  #y = 0;
  #x = 0;
  #filter = 0;

  constructor(bytes: Uint8Array, layout: PngLayout, { lowerBytes, file }: RowOptions) {
    const { width, height, depth, colourType } = layout;
    const channels = isGreyPng(layout) ? 1 : 3;
    this.image = { data: new Uint8Array(width * height * channels), width, height, channels };
    this.#layout = layout;
    this.#file = file;
    this.#passes = pngPasses(layout);
    this.#bits = depth * SAMPLES[colourType];
    this.#pixelBytes = Math.max(1, this.#bits >> 3);
    this.#kernel = idle ?? makeKernel();
    idle = undefined;
    const widest = Math.max(...this.#passes.map((pass) => rowBytesKept(pass, this.#bits)));
    this.#kernel.reserve(ROW + widest + SLACK);
    const { heap } = this.#kernel;
    if (depth === 16) heap.set(picked(this.#pixelBytes, channels, 2, lowerBytes ? 1 : 0), PLACE.mask);
    else heap.set(picked(this.#pixelBytes, channels, 1, 0), PLACE.mask);
    if (this.#looksUp) heap.set(colorTable(bytes, layout), PLACE.table);
    this.restart();
  }

  get #looksUp(): boolean {
    return this.#layout.depth < 8 || this.#layout.colourType === 3;
  }

  /** Whether all pixels are there. */
  get done(): boolean {
    return this.#pass === this.#passes.length;
  }

  /** Whether a pixel named a color that the palette does not have. Such are black, as Pillow makes them. */
  get lacksColors(): boolean {
    return this.#looksUp && this.#kernel.heap[PLACE.seen + 3] > 0;
  }

  /** From the first byte again. */
  restart(): void {
    this.#filled = 0;
    this.#pass = 0;
    this.#kernel.heap.fill(0, PLACE.seen, PLACE.seen + 4);
    this.#startPass();
  }

  #startPass(): void {
    this.#y = 0;
    this.#x = 0;
    if (this.done) return;
    this.#kernel.heap.fill(0, ROW - SLACK, ROW + rowBytesKept(this.#passes[this.#pass], this.#bits) + SLACK);
    this.#kernel.heap.fill(0, PLACE.corner, PLACE.corner + 8);
  }

  /** @returns whether `piece` holds nothing but pixels @throws MobileNetError IMAGE for a filter that there is not */
  push(piece: Uint8Array): boolean {
    for (let at = 0; at < piece.length; ) {
      if (this.done) return false;
      const count = Math.min(piece.length - at, FROM_BYTES - this.#filled);
      this.#kernel.heap.set(piece.subarray(at, at + count), PLACE.from + this.#filled);
      this.#filled += count;
      at += count;
      const used = this.#work();
      this.#kernel.heap.copyWithin(PLACE.from, PLACE.from + used, PLACE.from + this.#filled);
      this.#filled -= used;
    }
    return !(this.done && this.#filled > 0);
  }

  /** Does all that is there whole. @returns how many bytes that was */
  #work(): number {
    let used = 0;
    while (!this.done) {
      const pass = this.#passes[this.#pass];
      const left = this.#filled - used;
      const count = pass.columns <= PART ? this.#wholeRows(pass, used, left) : this.#partOfRow(pass, used, left);
      if (count === 0) break;
      used += count;
      if (this.#y < pass.rows) continue;
      this.#pass++;
      this.#startPass();
    }
    return used;
  }

  #wholeRows(pass: PngPass, used: number, left: number): number {
    const { columns, rowBytes } = pass;
    const { channels } = this.image;
    const atOnce = Math.max(1, Math.floor(TO_BYTES / (columns * channels)));
    const rows = Math.min(pass.rows - this.#y, atOnce, Math.floor(left / (1 + rowBytes)));
    if (rows === 0) return 0;
    const from = PLACE.from + used;
    for (let y = 0; y < rows; y++) this.#checkFilter(this.#kernel.heap[from + y * (1 + rowBytes)]);
    this.#run({ from, rows, bytes: rowBytes, filter: -1, row: ROW, columns });
    this.#place(pass, 0, columns, rows);
    this.#y += rows;
    return rows * (1 + rowBytes);
  }

  #partOfRow(pass: PngPass, used: number, left: number): number {
    const { heap } = this.#kernel;
    const first = this.#x === 0 ? 1 : 0;
    const columns = Math.min(PART, pass.columns - this.#x);
    const bytes = Math.ceil((columns * this.#bits) / 8);
    if (left < first + bytes) return 0;
    if (first === 1) {
      this.#filter = heap[PLACE.from + used];
      this.#checkFilter(this.#filter);
    }
    let row = ROW + (this.#x * this.#bits) / 8;
    if (pass.rows === 1 && first === 0) {
      // No row needs this one: its parts follow each other in one place, each below zeros and right of the one before.
      const before = (PART * this.#bits) / 8;
      heap.copyWithin(ROW - 8, ROW + before - 8, ROW + before);
      row = ROW;
      heap.fill(0, ROW, ROW + before);
    }
    // The part after this one needs what stands above this one's last pixel, over which this one is written.
    const corner = heap.slice(row + bytes - this.#pixelBytes, row + bytes);
    const from = PLACE.from + used + first;
    this.#run({ from, rows: 1, bytes, filter: this.#filter, row, columns });
    heap.set(corner, PLACE.corner);
    this.#place(pass, this.#x, columns, 1);
    this.#x += columns;
    if (this.#x === pass.columns) {
      heap.fill(0, PLACE.corner, PLACE.corner + 8);
      this.#x = 0;
      this.#y++;
    }
    return first + bytes;
  }

  #checkFilter(filter: number): void {
    if (filter <= 4) return;
    refuse(this.#file, this.#layout.pixels.start, `IDAT: expected row filter 0 to 4, got ${filter}`);
  }

  #run(task: { from: number; rows: number; bytes: number; filter: number; row: number; columns: number }): void {
    const { channels } = this.image;
    const pixelBytes = this.#pixelBytes;
    const depth = this.#looksUp ? this.#layout.depth : 0;
    const group = Math.floor(16 / Math.max(pixelBytes, channels));
    this.#kernel.run({ ...task, pixelBytes, to: TO, channels, depth, group });
  }

  /** Copies pixels into the picture: `columns` from column `x` of the pass on, of `rows` rows from the next one on. */
  #place({ left, top, stepX, stepY }: PngPass, x: number, columns: number, rows: number): void {
    const { data, width, channels } = this.image;
    const { heap } = this.#kernel;
    const first = (top + this.#y * stepY) * width + left + x * stepX;
    if (!this.#layout.interlaced) {
      data.set(heap.subarray(TO, TO + rows * columns * channels), first * channels);
      return;
    }
    let from = TO;
    for (let y = 0; y < rows; y++) {
      let to = (first + y * stepY * width) * channels;
      for (let column = 0; column < columns; column++, to += stepX * channels) {
        data[to] = heap[from++];
        if (channels === 1) continue;
        data[to + 1] = heap[from++];
        data[to + 2] = heap[from++];
      }
    }
  }

  /** Leaves the memory to the next picture. To be called once, when nothing more is pushed. */
  release(): void {
    if (this.#kernel.heap.length <= KEPT_BYTES) idle = this.#kernel;
  }
}

/** Bytes of a row that the next one needs; of the only one of its pass no more than a part. */
function rowBytesKept({ rows, columns, rowBytes }: PngPass, bits: number): number {
  return rows === 1 && columns > PART ? (PART * bits) / 8 : rowBytes;
}

/** Which 16 bytes of a row become the next bytes of the result: alpha and one byte of two are left out. */
function picked(pixelBytes: number, channels: number, sampleBytes: number, first: number): Uint8Array {
  const mask = new Uint8Array(16).fill(128); // none: 0
  const group = Math.floor(16 / Math.max(pixelBytes, channels));
  for (let pixel = 0; pixel < group; pixel++) {
    for (let c = 0; c < channels; c++) mask[pixel * channels + c] = pixel * pixelBytes + c * sampleBytes + first;
  }
  return mask;
}

/** [256,4]: what an index becomes; the fourth byte is 1 where the palette has no such color. */
function colorTable(bytes: Uint8Array, layout: PngLayout): Uint8Array {
  const { colourType, depth, palette } = layout;
  const table = new Uint8Array(256 * 4);
  const colors = colourType === 3 ? paletteColours(layout) : 0;
  for (let index = 0; index < 2 ** depth; index++) {
    // Section 13.12: grey of 1, 2 and 4 bits is spread over 0 to 255.
    if (colourType !== 3) table[4 * index] = (index * 255) / (2 ** depth - 1);
    else if (index >= colors) table[4 * index + 3] = 1;
    else for (let c = 0; c < 3; c++) table[4 * index + c] = bytes[palette!.start + 8 + 3 * index + c];
  }
  return table;
}
