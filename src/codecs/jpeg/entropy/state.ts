/**
 * Where the emitted loops keep what lasts from one call to the next: fields of 4 bytes at fixed addresses at the bottom of
 * the memory, so that reading one costs no register. TypeScript sets them before a scan and reads them after it.
 */

/** Addresses of fields. */
export const STATE = {
  /** Bits not yet used, the next one on top, and how many there are. 8 bytes. */
  bits: 0,
  count: 8,
  /** The next byte to take into `bits`. It runs past `end` where more is wanted than there is. */
  at: 12,
  /** Where the current segment of the data ends, stuffed zeros already taken out. */
  end: 16,
  /** The byte of the file after the marker that ended the segment, and that marker's second byte. */
  source: 20,
  marker: 24,
  /** MCUs between restart markers, 0 without; those left before the next one; its number, 0 to 7. */
  interval: 28,
  toGo: 32,
  nextRestart: 36,
  /** Not 0 after more bits were wanted than there are, until a restart. libjpeg: `insufficient_data`. */
  dry: 40,
  /** Not 0 once data were missing, or a restart marker, or a code that there is not was met. */
  damaged: 44,
  /** Blocks that the current run of empty ones still covers (progressive; G.1.2.2). */
  emptyBlocks: 48,
  /** A progressive pass: its band of coefficients, and the bit that it brings. */
  first: 52,
  last: 56,
  low: 60,
  /** One after the last of `BLOCKS`. */
  blocksEnd: 64,
  /** DC of the block before, by component of the scan. 16 bytes. */
  dc: 80,
} as const;

/** Natural place (row by row) of a coefficient by its place in zigzag order, one byte each; the last repeats, as in libjpeg. */
export const ZIGZAG = 96;
const ZIGZAG_BYTES = 80;

/** The blocks of an MCU in turn, one entry each. */
export const BLOCKS = ZIGZAG + ZIGZAG_BYTES;
const MOST_BLOCKS = 10;
export const BLOCK = {
  /** Addresses of Huffman tables, and of the component's field in `STATE.dc`. */
  dcTable: 0,
  acTable: 4,
  dc: 8,
  /** Address of the next block and bytes from it to the one in the next MCU; the same of its `lastNonZero`. */
  to: 12,
  step: 16,
  lastTo: 20,
  lastStep: 24,
} as const;
export const BLOCK_ENTRY_BYTES = 28;

/** Bytes at the bottom of the memory that are taken. */
export const STATE_BYTES = Math.ceil((BLOCKS + MOST_BLOCKS * BLOCK_ENTRY_BYTES) / 16) * 16;

/** Bytes of a block of coefficients, i16[64]. */
export const BLOCK_BYTES = 128;

/** Figure A.6. */
export const NATURAL_ORDER: Uint8Array = (() => {
  const order = new Uint8Array(ZIGZAG_BYTES).fill(63);
  let at = 0;
  for (let diagonal = 0; diagonal < 15; diagonal++) {
    for (let i = 0; i <= diagonal; i++) {
      const [row, column] = diagonal % 2 === 0 ? [diagonal - i, i] : [i, diagonal - i];
      if (row < 8 && column < 8) order[at++] = row * 8 + column;
    }
  }
  return order;
})();
