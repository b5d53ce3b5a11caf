/**
 * From the scans of a file to coefficients. A picture in one sequential scan passes through row of MCUs by row of MCUs. Of all
 * others the coefficients are kept until the last scan: a progressive picture's are refined by every scan, and one in a scan
 * a component has no row complete before.
 */

import { TABLE_BYTES, type TableKind, writeTable } from './entropy/lookup.js';
import { BLOCK, BLOCK_BYTES, BLOCK_ENTRY_BYTES, BLOCKS, NATURAL_ORDER, STATE, STATE_BYTES } from './entropy/state.js';
import type { CoefficientSink, Frame, FrameComponent } from './frame.js';
import type { JpegLayout, JpegScan } from './header.js';
import type { Decoder } from './module.js';
import { progressOf, type Rows, smoothRow } from './smooth.js';

/** A component and where its coefficients are: all of them, or those of one row of MCUs. */
interface Plane extends FrameComponent {
  /** Blocks of a row that the picture needs. */
  readonly blocksAcross: number;
  /** Addresses. */
  readonly coefficients: number;
  readonly lastNonZero: number;
}

/** Addresses of the blocks of a row of MCUs. */
type Place = Pick<Plane, 'coefficients' | 'lastNonZero'>;

function placeOf({ coefficients, lastNonZero, v, blocksWide }: Plane, row: number): Place {
  const blocks = row * v * blocksWide;
  return { coefficients: coefficients + blocks * BLOCK_BYTES, lastNonZero: lastNonZero + blocks };
}

/** Bytes of an emitted loop's vector: it may read so many past the data. */
const VECTOR = 16;
const END = [0xff, 0xd9];

export class Scans {
  readonly #decoder: Decoder;
  readonly #layout: JpegLayout;
  /** Whether the first scan is all there is to be. */
  readonly #onePass: boolean;
  readonly #planes: readonly Plane[];
  readonly #mcusWide: number;
  readonly #mcusHigh: number;
  /** What is to be added to a position in the file. */
  readonly #file: number;
  readonly #tables = new Map<Uint8Array, Partial<Record<TableKind, number>>>();
  /** Of the last scan, the last row of MCUs that had data. */
  #lastGoodRow = 0;
  readonly frame: Frame;

  constructor(decoder: Decoder, bytes: Uint8Array, layout: JpegLayout) {
    this.#decoder = decoder;
    this.#layout = layout;
    const { width, height, components, maxH, maxV, progressive } = layout.frame;
    this.#mcusWide = Math.ceil(width / (8 * maxH));
    this.#mcusHigh = Math.ceil(height / (8 * maxV));
    this.#onePass = !progressive && layout.scans[0].components.length === components.length;
    this.#file = this.#copy(bytes);
    this.#planes = components.map(({ id, h, v }, index) => {
      const blocksWide = this.#mcusWide * h;
      const blocks = blocksWide * v * (this.#onePass ? 1 : this.#mcusHigh);
      return {
        ...{ id, h, v, blocksWide },
        blocksAcross: Math.ceil((width * h) / maxH / 8),
        blocksHigh: Math.ceil((height * v) / maxV / 8),
        quant: this.#quantisers(index),
        coefficients: this.#zeros(blocks * BLOCK_BYTES),
        lastNonZero: this.#zeros(blocks),
      };
    });
    this.frame = { width, height, components: this.#planes, hMax: maxH, vMax: maxV, colours: layout.colours };
  }

