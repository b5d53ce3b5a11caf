/**
 * Object headers of HDF5: the list of messages that says what an object is (a group's links, a dataset's type, shape and
 * place, attributes), and what each of those messages holds.
 *
 * Source: "HDF5 File Format Specification Version 3.0", chapter IV.
 */
import type { Cursor, Hdf5Bytes } from './hdf5-bytes.js';
import type { StoredDtype } from './stored.js';

export const MESSAGE = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  link: 0x06,
  layout: 0x08,
  filters: 0x0b,
  attribute: 0x0c,
  continuation: 0x10,
  symbolTable: 0x11,
  attributeInfo: 0x15,
} as const;

/** Where a message's data lie. */
export interface Message {
  type: number;
  begin: number;
  end: number;
  /** The data are elsewhere and shared by several objects. */
  shared: boolean;
}

/** All messages of the object header at `address`, of either version, through all of its continuations. */
export function readMessages(source: Hdf5Bytes, address: number): Message[] {
  const cursor = source.at(address);
  return source.bytes[address] === 0x4f /* O of OHDR */ ? readVersion2(source, cursor) : readVersion1(source, cursor);
}

function readVersion1(source: Hdf5Bytes, head: Cursor): Message[] {
  head.version([1], 'an object header');
  head.take(1);
  let count = head.uint16();
  head.take(4); // reference count
  const size = head.uint32();
  head.take(4); // to a multiple of 8
  const messages: Message[] = [];
  const blocks = [source.at(head.position, head.take(size) + size)];
  for (let block = blocks.shift(); block !== undefined && count > 0; block = blocks.shift()) {
    for (; count > 0 && block.left >= 8; count--) {
      const type = block.uint16();
      const length = block.uint16();
      const flags = block.uint8();
      block.take(3);
      add(source, block, { type, length, flags }, messages, blocks, 0);
    }
  }
  return messages;
}

function readVersion2(source: Hdf5Bytes, head: Cursor): Message[] {
  head.signature('OHDR', 'an object header');
  head.version([2], 'an object header');
  const flags = head.uint8();
  if (flags & 0x20) head.take(16); // times
  if (flags & 0x10) head.take(4); // when attributes move
  const size = head.uint(1 << (flags & 3));
  const messages: Message[] = [];
  const blocks = [source.at(head.position, head.take(size) + size)];
  const headBytes = flags & 0x04 ? 6 : 4;
  for (let block = blocks.shift(); block !== undefined; block = blocks.shift()) {
    // What is left at the end and too small for a message is a gap.
    while (block.left >= headBytes) {
      const type = block.uint8();
      const length = block.uint16();
      const messageFlags = block.uint8();
      if (flags & 0x04) block.take(2); // order of creation
      add(source, block, { type, length, flags: messageFlags }, messages, blocks, 4);
    }
  }
  return messages;
}

/** @param frame bytes of the signature before and the checksum after a continuation's messages: 4, or 0 in version 1 */
function add(
  source: Hdf5Bytes,
  block: Cursor,
  { type, length, flags }: { type: number; length: number; flags: number },
  messages: Message[],
  blocks: Cursor[],
  frame: 0 | 4,
): void {
  const begin = block.take(length);
  source.spend(8, begin);
  if (type !== MESSAGE.continuation) {
    messages.push({ type, begin, end: begin + length, shared: (flags & 2) !== 0 });
    return;
  }
  const data = source.at(begin, begin + length);
  const address = data.address();
  const size = data.length();
  if (address === undefined) source.fail('LAYOUT', begin, 'a continuation without an address');
  const region = source.at(address);
  region.take(size);
  const next = source.at(address, address + size - frame);
  if (frame > 0) next.signature('OCHK', 'a continued object header');
  blocks.push(next);
}

/** What an element is: a number or a text; undefined for a kind that no weight or name has (references, compounds). */
export type Datatype =
  | { kind: 'number'; dtype: StoredDtype; size: number }
  | { kind: 'text'; size: number }
  | { kind: 'variable text'; size: number }
  | { kind: 'other'; what: string; size: number };

