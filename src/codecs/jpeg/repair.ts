/**
 * Mends the entropy-coded data of a sequential JPEG for a decoder that gives up where libjpeg goes on: missing, doubled or
 * misnumbered restart markers, data that end too early, codes that there are not. What comes out has every MCU in its
 * place, those that are lost as libjpeg shows them, so that pixels are Pillow's and the browsers'. Rules and names are those
 * of libjpeg's jdhuff.c and jdmarker.c (`jpeg_resync_to_restart`); letters are those of ITU-T T.81.
 */
import { join } from '../../base/bytes.js';

const SOF0 = 0xc0;
const DHT = 0xc4;
const RST0 = 0xd0;
const EOI = 0xd9;
const SOS = 0xda;
const DRI = 0xdd;

interface Table {
  /** By length 1 to 16: the first code, how many there are, and where their symbols begin. */
  first: number[];
  counts: number[];
  at: number[];
  symbols: Uint8Array;
  /** Of a symbol, its code and the code's length. */
  codes: Map<number, readonly [code: number, length: number]>;
}

interface Component {
  h: number;
  v: number;
  dc: Table;
  ac: Table;
  /** DC of the block before. */
  pred: number;
}

/**
 * @param bytes a sequential JPEG as `essentialJpeg` gives it: sound but for the data of its scans
 * @throws Error where a table lacks the codes for an empty block
 */
export function repairJpeg(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [bytes.subarray(0, 2)];
  const tables = new Map<number, Table>();
  let frame = { width: 0, height: 0, factors: new Map<number, readonly [h: number, v: number]>() };
  let interval = 0;
  for (let at = 2; ; ) {
    while (bytes[at + 1] === 0xff) at++; // fill bytes
    const marker = bytes[at + 1];
    if (marker === EOI) return join([...parts, bytes.subarray(at)]);
    const start = at + 4;
    const end = at + 2 + uint16(bytes, at + 2);
    parts.push(bytes.subarray(at, end));
    at = end;
    if (marker === DHT) readTables(bytes.subarray(start, end), tables);
    else if (marker === DRI) interval = uint16(bytes, start);
    else if (marker >= SOF0 && marker < DHT) frame = readFrame(bytes.subarray(start, end));
    else if (marker === SOS) {
      const reader = new Reader(bytes, end);
      parts.push(
        new ScanRepair(reader, componentsOf(bytes.subarray(start, end), frame.factors, tables)).run(frame, interval),
      );
      at = reader.nextSegment();
    }
  }
}

const uint16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1];

function readFrame(segment: Uint8Array) {
  const factors = new Map<number, readonly [number, number]>();
  for (let at = 6; at < segment.length; at += 3) {
    factors.set(segment[at], [segment[at + 1] >> 4, segment[at + 1] & 15]);
  }
  return { height: uint16(segment, 1), width: uint16(segment, 3), factors };
}

/** B.2.4.2, C.2. */
function readTables(segment: Uint8Array, tables: Map<number, Table>): void {
  for (let start = 0; start < segment.length; ) {
    const slot = segment[start];
    const symbols = segment.subarray(start + 17);
    const table: Table = { first: [0], counts: [0], at: [0], symbols, codes: new Map() };
    let code = 0;
    let at = 0;
    for (let length = 1; length <= 16; length++) {
      const count = segment[start + length];
      table.first[length] = code;
      table.counts[length] = count;
      table.at[length] = at;
      for (let n = 0; n < count; n++, code++, at++) {
        if (!table.codes.has(symbols[at])) table.codes.set(symbols[at], [code, length]);
      }
      code <<= 1;
    }
    tables.set(slot, table);
    start += 17 + at;
  }
}

function componentsOf(
  header: Uint8Array,
  factors: ReadonlyMap<number, readonly [number, number]>,
  tables: ReadonlyMap<number, Table>,
): Component[] {
  return Array.from({ length: header[0] }, (_, n) => {
    const [h, v] = factors.get(header[1 + 2 * n])!;
    const slots = header[2 + 2 * n];
    return { h, v, dc: tables.get(slots >> 4)!, ac: tables.get(16 | (slots & 15))!, pred: 0 };
  });
}