  /**
   * @returns whether data were missing or wrong
   * @throws Error where the file ended before
   */
  decode(sink: CoefficientSink): boolean {
    this.#state()[STATE.damaged / 4] = 0;
    const [first] = this.#layout.scans;
    if (this.#onePass) this.#begin(first);
    else for (const scan of this.#layout.scans) this.#scan(scan);
    const smooth = this.#smoothing();
    for (let row = 0; row < this.#mcusHigh; row++) {
      if (this.#onePass) this.#mcuRow(first, row, 0);
      const places = this.#planes.map((plane, c) => smooth?.(plane, c, row) ?? placeOf(plane, this.#onePass ? 0 : row));
      sink.iMcuRow(
        places.map(({ coefficients }) => coefficients),
        places.map(({ lastNonZero }) => lastNonZero),
      );
    }
    if (this.#layout.endless) this.#checkEnd();
    sink.finish();
    return this.#state()[STATE.damaged / 4] !== 0;
  }

  /** libjpeg wants to have 64 bits at hand after the last one it needs, Pillow refuses a file where it has not. */
  #checkEnd(): void {
    const state = this.#state();
    const left = state[STATE.end / 4] - state[STATE.at / 4] + state[STATE.count / 4] / 8;
    const isWhole = this.#file + this.#layout.scans[0].data.end === state[STATE.source / 4] - END.length;
    if (!isWhole || left < 8) throw new Error('it has no end (EOI), and its data end too early');
  }

  #scan(scan: JpegScan): void {
    this.#begin(scan);
    const state = this.#state();
    for (let row = 0; row < this.#mcusHigh; row++) {
      const wasDry = state[STATE.dry / 4] !== 0;
      this.#mcuRow(scan, row, row);
      if (!wasDry || state[STATE.dry / 4] === 0) this.#lastGoodRow = row;
    }
  }

  /** Makes a smoothed copy of a component's blocks in a row of MCUs; undefined where all is known. */
  #smoothing(): ((plane: Plane, component: number, row: number) => Place) | undefined {
    const { memory } = this.#decoder;
    const { frame, scans } = this.#layout;
    if (!frame.progressive) return undefined;
    const quantisers = (c: number) => new Uint16Array(memory.bytes.buffer, this.#planes[c].quant, 64);
    const progress = progressOf(scans, frame.components.length, quantisers);
    if (progress === undefined) return undefined;
    const copies = this.#planes.map(({ blocksWide, v }) => ({
      coefficients: memory.allocate(v * blocksWide * BLOCK_BYTES),
      lastNonZero: memory.allocate(v * blocksWide),
    }));
    const all = new Int16Array(memory.bytes.buffer);
    return (plane, c, row) => {
      const { v, blocksWide, blocksHigh, blocksAcross } = plane;
      const from = placeOf(plane, row);
      const { coefficients, lastNonZero } = copies[c];
      memory.bytes.copyWithin(coefficients, from.coefficients, from.coefficients + v * blocksWide * BLOCK_BYTES);
      memory.bytes.fill(63, lastNonZero, lastNonZero + v * blocksWide);
      const bits = (row > this.#lastGoodRow ? progress.before : progress.now)[c];
      // As libjpeg counts: where the last row of MCUs holds fewer rows of blocks, all are taken to hold so few.
      const held = row < this.#mcusHigh - 1 ? v : blocksHigh % v || v;
      for (let y = 0; y < held; y++) {
        const [at, end] = [row * held + y, held * this.#mcusHigh];
        const row0 = (from.coefficients + y * blocksWide * BLOCK_BYTES) / 2;
        const rowAt = (distance: number) => row0 + (distance * blocksWide * BLOCK_BYTES) / 2;
        const [above, below] = [Math.min(at, 2), Math.min(end - 1 - at, 2)];
        const rows = [-above, -Math.min(above, 1), 0, Math.min(below, 1), below].map(rowAt) as unknown as Rows;
        const first = (coefficients + y * blocksWide * BLOCK_BYTES) / 2;
        const copy = all.subarray(first, first + (blocksWide * BLOCK_BYTES) / 2);
        smoothRow(all, rows, copy, blocksAcross, bits, quantisers(c));
      }
      return copies[c];
    };
  }

  /** The data of all scans, with an end after them that no loop runs past. */
  #copy(bytes: Uint8Array): number {
    const { memory } = this.#decoder;
    const { scans } = this.#layout;
    const { start } = scans[0].data;
    const { end } = scans[scans.length - 1].data;
    const address = memory.allocate(end - start + END.length + 2 * VECTOR);
    const data = bytes.subarray(start, end + 2);
    memory.bytes.set(data, address);
    memory.bytes.set(END, address + data.length);
    return address - start;
  }

