/** Indexes of TensorFlow's checkpoints by code: blocks of any entries, and an index of any blocks. */
import { crc32c } from '../../../src/base/bytes.js';
import { concat, int } from '../../helpers/weight-files.js';

export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest]);
}

/** Fields of a protocol buffer: numbers, and bytes of what is longer. */
export const field = (number: number, value: number | Uint8Array): Uint8Array =>
  typeof value === 'number'
    ? concat(varint(number * 8), varint(value))
    : concat(varint(number * 8 + 2), varint(value.length), value);

const masked = (bytes: Uint8Array): Uint8Array => {
  const crc = crc32c(bytes);
  return int((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0, 4);
};
export const checksum = (bytes: Uint8Array): number => new DataView(masked(bytes).slice().buffer).getUint32(0, true);

export const entry = (key: Uint8Array, value: Uint8Array, shared = 0): Uint8Array =>
  concat(varint(shared), varint(key.length), varint(value.length), key, value);

/** Entries, no restart, and the checksum after them. */
export function block(entries: readonly Uint8Array[], restarts = 0): Uint8Array {
  const bytes = concat(...entries, int(restarts, 4), int(0, 1));
  return concat(bytes, masked(bytes));
}

/** @param footer where the index of the blocks lies, and how long it is */
export const footer = (at: number, size: number): Uint8Array => {
  const handles = concat(varint(0), varint(0), varint(at), varint(size));
  return concat(handles, new Uint8Array(40 - handles.length), int(0xdb4775248b80fb57n, 8));
};
