/**
 * Inflates what a platform's inflater refuses: a zlib stream that is cut short after its last pixel, or that goes on. Those
 * throw away what they have when they meet an error; Pillow and browsers take the pixels that are there. RFC 1950 and 1951.
 * Where a place has no inflater at all, this is the one.
 */

/** Length codes 257 to 285 and distance codes 0 to 29: the least value, and how many further bits are added to it. */
const LENGTHS = steps(3, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5]);
LENGTHS.push({ least: 258, bits: 0 });
const DISTANCES = steps(
  1,
  Array.from({ length: 30 }, (_, code) => Math.max(0, (code >> 1) - 1)),
);
/** The order of the code length codes, RFC 1951, 3.2.7. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

function steps(first: number, bits: readonly number[]): { least: number; bits: number }[] {
  let least = first;
  return bits.map((count) => {
    const step = { least, bits: count };
    least += 2 ** count;
    return step;
  });
}

/** Codes of at most so many bits are found by one look. */
const LOOK_BITS = 10;

/** A Huffman code. */
interface Code {
  /**
   * By the next bits, lowest first: a symbol times 16, plus the length of its code. 0 where the code is longer, or where
   * there is none.
   */
  table: Uint16Array;
  /** How many codes each length has, and the symbols in the order of their codes. */
  counts: Uint16Array;
  symbols: Uint16Array;
}

function makeCode(lengths: Uint8Array): Code {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length]++;
  counts[0] = 0;
  const at = new Uint16Array(16);
  const code = new Uint16Array(16);
  for (let length = 1; length < 16; length++) {
    if (code[length] + counts[length] > 1 << length) throw new Error('more codes than there are');
    if (length === 15) break;
    at[length + 1] = at[length] + counts[length];
    code[length + 1] = (code[length] + counts[length]) << 1;
  }
  const symbols = new Uint16Array(lengths.length);
  const table = new Uint16Array(1 << LOOK_BITS);
  for (const [symbol, length] of lengths.entries()) {
    if (length === 0) continue;
    symbols[at[length]++] = symbol;
    if (length > LOOK_BITS) continue;
    const first = reversed(code[length]++, length);
    for (let bits = first; bits < table.length; bits += 1 << length) table[bits] = (symbol << 4) | length;
  }
  return { table, counts, symbols };
}

/** Codes come with their highest bit first, other numbers with their lowest. */
function reversed(code: number, length: number): number {
  let bits = 0;
  for (let i = 0; i < length; i++) bits |= ((code >> i) & 1) << (length - 1 - i);
  return bits;
}

export interface Inflated {
  /** Bytes that were given out. */
  length: number;
  /** `ended`: with the end of the stream; `full`: there is more to come than was wanted; `cut`: the bytes end before. */
  state: 'ended' | 'full' | 'cut';
  /** The checksum after the stream, where the stream has ended and has one. */
  adler: number | undefined;
  /** Bytes after the stream and its checksum. */
  surplus: number;
}

/** What distances can reach back to, and what is given out at once. */
const WINDOW = 1 << 15;
const PIECE = 1 << 16;

/**
 * Inflates a zlib stream and gives it out piece by piece, until `most` bytes were given or the stream ends. A piece is to be
 * used at once: its memory is written over.
 * @throws Error for anything but a zlib stream
 */
export function inflateTo(bytes: Uint8Array, most: number, give: (piece: Uint8Array) => void): Inflated {
  if (bytes.length < 2 || (bytes[0] & 15) !== 8 || ((bytes[0] << 8) | bytes[1]) % 31 !== 0 || bytes[1] & 32) {
    throw new Error('no zlib header');
  }
  const reader = new Reader(bytes, most, give);
  const state = reader.run();
  const { at } = reader;
  const adler =
    state === 'ended' && at + 4 <= bytes.length
      ? new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0)
      : undefined;
  return { length: reader.length, state, adler, surplus: Math.max(0, bytes.length - at - 4) };
}

/** Thrown and caught here: the bytes end, or all that is wanted is there. */
const CUT = new Error('the data ends');
const FULL = new Error('there is no more room');

class Reader {
  readonly #bytes: Uint8Array;
  readonly #most: number;
  readonly #give: (piece: Uint8Array) => void;
  /** The window, and after it what is not given out yet. */
  readonly #out = new Uint8Array(WINDOW + PIECE);
  #to = WINDOW;
  at = 2;
  length = 0;
  #bits = 0;
  #count = 0;

  constructor(bytes: Uint8Array, most: number, give: (piece: Uint8Array) => void) {
    this.#bytes = bytes;
    this.#most = most;
    this.#give = give;
  }