  /** Those of the component's first scan, in natural order; zeros where it has none. */
  #quantisers(index: number): number {
    const { memory } = this.#decoder;
    const component = this.#layout.scans.flatMap((scan) => scan.components).find((other) => other.index === index);
    const address = this.#zeros(2 * 64);
    const table = new Uint16Array(memory.bytes.buffer, address, 64);
    for (const [i, value] of component?.quantisers.entries() ?? []) table[NATURAL_ORDER[i]] = value;
    return address;
  }

  #zeros(count: number): number {
    const { memory } = this.#decoder;
    const address = memory.allocate(count);
    memory.bytes.fill(0, address, address + count);
    return address;
  }

  #state(): Int32Array<ArrayBuffer> {
    return new Int32Array<ArrayBuffer>(this.#decoder.memory.bytes.buffer, 0, STATE_BYTES / 4);
  }

  #begin(scan: JpegScan): void {
    const plain = this.#layout.frame.progressive && scan.high !== 0;
    const tables = scan.components.map(({ dc, ac }) => ({
      dc: this.#table(dc, 'values'),
      ac: this.#table(ac, plain ? 'plain' : 'values'),
    }));
    const state = this.#state();
    const { interval, first, last, low, data } = scan;
    state.fill(0, STATE.bits / 4, STATE.end / 4);
    state.fill(0, STATE.dc / 4, STATE.dc / 4 + 4);
    for (const [field, value] of [
      [STATE.interval, interval],
      [STATE.toGo, interval],
      [STATE.nextRestart, 0],
      [STATE.dry, 0],
      [STATE.emptyBlocks, 0],
      [STATE.first, first],
      [STATE.last, last],
      [STATE.low, low],
      [STATE.source, data.start + this.#file],
    ] as const) {
      state[field / 4] = value;
    }
    const entries = this.#entriesOf(scan);
    state[STATE.blocksEnd / 4] = BLOCKS + entries.length * BLOCK_ENTRY_BYTES;
    for (const [i, { n, plane }] of entries.entries()) {
      const at = (BLOCKS + i * BLOCK_ENTRY_BYTES) / 4;
      const step = entries.length > 1 || scan.components.length > 1 ? plane.h : 1;
      state[at + BLOCK.dcTable / 4] = tables[n].dc;
      state[at + BLOCK.acTable / 4] = tables[n].ac;
      state[at + BLOCK.dc / 4] = STATE.dc + 4 * n;
      state[at + BLOCK.step / 4] = step * BLOCK_BYTES;
      state[at + BLOCK.lastStep / 4] = step;
    }
    this.#decoder.exports.jpeg_segment();
  }

  /** The blocks of an MCU: those of each component by rows; a single one where the scan has one component (A.2). */
  #entriesOf({ components }: JpegScan): { n: number; plane: Plane; x: number; y: number }[] {
    if (components.length === 1) return [{ n: 0, plane: this.#planes[components[0].index], x: 0, y: 0 }];
    return components.flatMap(({ index }, n) => {
      const plane = this.#planes[index];
      const { h, v } = plane;
      return Array.from({ length: h * v }, (_, i) => ({ n, plane, x: i % h, y: Math.floor(i / h) }));
    });
  }

  /** Address of a Huffman table in the form of lookup.ts; 0 for none. */
  #table(table: Uint8Array | undefined, kind: TableKind): number {
    if (table === undefined) return 0;
    const known = this.#tables.get(table) ?? {};
    this.#tables.set(table, known);
    if (known[kind] === undefined) {
      const { memory } = this.#decoder;
      known[kind] = memory.allocate(TABLE_BYTES);
      writeTable(table, kind, memory.bytes, known[kind]);
    }
    return known[kind];
  }

  /** Decodes a row of MCUs of a scan. `stored`: which of the rows in memory it is. */
  #mcuRow(scan: JpegScan, row: number, stored: number): void {
    const entries = this.#entriesOf(scan);
    if (scan.components.length > 1) {
      this.#place(entries.map(({ plane, x, y }) => ({ plane, x, y: stored * plane.v + y })));
      this.#run(scan, this.#mcusWide);
      return;
    }
    const [{ plane }] = entries;
    for (let y = 0; y < plane.v && row * plane.v + y < plane.blocksHigh; y++) {
      this.#place([{ plane, x: 0, y: stored * plane.v + y }]);
      this.#run(scan, plane.blocksAcross);
    }
  }

  /** Says where the first blocks of a row go. */
  #place(places: { plane: Plane; x: number; y: number }[]): void {
    const state = this.#state();
    for (const [i, { plane, x, y }] of places.entries()) {
      const at = (BLOCKS + i * BLOCK_ENTRY_BYTES) / 4;
      const block = y * plane.blocksWide + x;
      state[at + BLOCK.to / 4] = plane.coefficients + block * BLOCK_BYTES;
      state[at + BLOCK.lastTo / 4] = plane.lastNonZero + block;
    }
  }

  #run({ first, high }: JpegScan, mcus: number): void {
    const { exports } = this.#decoder;
    if (!this.#layout.frame.progressive) exports.jpeg_sequential(mcus, this.#onePass ? 1 : 0);
    else if (first === 0) exports[high === 0 ? 'jpeg_dc_first' : 'jpeg_dc_further'](mcus);
    else exports[high === 0 ? 'jpeg_ac_first' : 'jpeg_ac_further'](mcus);
  }
}
