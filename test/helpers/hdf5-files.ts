/** HDF5 files by code, so that tests can ask for groups and chunks that h5py would take long to write, or never would. */
import { deflateSync } from 'node:zlib';
import { join } from '../../src/base/bytes.js';
import { concat, int, utf8 } from './weight-files.js';

/** Of float32, in one piece or in chunks along its first dimension. */
export interface Dataset {
  dims: readonly number[];
  /** Zeros unless given. */
  data?: Uint8Array;
  /** Elements of the first dimension in a chunk, which is compressed. */
  chunk?: number;
  /** How often a chunk is compressed, once unless given. */
  deflated?: number;
}

export type Group = Map<string, Group | Dataset>;

const NOWHERE = int(-1n, 8);
/** Children of a tree's node, and links of a table: more than libraries write, and allowed. */
const MOST_CHILDREN = 1000;
/** Class and version, flags, bytes, offset and bits, then exponent and mantissa as IEEE 754 has them. */
const FLOAT32 = concat(
  concat(int(0x11, 1), int(0x001f20, 3), int(4, 4), int(0, 2), int(32, 2)),
  concat(Uint8Array.of(23, 8, 0, 23), int(127, 4)),
);

/** Pieces one after the other, each with its address. */
class Writer {
  readonly parts: Uint8Array[] = [];
  size = 0;

  /** @returns where the bytes lie in the file */
  add(bytes: Uint8Array): number {
    const at = this.size;
    this.parts.push(bytes);
    this.size += bytes.length;
    return at;
  }
}

const header = (...messages: [type: number, data: Uint8Array][]): Uint8Array => {
  const bodies = messages.map(([type, data]) => {
    const padded = concat(data, new Uint8Array((8 - (data.length % 8)) % 8));
    return concat(int(type, 2), int(padded.length, 2), int(0, 4), padded);
  });
  const body = concat(...bodies);
  return concat(int(1, 2), int(messages.length, 2), int(1, 4), int(body.length, 4), int(0, 4), body);
};

/** A tree of one node, or of two levels; `key` is what stands before each child. */
function tree(to: Writer, type: 0 | 1, children: { key: Uint8Array; address: number }[], last: Uint8Array): number {
  const node = (level: number, inside: typeof children) =>
    to.add(
      concat(
        utf8('TREE'),
        concat(int(type, 1), int(level, 1), int(inside.length, 2), NOWHERE, NOWHERE),
        ...inside.map(({ key, address }) => concat(key, int(address, 8))),
        last,
      ),
    );
  if (children.length <= MOST_CHILDREN) return node(0, children);
  const nodes: typeof children = [];
  for (let i = 0; i < children.length; i += MOST_CHILDREN) {
    nodes.push({ key: children[i].key, address: node(0, children.slice(i, i + MOST_CHILDREN)) });
  }
  return node(1, nodes);
}

function dataset(to: Writer, { dims, data, chunk, deflated = 1 }: Dataset): number {
  const count = dims.reduce((product, size) => product * size, 1);
  const bytes = data ?? new Uint8Array(4 * count);
  const space = concat(int(1, 1), int(dims.length, 1), int(0, 6), ...dims.map((size) => int(size, 8)));
  if (chunk === undefined) {
    const address = to.add(bytes);
    const layout = concat(int(3, 1), int(1, 1), int(address, 8), int(bytes.length, 8));
    return to.add(header([1, space], [3, FLOAT32], [8, layout]));
  }
  const [first, ...rest] = dims;
  const row = bytes.length / first;
  const chunks = [];
  for (let i = 0; i < first; i += chunk) {
    const piece = new Uint8Array(chunk * row);
    piece.set(bytes.subarray(i * row, (i + chunk) * row));
    let packed: Uint8Array = piece;
    for (let times = 0; times < deflated; times++) packed = new Uint8Array(deflateSync(packed));
    const key = concat(int(packed.length, 4), int(0, 4), int(i, 8), new Uint8Array(8 * dims.length));
    chunks.push({ key, address: to.add(packed) });
  }
  const address = tree(to, 1, chunks, new Uint8Array(8 + 8 * (dims.length + 1)));
  const layout = concat(
    concat(int(3, 1), int(2, 1), int(dims.length + 1, 1), int(address, 8)),
    ...[chunk, ...rest, 4].map((size) => int(size, 4)),
  );
  const deflate = concat(int(1, 2), int(0, 4), int(1, 2), int(6, 4), int(0, 4));
  const filters = concat(int(1, 1), int(deflated, 1), int(0, 6), ...Array.from({ length: deflated }, () => deflate));
  return to.add(header([1, space], [3, FLOAT32], [8, layout], [0x0b, filters]));
}

function group(to: Writer, links: Group, known: Map<object, number>): number {
  const addresses = [...links].map(([name, inside]) => [name, object(to, inside, known)] as const);
  const names = addresses.map(([name]) => utf8(`${name}\0`));
  const data = to.add(join(names));
  const heap = to.add(concat(utf8('HEAP'), int(0, 4), int(to.size - data, 8), NOWHERE, int(data, 8)));
  const tables = [];
  let nameAt = 0;
  for (let i = 0; i < addresses.length; i += MOST_CHILDREN) {
    const part = addresses.slice(i, i + MOST_CHILDREN);
    const entries = part.map(([, address], j) => {
      const entry = concat(int(nameAt, 8), int(address, 8), new Uint8Array(24));
      nameAt += names[i + j].length;
      return entry;
    });
    const table = concat(utf8('SNOD'), int(1, 2), int(part.length, 2), ...entries);
    tables.push({ key: int(0, 8), address: to.add(table) });
  }
  return to.add(header([0x11, concat(int(tree(to, 0, tables, int(0, 8)), 8), int(heap, 8))]));
}

function object(to: Writer, what: Group | Dataset, known: Map<object, number>): number {
  const before = known.get(what);
  if (before !== undefined) return before;
  const address = what instanceof Map ? group(to, what, known) : dataset(to, what);
  known.set(what, address);
  return address;
}

/** A file with this root. What comes in it twice is written once, and both links lead there. */
export function hdf5(root: Group): Uint8Array {
  const to = new Writer();
  to.add(new Uint8Array(96));
  const address = object(to, root, new Map());
  const superblock = concat(
    concat(Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10), int(0, 5), int(8, 1), int(8, 1), int(0, 1)),
    concat(int(4, 2), int(16, 2), int(0, 4), int(0, 8), NOWHERE, int(to.size, 8), NOWHERE),
    concat(int(0, 8), int(address, 8), new Uint8Array(24)),
  );
  to.parts[0] = superblock;
  return join(to.parts);
}
