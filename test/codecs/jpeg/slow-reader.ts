/** Coefficients of a sequential JPEG, read bit by bit: what the fast reader's are compared with. No errors are forgiven. */
import type { JpegColours } from '../../../src/codecs/jpeg/header.js';
import type { Coefficients, Component } from './reference.js';

/** Natural positions in zigzag order (T.81, figure A.6). */
export const ZIGZAG: readonly number[] = Array.from({ length: 64 }, (_, i) => i).sort((a, b) => {
  const [ya, xa, yb, xb] = [a >> 3, a & 7, b >> 3, b & 7];
  const diagonal = ya + xa - yb - xb;
  if (diagonal !== 0) return diagonal;
  return (ya + xa) % 2 === 0 ? xa - xb : ya - yb;
});

/** Symbols by their codes, written out as text of 0 and 1. */
type Huffman = Map<string, number>;

interface FrameComponent extends Component {
  id: number;
  slot: number;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 2;
  readonly #quant = new Map<number, Uint16Array>();
  readonly #huffman = new Map<number, Huffman>();
  #interval = 0;
  #frame!: Omit<Coefficients, 'components' | 'colours'> & { components: FrameComponent[] };
  #bits = '';

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(colours: JpegColours): Coefficients {
    for (;;) {
      const [marker, at] = [this.#bytes[this.#at + 1], this.#at + 4];
      if (marker === 0xd9) return { ...this.#frame, colours };
      const end = this.#at + 2 + this.#word(this.#at + 2);
      this.#at = end;
      if (marker === 0xdb) this.#readQuant(at, end);
      else if (marker === 0xc4) this.#readHuffman(at, end);
      else if (marker === 0xdd) this.#interval = this.#word(at);
      else if (marker === 0xc0 || marker === 0xc1) this.#readFrame(at);
      else if (marker === 0xda) this.#readScan(at);
      else if (marker < 0xe0) throw new Error(`marker ${marker.toString(16)}`);
    }
  }

  #word(at: number): number {
    return this.#bytes[at] * 256 + this.#bytes[at + 1];
  }

  #readQuant(start: number, end: number): void {
    for (let at = start; at < end; ) {
      const [wide, slot] = [this.#bytes[at] >> 4, this.#bytes[at] & 15];
      const table = new Uint16Array(64);
      at++;
      for (const natural of ZIGZAG) {
        table[natural] = wide ? this.#word(at) : this.#bytes[at];
        at += wide + 1;
      }
      this.#quant.set(slot, table);
    }
  }

  #readHuffman(start: number, end: number): void {
    for (let at = start; at < end; ) {
      const table: Huffman = new Map();
      const counts = this.#bytes.subarray(at + 1, at + 17);
      this.#huffman.set(this.#bytes[at], table);
      at += 17;
      let code = 0;
      for (let length = 1; length <= 16; length++) {
        for (let i = 0; i < counts[length - 1]; i++) {
          table.set((code++).toString(2).padStart(length, '0'), this.#bytes[at++]);
        }
        code *= 2;
      }
    }
  }

  #readFrame(at: number): void {
    const [height, width, count] = [this.#word(at + 1), this.#word(at + 3), this.#bytes[at + 5]];
    const parts = Array.from({ length: count }, (_, i) => this.#bytes.subarray(at + 6 + 3 * i, at + 9 + 3 * i));
    const hMax = Math.max(...parts.map(([, factors]) => factors >> 4));
    const vMax = Math.max(...parts.map(([, factors]) => factors & 15));
    const [across, down] = [Math.ceil(width / (8 * hMax)), Math.ceil(height / (8 * vMax))];
    const components = parts.map(([id, factors, slot]) => {
      const [h, v] = [factors >> 4, factors & 15];
      const [blocksWide, blocksHigh] = [across * h, Math.ceil((height * v) / (8 * vMax))];
      const coefficients = new Int16Array(across * h * down * v * 64);
      return { id, slot, h, v, blocksWide, blocksHigh, coefficients, quant: new Uint16Array(64) };
    });
    this.#frame = { width, height, hMax, vMax, components };
  }

  #readScan(at: number): void {
    const { width, height, hMax, vMax } = this.#frame;
    const parts = Array.from({ length: this.#bytes[at] }, (_, i) => {
      const [id, tables] = this.#bytes.subarray(at + 1 + 2 * i, at + 3 + 2 * i);
      const component = this.#frame.components.find((other) => other.id === id)!;
      component.quant = this.#quant.get(component.slot)!;
      return { component, dc: this.#huffman.get(tables >> 4)!, ac: this.#huffman.get(16 + (tables & 15))!, before: 0 };
    });
    const alone = parts.length === 1 ? parts[0].component : undefined;
    const across = Math.ceil((width * (alone?.h ?? 1)) / (hMax * 8));
    const down = Math.ceil((height * (alone?.v ?? 1)) / (vMax * 8));
    this.#bits = '';
    for (let unit = 0; unit < across * down; unit++) {
      if (this.#interval > 0 && unit > 0 && unit % this.#interval === 0) {
        this.#bits = '';
        this.#at += 2; // the restart marker
        for (const part of parts) part.before = 0;
      }
      const [top, left] = [Math.floor(unit / across), unit % across];
      for (const part of parts) {
        const { h, v, blocksWide, coefficients } = part.component;
        const [high, wide] = alone ? [1, 1] : [v, h];
        for (let i = 0; i < high * wide; i++) {
          const block = (top * high + Math.floor(i / wide)) * blocksWide + left * wide + (i % wide);
          this.#readBlock(part, coefficients.subarray(64 * block, 64 * block + 64));
        }
      }
    }
  }

  #readBlock(part: { dc: Huffman; ac: Huffman; before: number }, block: Int16Array): void {
    part.before += this.#signed(this.#symbol(part.dc));
    block[0] = part.before;
    for (let k = 1; k < 64; k++) {
      const symbol = this.#symbol(part.ac);
      const [run, size] = [symbol >> 4, symbol & 15];
      if (size === 0 && run !== 15) return;
      k += run;
      if (size > 0) block[ZIGZAG[k]] = this.#signed(size);
    }
  }

  #symbol(table: Huffman): number {
    for (let code = ''; code.length <= 16; ) {
      code += this.#bit();
      const symbol = table.get(code);
      if (symbol !== undefined) return symbol;
    }
    throw new Error('a code that is none');
  }

  #signed(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 2 + Number(this.#bit());
    return size > 0 && value < 2 ** (size - 1) ? value - 2 ** size + 1 : value;
  }

  #bit(): string {
    if (this.#bits === '') {
      this.#bits = this.#bytes[this.#at].toString(2).padStart(8, '0');
      this.#at += this.#bytes[this.#at] === 0xff ? 2 : 1; // 0 follows 0xFF
    }
    const bit = this.#bits[0];
    this.#bits = this.#bits.slice(1);
    return bit;
  }
}

/** @param colours what the components mean, which only markers say */
export const readSlowly = (bytes: Uint8Array, colours: JpegColours): Coefficients => new Reader(bytes).read(colours);