const CLASSES = ['integer', 'float', 'time', 'string', 'bits', 'opaque', 'compound', 'reference', 'enum', 'sequence'];
const INTEGERS: Record<number, [unsigned: StoredDtype, signed: StoredDtype]> = {
  1: ['U8', 'I8'],
  2: ['U16', 'I16'],
  4: ['U32', 'I32'],
  8: ['U64', 'I64'],
};
/** By size, then where exponent and mantissa lie: IEEE 754 and bfloat16. */
const FLOATS: Record<string, StoredDtype> = {
  '2: 10+5 0+10': 'F16',
  '2: 7+8 0+7': 'BF16',
  '4: 23+8 0+23': 'F32',
  '8: 52+11 0+52': 'F64',
};

export function readDatatype(cursor: Cursor): Datatype {
  const kind = cursor.uint8() & 15;
  const bits = cursor.uint8();
  cursor.take(2);
  const size = cursor.uint32();
  const other: Datatype = { kind: 'other', what: CLASSES[kind] ?? `class ${kind}`, size };
  if (kind === 3) return { kind: 'text', size };
  if (kind === 9) return (bits & 15) === 1 ? { kind: 'variable text', size } : other;
  if (kind > 1) return other;
  if (bits & 1) return { ...other, what: 'big-endian number' };
  cursor.take(4); // offset and precision in bits: all of them
  if (kind === 0) {
    const dtype = INTEGERS[size]?.[bits & 8 ? 1 : 0];
    return dtype === undefined ? other : { kind: 'number', dtype, size };
  }
  const [exponentAt, exponent, mantissaAt, mantissa] = [cursor.uint8(), cursor.uint8(), cursor.uint8(), cursor.uint8()];
  const dtype = FLOATS[`${size}: ${exponentAt}+${exponent} ${mantissaAt}+${mantissa}`];
  return dtype === undefined ? other : { kind: 'number', dtype, size };
}

/** HDF5's own limit on dimensions. */
const MOST_DIMS = 32;

/** The dimensions; undefined for a dataspace that holds nothing at all. */
export function readDataspace(cursor: Cursor): number[] | undefined {
  const start = cursor.position;
  const version = cursor.version([1, 2], 'a dataspace');
  const rank = cursor.uint8();
  cursor.take(1); // whether maximal dims follow
  const type = cursor.uint8();
  if (version === 1) cursor.take(4);
  if (rank > MOST_DIMS) cursor.source.fail('SHAPE', start, `expected at most ${MOST_DIMS} dims, got ${rank}`);
  const dims = Array.from({ length: rank }, () => cursor.length());
  return version === 2 && type === 2 ? undefined : dims;
}

export type Layout =
  | { kind: 'compact' | 'contiguous'; address: number | undefined; size: number }
  /** Chunks of `dims` elements; found by a B-tree of version 1. */
  | { kind: 'chunked'; address: number | undefined; dims: number[] }
  /** One chunk that is the whole dataset. */
  | { kind: 'chunk'; address: number | undefined; dims: number[]; size: number | undefined };

export function readLayout(cursor: Cursor): Layout {
  const { source, position: start } = cursor;
  const version = cursor.version([3, 4], 'a data layout');
  const kind = cursor.uint8();
  if (kind === 0) {
    const size = cursor.uint16();
    return { kind: 'compact', size, address: cursor.take(size) };
  }
  if (kind === 1) return { kind: 'contiguous', address: cursor.address(), size: cursor.length() };
  if (kind !== 2)
    return source.fail('UNSUPPORTED', start, `expected data in one piece or in chunks, got layout ${kind}`);
  if (version === 3) {
    const rank = cursor.uint8() - 1; // the last is an element's size
    const address = cursor.address();
    return { kind: 'chunked', address, dims: chunkDims(cursor, rank, 4) };
  }
  const flags = cursor.uint8();
  const rank = cursor.uint8() - 1;
  const width = cursor.uint8();
  if (![1, 2, 4, 8].includes(width)) source.fail('LAYOUT', start, `expected chunk sizes of 1 to 8 bytes, got ${width}`);
  const dims = chunkDims(cursor, rank, width);
  cursor.uint(width); // an element's size
  if (cursor.uint8() !== 1) {
    source.fail('UNSUPPORTED', start, "chunks with an index of HDF5 1.10; save again with h5py's libver='earliest'");
  }
  const size = flags & 2 ? cursor.length() : undefined;
  if (size !== undefined) cursor.take(4); // which filters were left out
  return { kind: 'chunk', address: cursor.address(), dims, size };
}

