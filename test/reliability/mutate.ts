/** Damage at random, the same for the same seed: to bytes, and to JSON in ways that leave it JSON. */

import { join } from '../../src/base/bytes.js';

/** A whole number from 0 to below `limit`. */
export type Below = (limit: number) => number;

export const belowOf =
  (random: () => number): Below =>
  (limit) =>
    Math.floor(random() * limit);

const EDGES = [0, 1, 0x7f, 0x80, 0xd8, 0xd9, 0xda, 0xfe, 0xff];
const NUMBERS = [0, 1, 2, 3, 4, 7, 8, 0xff, 0x100, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** Changes in the tables of a FlatBuffer: its offsets, lengths and numbers lie at multiples of 4 or 2. Data follow them. */
export function mutateTables(file: Uint8Array, below: Below, tables: number): Uint8Array {
  const bytes = file.slice();
  const view = new DataView(bytes.buffer);
  const end = Math.min(tables, bytes.length) - 4;
  for (let n = 1 + below(4); n > 0 && end > 0; n--) {
    const at = below(end);
    const word = at & ~3;
    const old = view.getUint32(word, true);
    switch (below(6)) {
      case 0:
        view.setUint32(word, old + below(65) - 32, true);
        break;
      case 1:
        view.setUint32(word, NUMBERS[below(NUMBERS.length)], true);
        break;
      case 2:
        view.setUint16(at & ~1, 4 * below(32), true);
        break;
      case 3:
        view.setUint32(word, below(bytes.length), true); // an offset to anywhere
        break;
      case 4:
        view.setUint32(word, view.getUint32(below(end) & ~3, true), true);
        break;
      default:
        bytes[at] ^= 1 << below(8);
    }
  }
  return bytes;
}

/** One to four changes: bits, bytes, numbers of 2, 4 or 8 bytes, pieces cut out, doubled, moved or taken from `other`. */
export function mutateBytes(file: Uint8Array, below: Below, other: Uint8Array = file): Uint8Array {
  let bytes: Uint8Array = file.slice();
  for (let n = 1 + below(4); n > 0; n--) {
    if (bytes.length === 0) bytes = file.slice();
    if (bytes.length === 0) return Uint8Array.of(below(256));
    const at = below(bytes.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    switch (below(11)) {
      case 0:
        bytes[at] = below(256);
        break;
      case 1:
        bytes[at] ^= 1 << below(8);
        break;
      case 2:
        bytes[at] = EDGES[below(EDGES.length)];
        break;
      case 3:
        if (at + 2 <= bytes.length) view.setUint16(at, NUMBERS[below(NUMBERS.length)], below(2) === 0);
        break;
      case 4:
        if (at + 4 <= bytes.length) view.setUint32(at, NUMBERS[below(NUMBERS.length)], below(2) === 0);
        break;
      case 5:
        if (at + 8 <= bytes.length) view.setBigUint64(at, BigInt(NUMBERS[below(NUMBERS.length)]), below(2) === 0);
        break;
      case 6:
        bytes = bytes.slice(0, at + 1);
        break;
      case 7:
        bytes = join([bytes.subarray(0, at), bytes.subarray(at + 1 + below(16))]);
        break;
      case 8:
        bytes = join([bytes.subarray(0, at), bytes.subarray(below(at + 1), at), bytes.subarray(at)]);
        break;
      case 9:
        bytes.copyWithin(at, below(bytes.length), below(bytes.length));
        break;
      default:
        {
          const from = below(other.length);
          bytes = join([bytes.subarray(0, at), other.subarray(from, from + below(64)), bytes.subarray(at)]);
        }
        break;
    }
  }
  return bytes;
}

/** Values that have broken readers before. */
const VALUES = [
  ...['0', '-0', '-1', '1', '2', '0.5', '1e400', '-1e400', '1e-400', '9007199254740993', '4294967296', '1e9', '65536'],
  ...['null', 'true', 'false', '[]', '{}', '[[]]', '[0]', '[0,4]', '{"a":1}', '""', '"x"', '"F32"', '"I64"', '"0"'],
  ...['"__proto__"', '"constructor"', '"../x"', '"\\u0000"', '"\\ud800"', '"model.safetensors"', '"1.0"', '"relu"'],
];
const KEYS = ['__proto__', 'constructor', 'toString', 'length', '', 'shape', 'dtype', 'data_offsets', '__metadata__'];
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[[\]{},:]/g;

/** One to three tokens replaced, left out or doubled; keys renamed. */
export function mutateJson(text: string, below: Below): string {
  const tokens = text.match(TOKEN) ?? ['{}'];
  for (let n = 1 + below(3); n > 0; n--) {
    const at = below(tokens.length);
    const kind = below(8);
    const isKey = tokens[at + 1] === ':';
    if (isKey && kind < 3) tokens[at] = JSON.stringify(KEYS[below(KEYS.length)]);
    else if (kind < 6) tokens[at] = VALUES[below(VALUES.length)];
    else if (kind === 6) tokens.splice(at, 1 + below(4));
    else tokens.splice(at, 0, ...tokens.slice(at, at + 1 + below(8)));
    if (tokens.length === 0) tokens.push('{}');
  }
  return tokens.join('');
}
