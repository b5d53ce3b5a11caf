/**
 * Huffman tables in the form that the emitted loops read. The next ten bits of the data are the index into a table of
 * entries; where a code and the value after it fit into them, the entry has both, so that most coefficients take one look.
 * Longer codes are found by their limits, as libjpeg finds them (jdhuff.c, `jpeg_huff_decode`).
 */

/** Bits of a look. 4 KB a table: two of AC and two of DC fit into a first-level cache with room to spare. */
export const LOOK_BITS = 10;

/**
 * An entry: in the lowest byte how many bits code and value take, in the next how many coefficients are skipped before the
 * value, in the upper half the value, signed. Where the value does not fit, the lowest byte is 0, the next is the code's
 * length, and the upper half is the symbol; that length is 0 too where the code does not fit either.
 */
export const TABLE = {
  entries: 0,
  /** By length up to 17, the first 16 bits that are beyond all codes of it; 17 has none and is always taken. u32. */
  limits: 4 << LOOK_BITS,
  /** By length, what a code is to be added to give the place of its symbol. i32. */
  offsets: (4 << LOOK_BITS) + 72,
  symbols: (4 << LOOK_BITS) + 144,
} as const;
export const TABLE_BYTES = TABLE.symbols + 256;

/** Skips that are none. After one, the number of a coefficient is so large that a single comparison finds all of these. */
export const END_OF_BLOCK = 80; // the value is the symbol's upper half: log2 of the blocks in a run of empty ones (progressive)
export const SIXTEEN_ZEROS = 160;

/** `plain`: entries have a code's length and the symbol, and no value. Refining passes want that. */
export type TableKind = 'values' | 'plain';

/**
 * Writes a table as `TABLE` has it.
 * @param table slot, 16 counts and the symbols, as DHT has them (B.2.4.2)
 */
export function writeTable(table: Uint8Array, kind: TableKind, memory: Uint8Array<ArrayBuffer>, address: number): void {
  const entries = new Int32Array(memory.buffer, address, 1 << LOOK_BITS).fill(0);
  const limits = new Uint32Array(memory.buffer, address + TABLE.limits, 18).fill(0xffffffff);
  const offsets = new Int32Array(memory.buffer, address + TABLE.offsets, 18);
  const symbols = table.subarray(17, 17 + 256);
  memory.subarray(address + TABLE.symbols, address + TABLE.symbols + 256).fill(0);
  memory.set(symbols, address + TABLE.symbols);
  let code = 0;
  let at = 0;
  for (let length = 1; length <= 16; length++) {
    offsets[length] = at - code;
    for (let n = 0; n < table[length]; n++, code++, at++) {
      if (length > LOOK_BITS) continue;
      const spare = LOOK_BITS - length;
      const first = code << spare;
      if (kind === 'plain') entries.fill((symbols[at] << 16) | length, first, first + (1 << spare));
      else writeEntries(entries.subarray(first, first + (1 << spare)), symbols[at], length, spare);
    }
    limits[length] = code << (16 - length);
    code <<= 1;
  }
}

/** The entries of one code; their index is what follows the code. */
function writeEntries(entries: Int32Array, symbol: number, length: number, spare: number): void {
  const run = symbol >> 4;
  const size = symbol & 15;
  if (size > spare) entries.fill((symbol << 16) | (length << 8));
  else if (size === 0) {
    entries.fill(run === 15 ? (SIXTEEN_ZEROS << 8) | length : (run << 16) | (END_OF_BLOCK << 8) | length);
  } else {
    for (let next = 0; next < entries.length; next++) {
      const bits = next >> (spare - size);
      // F.2.2.1, EXTEND: a value that begins with 0 is negative.
      const value = bits >> (size - 1) === 0 ? bits - (1 << size) + 1 : bits;
      entries[next] = (value << 16) | (run << 8) | (length + size);
    }
  }
}