function chunkDims(cursor: Cursor, rank: number, width: number): number[] {
  if (rank < 1 || rank > MOST_DIMS) {
    cursor.source.fail('SHAPE', cursor.position, `expected chunks of 1 to ${MOST_DIMS} dims, got ${rank}`);
  }
  return Array.from({ length: rank }, () => cursor.uint(width));
}

/** Numbers of filters, in the order in which they were applied. */
export function readFilters(cursor: Cursor): number[] {
  const version = cursor.version([1, 2], 'a filter pipeline');
  const count = cursor.uint8();
  if (version === 1) cursor.take(6);
  const filters: number[] = [];
  for (let i = 0; i < count; i++) {
    const id = cursor.uint16();
    const nameBytes = version === 1 || id >= 256 ? cursor.uint16() : 0;
    cursor.take(2); // flags
    const values = cursor.uint16();
    cursor.take(version === 1 ? Math.ceil(nameBytes / 8) * 8 : nameBytes);
    cursor.take(4 * (version === 1 ? values + (values % 2) : values));
    filters.push(id);
  }
  return filters;
}

/** A name and the object it leads to; undefined for a link by path or into another file, which Keras does not write. */
export function readLink(cursor: Cursor): { name: string; address: number } | undefined {
  cursor.version([1], 'a link');
  const flags = cursor.uint8();
  const type = flags & 0x08 ? cursor.uint8() : 0;
  if (flags & 0x04) cursor.take(8); // order of creation
  if (flags & 0x10) cursor.take(1); // character set
  const name = readName(cursor, cursor.uint(1 << (flags & 3)));
  const address = type === 0 ? cursor.address() : undefined;
  return address === undefined ? undefined : { name, address };
}

/** No real name is longer. Names may overlap in a file, so without a bound a small file could ask for much memory. */
export const LONGEST_NAME = 1024;

export function readName(cursor: Cursor, size: number): string {
  if (!(size <= LONGEST_NAME)) {
    cursor.source.fail('LIMIT', cursor.position, `expected a name of at most ${LONGEST_NAME} bytes, got ${size}`);
  }
  return cursor.text(size);
}

/** An attribute: its name, what its elements are and where they begin. */
export interface Attribute {
  name: string;
  datatype: Datatype;
  dims: number[] | undefined;
  begin: number;
  end: number;
}

export function readAttribute(cursor: Cursor): Attribute {
  const { source, position: start, limit } = cursor;
  const version = cursor.version([1, 2, 3], 'an attribute');
  const flags = cursor.uint8();
  const [nameBytes, typeBytes, spaceBytes] = [cursor.uint16(), cursor.uint16(), cursor.uint16()];
  if (version === 3) cursor.take(1); // character set
  const part = <T>(size: number, read: (inner: Cursor) => T): T => {
    const begin = cursor.take(version === 1 ? Math.ceil(size / 8) * 8 : size);
    return read(source.at(begin, begin + size));
  };
  const name = part(nameBytes, (inner) => readName(inner, nameBytes));
  if (version > 1 && (flags & 3) !== 0) {
    source.fail('UNSUPPORTED', start, `attribute ${JSON.stringify(name)} shares its type with other objects`);
  }
  const datatype = part(typeBytes, readDatatype);
  const dims = part(spaceBytes, readDataspace);
  return { name, datatype, dims, begin: cursor.position, end: limit };
}