  run(): Inflated['state'] {
    try {
      for (let last = false; !last; ) {
        last = this.#take(1) === 1;
        this.#block(this.#take(2));
      }
      return 'ended';
    } catch (stop) {
      if (stop === CUT) return 'cut';
      if (stop === FULL) return 'full';
      throw stop;
    } finally {
      // Whole bytes that were taken ahead are given back: the checksum begins with them.
      this.at -= this.#count >> 3;
      this.#flush();
    }
  }

  #take(count: number): number {
    while (this.#count < count) {
      if (this.at >= this.#bytes.length) throw CUT;
      this.#bits |= this.#bytes[this.at++] << this.#count;
      this.#count += 8;
    }
    const value = this.#bits & ((1 << count) - 1);
    this.#bits >>>= count;
    this.#count -= count;
    return value;
  }

  #symbol({ table, counts, symbols }: Code): number {
    while (this.#count < LOOK_BITS && this.at < this.#bytes.length) {
      this.#bits |= this.#bytes[this.at++] << this.#count;
      this.#count += 8;
    }
    const found = table[this.#bits & ((1 << LOOK_BITS) - 1)];
    const bits = found & 15;
    if (bits > 0 && bits <= this.#count) {
      this.#bits >>>= bits;
      this.#count -= bits;
      return found >> 4;
    }
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length < 16; length++) {
      code |= this.#take(1);
      const count = counts[length];
      if (code - first < count) return symbols[index + code - first];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new Error('a code that there is not');
  }

  #write(byte: number): void {
    if (this.length === this.#most) throw FULL;
    if (this.#to === this.#out.length) this.#flush();
    this.#out[this.#to++] = byte;
    this.length++;
  }

  /** Gives out what is there, and keeps the window. */
  #flush(): void {
    if (this.#to === WINDOW) return;
    this.#give(this.#out.subarray(WINDOW, this.#to));
    this.#out.copyWithin(0, this.#to - WINDOW, this.#to);
    this.#to = WINDOW;
  }

  #block(kind: number): void {
    if (kind === 0) this.#stored();
    else if (kind === 1) this.#compressed(FIXED_LITERALS, FIXED_DISTANCES);
    else if (kind === 2) this.#dynamic();
    else throw new Error('a block of an unknown kind');
  }

  #stored(): void {
    this.at -= this.#count >> 3; // whole bytes that were taken ahead
    this.#bits = 0;
    this.#count = 0;
    const length = this.#take(16);
    if ((this.#take(16) ^ 0xffff) !== length) throw new Error('a stored block whose lengths differ');
    for (let i = 0; i < length; i++) this.#write(this.#take(8));
  }

  #dynamic(): void {
    const literals = this.#take(5) + 257;
    const distances = this.#take(5) + 1;
    const orders = this.#take(4) + 4;
    const short = new Uint8Array(19);
    for (let i = 0; i < orders; i++) short[ORDER[i]] = this.#take(3);
    const code = makeCode(short);
    const lengths = new Uint8Array(literals + distances);
    for (let i = 0; i < lengths.length; ) {
      const symbol = this.#symbol(code);
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      const repeated = symbol === 16 ? lengths[i - 1] : 0;
      const times = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7);
      if (i + times > lengths.length || (symbol === 16 && i === 0)) throw new Error('code lengths that do not fit');
      lengths.fill(repeated, i, i + times);
      i += times;
    }
    this.#compressed(makeCode(lengths.subarray(0, literals)), makeCode(lengths.subarray(literals)));
  }

  #compressed(literals: Code, distances: Code): void {
    for (;;) {
      const symbol = this.#symbol(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        this.#write(symbol);
        continue;
      }
      const length = this.#value(LENGTHS[symbol - 257]);
      const distance = this.#value(DISTANCES[this.#symbol(distances)]);
      if (distance > this.length) throw new Error('a distance that reaches too far back');
      for (let i = 0; i < length; i++) this.#write(this.#out[this.#to - distance]);
    }
  }

  #value(step: { least: number; bits: number } | undefined): number {
    if (step === undefined) throw new Error('a code that there is not');
    return step.least + this.#take(step.bits);
  }
}

const FIXED_LITERALS = makeCode(
  Uint8Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)),
);
const FIXED_DISTANCES = makeCode(new Uint8Array(30).fill(5));

/** RFC 1950, section 8.2; of more bytes after those that `before` is of. */
export function adler32(bytes: Uint8Array, before = 1): number {
  let a = before & 0xffff;
  let b = before >>> 16;
  for (let at = 0; at < bytes.length; ) {
    // So many that the sums stay below 2^32.
    for (const end = Math.min(bytes.length, at + 3800); at < end; at++) {
      a += bytes[at];
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
}