/** Bits of a scan up to a marker, after which there are zeros. */
class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  #bits = 0;
  #count = 0;
  /** The marker that was met; 0 before. */
  marker = 0;
  /** Whether more bits were wanted than there are. */
  dry = false;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  bit(): number {
    if (this.#count === 0 && !this.#fill()) {
      this.dry = true;
      return 0;
    }
    return (this.#bits >> --this.#count) & 1;
  }

  #fill(): boolean {
    if (this.marker !== 0) return false;
    const byte = this.#bytes[this.#at++];
    if (byte === 0xff) {
      while (this.#bytes[this.#at] === 0xff) this.#at++;
      this.marker = this.#bytes[this.#at++];
      if (this.marker !== 0) return false;
    }
    this.#bits = byte;
    this.#count = 8;
    return true;
  }

  /** Passes over what is left of an interval, and over the marker that should follow it: RST0 + `n`. */
  restart(n: number): void {
    this.#count = 0;
    if (this.marker === 0) this.#toMarker();
    for (;;) {
      const found = this.marker - RST0;
      const ahead = (found - n) & 7;
      if (this.marker < SOF0) this.#toMarker();
      else if (found < 0 || found > 7 || ahead === 1 || ahead === 2)
        break; // it belongs to what comes later
      else if (ahead >= 6)
        this.#toMarker(); // it belongs to what was before
      else {
        this.marker = 0;
        break;
      }
    }
    if (this.marker === 0) this.dry = false;
  }

  #toMarker(): void {
    this.marker = 0;
    while (this.marker === 0) {
      while (this.#bytes[this.#at] !== 0xff) this.#at++;
      while (this.#bytes[this.#at] === 0xff) this.#at++;
      this.marker = this.#bytes[this.#at++];
    }
  }

  /** Where the segment after the scan begins. */
  nextSegment(): number {
    if (this.marker === 0) this.#toMarker();
    while (this.marker >= RST0 && this.marker < EOI - 1) this.#toMarker();
    return this.#at - 2;
  }
}

class ScanRepair {
  readonly #reader: Reader;
  readonly #components: readonly Component[];
  readonly #writer = new Writer();

  constructor(reader: Reader, components: readonly Component[]) {
    this.#reader = reader;
    this.#components = components;
  }

  run(
    {
      width,
      height,
      factors,
    }: { width: number; height: number; factors: ReadonlyMap<number, readonly [number, number]> },
    interval: number,
  ): Uint8Array {
    const maxH = Math.max(...Array.from(factors.values(), ([h]) => h));
    const maxV = Math.max(...Array.from(factors.values(), ([, v]) => v));
    const alone = this.#components.length === 1; // its blocks are not grouped (A.2.2)
    const [{ h, v }] = this.#components;
    const mcus = alone
      ? Math.ceil(Math.ceil((width * h) / maxH) / 8) * Math.ceil(Math.ceil((height * v) / maxV) / 8)
      : Math.ceil(width / (8 * maxH)) * Math.ceil(height / (8 * maxV));
    for (let mcu = 0, restarts = 0; mcu < mcus; mcu++) {
      if (interval > 0 && mcu > 0 && mcu % interval === 0) {
        this.#reader.restart(restarts);
        this.#writer.restart(restarts);
        restarts = (restarts + 1) & 7;
        for (const component of this.#components) component.pred = 0;
      }
      const lost = this.#reader.dry;
      for (const component of this.#components) {
        const blocks = alone ? 1 : component.h * component.v;
        for (let n = 0; n < blocks; n++) {
          if (lost) this.#emptyBlock(component);
          else this.#block(component);
        }
      }
    }
    return this.#writer.finish();
  }

  #block(component: Component): void {
    const size = this.#symbol(component.dc);
    component.pred += extend(this.#bits(size), size);
    for (let k = 1; k < 64; k++) {
      const symbol = this.#symbol(component.ac);
      const run = symbol >> 4;
      const bits = symbol & 15;
      if (bits === 0 && run < 15) return;
      k += run;
      this.#bits(bits);
    }
  }

  /** All coefficients 0, DC too, whatever it was before: what libjpeg leaves in a block without data. */
  #emptyBlock(component: Component): void {
    const size = 32 - Math.clz32(Math.abs(component.pred));
    if (component.dc.codes.has(size)) {
      const difference = -component.pred;
      this.#write(component.dc, size);
      this.#writer.bits(difference < 0 ? difference + 2 ** size - 1 : difference, size);
      component.pred = 0;
    } else {
      this.#write(component.dc, 0);
    }
    this.#write(component.ac, 0);
  }

  /** Copies a code and gives its symbol. For a code that there is not, libjpeg takes the symbol 0, after 17 bits. */
  #symbol(table: Table): number {
    let code = 0;
    for (let length = 1; length <= 16; length++) {
      code = (code << 1) | this.#reader.bit();
      const n = code - table.first[length];
      if (n >= 0 && n < table.counts[length]) {
        this.#writer.bits(code, length);
        return table.symbols[table.at[length] + n];
      }
    }
    this.#reader.bit();
    this.#write(table, 0);
    return 0;
  }

  /** Copies bits. */
  #bits(count: number): number {
    let value = 0;
    for (let n = 0; n < count; n++) value = (value << 1) | this.#reader.bit();
    this.#writer.bits(value, count);
    return value;
  }

  #write(table: Table, symbol: number): void {
    const code = table.codes.get(symbol);
    if (code === undefined) throw new Error('damaged data, and no code for an empty block');
    this.#writer.bits(...code);
  }
}

/** F.2.2.1, EXTEND. */
function extend(value: number, size: number): number {
  return size > 0 && value < 2 ** (size - 1) ? value - 2 ** size + 1 : value;
}

/** Bits as a scan holds them, with a zero after every 0xFF. */
class Writer {
  #out = new Uint8Array(1 << 16);
  #length = 0;
  #bits = 0;
  #count = 0;

  bits(value: number, count: number): void {
    for (let n = count - 1; n >= 0; n--) {
      this.#bits = (this.#bits << 1) | ((value >> n) & 1);
      if (++this.#count === 8) {
        this.#byte(this.#bits);
        if (this.#bits === 0xff) this.#byte(0);
        this.#bits = 0;
        this.#count = 0;
      }
    }
  }

  restart(n: number): void {
    this.#pad();
    this.#byte(0xff);
    this.#byte(RST0 + n);
  }

  finish(): Uint8Array {
    this.#pad();
    return this.#out.subarray(0, this.#length);
  }

  #pad(): void {
    while (this.#count > 0) this.bits(1, 1);
  }

  #byte(value: number): void {
    if (this.#length === this.#out.length) {
      const longer = new Uint8Array(this.#length * 2);
      longer.set(this.#out);
      this.#out = longer;
    }
    this.#out[this.#length++] = value;
  }
}
