/**
 * The Huffman tables of ITU-T T.81, annex K.3. Frames of Motion JPEG come without tables and mean these.
 */

/** Codes of 1 to 16 bits, and the symbols in the order of their codes, by the slot as DHT numbers it: 0 for DC, 16 for AC. */
const TABLES: Readonly<Record<number, readonly [counts: string, symbols: string]>> = {
  0: ['00010501010101010100000000000000', '000102030405060708090a0b'],
  1: ['00030101010101010101010000000000', '000102030405060708090a0b'],
  16: [
    '0002010303020403050504040000017d',
    '01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa',
  ],
  17: [
    '00020102040403040705040400010277',
    '000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa',
  ],
};

/** The table that a missing one stands for, as DHT has it: slot, 16 counts, symbols. Undefined for slots that the standard has no table for. */
export function standardTable(slot: number): Uint8Array | undefined {
  const table = TABLES[slot];
  return table && Uint8Array.of(slot, ...bytesOf(table.join('')));
}

/** DHT segments (B.2.4.2) with the standard tables for these slots. */
export function standardTables(slots: Iterable<number>): Uint8Array {
  const segments = [...slots].flatMap((slot) => {
    const table = standardTable(slot)!;
    const length = 2 + table.length;
    return [0xff, 0xc4, length >> 8, length & 255, ...table];
  });
  return new Uint8Array(segments);
}

const bytesOf = (hex: string): number[] => hex.match(/../g)!.map((byte) => Number.parseInt(byte, 16));
