/**
 * HDF5, as far as h5py writes it for Keras: groups, datasets of numbers (in one piece, or in chunks with gzip, shuffle and
 * checksums), attributes that are texts. Superblocks 0 to 3, object headers 1 and 2. What newer versions of the format add
 * for very large groups (fractal heaps, B-trees of version 2) is refused by name. Checksums are not looked at.
 *
 * Source: "HDF5 File Format Specification Version 3.0", https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
 */

import { yieldToEvents } from '../base/abort.js';
import { env, requirePlatform } from '../base/env.js';
import { type ErrorCode, MobileNetError, show } from '../base/errors.js';
import { checkTensorCount } from '../base/limits.js';
import { elementCount } from '../tensor/shape.js';
import { Hdf5Bytes } from './hdf5-bytes.js';
import {
  type Attribute,
  type Layout,
  LONGEST_NAME,
  MESSAGE,
  type Message,
  readAttribute,
  readDataspace,
  readDatatype,
  readFilters,
  readLayout,
  readLink,
  readMessages,
  readName,
} from './hdf5-messages.js';
import { type StoredDtype, type StoredTensor, storedBytes } from './stored.js';
import { Unpacking } from './unpacking.js';
import { LARGEST_RATIO } from './zip.js';

const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
/** Groups in groups. Keras nests as deep as its models, which takes two levels a model. */
const MOST_LEVELS = 32;
const DEFLATE = 1;
const SHUFFLE = 2;
const FLETCHER32 = 3;

export function isHdf5(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, i) => bytes[i] === byte);
}

export interface Hdf5Dataset {
  /** From the root, without a slash at the beginning. */
  readonly path: string;
  readonly dims: readonly number[];
  /** Of the elements; undefined for a type that a tensor cannot have. */
  readonly dtype: StoredDtype | undefined;
  /** Where its header lies in the file. */
  readonly offset: number;
}

interface Plan extends Hdf5Dataset {
  what: string;
  layout: Layout;
  filters: readonly number[];
}

/** A piece of a dataset as it is stored. */
interface Chunk {
  offsets: number[];
  address: number;
  size: number;
  /** Bit i set: filter i was left out. */
  mask: number;
}

export class Hdf5 {
  /** By path, in the order of the file's groups. */
  readonly datasets: ReadonlyMap<string, Hdf5Dataset>;
  readonly #source: Hdf5Bytes;
  readonly #plans = new Map<string, Plan>();
  /** Messages of every group and dataset, by path; '' is the root. */
  readonly #objects = new Map<string, Message[]>();
  /** Global heaps that were read: number of an object → its place. */
  readonly #heaps = new Map<number, Map<number, { begin: number; size: number }>>();
  readonly #unpacking: Unpacking;

  /**
   * Reads the structure, no data.
   * @param place `unpacking` where the file was unpacked itself
   * @throws MobileNetError BAD_HEADER, TRUNCATED, LAYOUT, SHAPE, LIMIT or UNSUPPORTED with file and offset
   */
  constructor(bytes: Uint8Array, { file, unpacking = new Unpacking(file) }: { file: string; unpacking?: Unpacking }) {
    this.#source = new Hdf5Bytes(bytes, file);
    this.#unpacking = unpacking;
    this.#walk(this.#readSuperblock());
    this.datasets = this.#plans;
    checkTensorCount(this.datasets.size, env.limits.tensors, file);
  }

  /**
   * A text, or a list of texts, that describes the object at `path`; undefined where no attribute has that name or it is
   * not text.
   */
  attribute(path: string, name: string): string | string[] | undefined {
    for (const message of this.#objects.get(path) ?? []) {
      if (message.type === MESSAGE.attributeInfo) this.#refuseDenseAttributes(message, path);
      if (message.type !== MESSAGE.attribute) continue;
      this.#refuseShared(message, path);
      const attribute = readAttribute(this.#source.at(message.begin, message.end));
      if (attribute.name === name) return this.#texts(attribute);
    }
    return undefined;
  }

  /** The numbers of a dataset, row-major. @throws MobileNetError as `tensor`, and LIMIT, IO, LAYOUT, UNSUPPORTED */
  async read(dataset: Hdf5Dataset): Promise<StoredTensor> {
    const stored = this.tensor(dataset);
    await stored.unpack?.();
    return stored;
  }

  /**
   * A dataset as a tensor. Data in one piece are a view of the file, those in chunks wait for `unpack`.
   * @throws MobileNetError DTYPE for elements that are not numbers, SHAPE, LAYOUT, TRUNCATED
   */
  tensor({ path }: Hdf5Dataset): StoredTensor {
    const plan = this.#plans.get(path)!;
    const { dtype, dims, layout, offset } = plan;
    if (dtype === undefined) return this.#fail('DTYPE', plan, `expected numbers, got ${plan.what}`);
    const size = storedBytes(dtype, dims);
    if (size === undefined) return this.#fail('SHAPE', plan, `dims ${show(dims)} are too large to count`);
    const stored = { name: path, dtype, dims, file: this.#source.file };
    if (size === 0) return { ...stored, bytes: new Uint8Array(0), offset };
    if (layout.address === undefined) return this.#fail('LAYOUT', plan, 'has no data; was it saved to the end?');
    if (!('dims' in layout)) {
      if (layout.size < size) this.#fail('LAYOUT', plan, `takes ${size} bytes, but ${layout.size} are stored`);
      const begin = this.#source.at(layout.address).take(size);
      return { ...stored, bytes: this.#source.bytes.subarray(begin, begin + size), offset: begin };
    }
    const packed: StoredTensor & { bytes: Uint8Array } = {
      ...stored,
      bytes: new Uint8Array(0),
      offset: layout.address,
      unpack: async (signal?: AbortSignal) => {
        if (packed.bytes.length === 0) packed.bytes = await this.#readChunked(plan, layout, size, signal);
      },
    };
    return packed;
  }

  /** Returns the address of the root's object header. */
  #readSuperblock(): number {
    const source = this.#source;
    if (!isHdf5(source.bytes)) source.fail('BAD_HEADER', 0, 'expected the signature of HDF5');
    const cursor = source.at(SIGNATURE.length);
    const version = cursor.version([0, 1, 2, 3], 'a superblock');
    const old = version < 2;
    if (old) cursor.take(4);
    source.offsetBytes = cursor.uint8();
    source.lengthBytes = cursor.uint8();
    for (const width of [source.offsetBytes, source.lengthBytes]) {
      if (![2, 4, 8].includes(width))
        source.fail('UNSUPPORTED', 13, `expected addresses of 2, 4 or 8 bytes, got ${width}`);
    }
    // Version 0 and 1: a reserved byte, sizes of tree nodes, flags. Version 2 and 3: flags.
    cursor.take(old ? (version === 0 ? 9 : 13) : 1);
    const base = cursor.address();
    if (base !== 0) source.fail('UNSUPPORTED', 0, `expected the file to begin at byte 0, got ${base}`);
    cursor.address();
    const end = cursor.address() ?? 0;
    if (end > source.bytes.length) {
      source.fail(
        'TRUNCATED',
        source.bytes.length,
        `expected ${end} bytes, got ${source.bytes.length}; download it again`,
      );
    }
    if (old) {
      cursor.address(); // driver information
      cursor.address(); // name of the root
    }
    return cursor.address() ?? source.fail('LAYOUT', cursor.position, 'expected the root group, got none');
  }

  /** Visits every object once, whatever links lead to it. */
  #walk(root: number): void {
    const seen = new Set<number>();
    const waiting = [{ path: '', address: root, level: 0 }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { path, address, level } = next;
      if (seen.has(address)) continue;
      seen.add(address);
      if (level > MOST_LEVELS) {
        this.#source.fail('LIMIT', address, `expected at most ${MOST_LEVELS} groups in each other, got more`);
      }
      const messages = readMessages(this.#source, address);
      if (this.#objects.has(path)) this.#source.fail('DUPLICATE_KEY', address, `two objects are called ${show(path)}`);
      this.#objects.set(path, messages);
      if (messages.some(({ type }) => type === MESSAGE.layout))
        this.#plans.set(path, this.#plan(path, address, messages));
      const children = this.#children(path, messages).reverse(); // so that they are popped in order
      for (const { name, address: child } of children) {
        waiting.push({ path: path === '' ? name : `${path}/${name}`, address: child, level: level + 1 });
      }
    }
  }

  #children(path: string, messages: readonly Message[]): { name: string; address: number }[] {
    const links: { name: string; address: number }[] = [];
    for (const message of messages) {
      const cursor = this.#source.at(message.begin, message.end);
      if (message.type === MESSAGE.link) {
        const link = readLink(cursor);
        if (link !== undefined) links.push(link);
      } else if (message.type === MESSAGE.symbolTable) {
        // One by one: a call has no room for a hundred thousand arguments.
        for (const link of this.#symbols(cursor.address(), cursor.address(), message.begin)) links.push(link);
      } else if (message.type === MESSAGE.linkInfo) {
        cursor.take(1);
        if (cursor.uint8() & 1) cursor.take(8);
        if (cursor.address() !== undefined) {
          const remedy = "save it again with h5py's libver='earliest' and without track_order";
          this.#source.fail(
            'UNSUPPORTED',
            message.begin,
            `group ${show(path)} keeps its links in a fractal heap; ${remedy}`,
          );
        }
      }
    }
    return links;
  }

  /** The links of a group of the old style: a B-tree of symbol tables, whose names lie in a local heap. */
  #symbols(tree: number | undefined, heap: number | undefined, at: number): { name: string; address: number }[] {
    if (tree === undefined || heap === undefined) return this.#source.fail('LAYOUT', at, 'a group without its table');
    const head = this.#source.at(heap);
    head.signature('HEAP', 'a local heap');
    head.take(4);
    const size = head.length();
    head.length(); // free list
    const names = head.address();
    if (names === undefined) return this.#source.fail('LAYOUT', heap, 'a local heap without data');
    this.#source.at(names).take(size);

    const links: { name: string; address: number }[] = [];
    const leaves = this.#leaves(tree, 0, (cursor) => cursor.length());
    for (const { child } of leaves) {
      const node = this.#source.at(child);
      node.signature('SNOD', 'a symbol table');
      node.take(2);
      for (let count = node.uint16(); count > 0; count--) {
        const nameAt = node.length();
        const address = node.address();
        node.take(24); // what a reader may cache
        this.#source.spend(8, child);
        const text = this.#source.at(names + nameAt, names + size);
        const near = Math.min(names + size, text.position + LONGEST_NAME + 1);
        const end = this.#source.bytes.subarray(text.position, near).indexOf(0);
        const name = readName(text, end < 0 ? text.left : end);
        if (address !== undefined) links.push({ name, address });
      }
    }
    return links;
  }

  /** The children of a B-tree's lowest nodes with the key before each. A node that is met twice is an error: this would not be a tree. */
  #leaves<Key>(
    root: number,
    type: 0 | 1,
    readKey: (cursor: ReturnType<Hdf5Bytes['at']>) => Key,
  ): { key: Key; child: number }[] {
    const leaves: { key: Key; child: number }[] = [];
    const seen = new Set<number>();
    const waiting: { address: number; level: number | undefined }[] = [{ address: root, level: undefined }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { address } = next;
      if (seen.has(address)) this.#source.fail('LAYOUT', address, 'a B-tree that leads back to itself');
      seen.add(address);
      const node = this.#source.at(address);
      node.signature('TREE', 'a B-tree');
      const got = node.uint8();
      if (got !== type) this.#source.fail('LAYOUT', address, `expected a B-tree of type ${type}, got ${got}`);
      const level = node.uint8();
      if (next.level !== undefined && level !== next.level) {
        this.#source.fail('LAYOUT', address, `expected level ${next.level} of a B-tree, got ${level}`);
      }
      const count = node.uint16();
      node.address(); // siblings
      node.address();
      const below: number[] = [];
      for (let i = 0; i < count; i++) {
        this.#source.spend(8, address);
        const key = readKey(node);
        const child = node.address();
        if (child === undefined) return this.#source.fail('LAYOUT', address, 'a B-tree that leads nowhere');
        if (level === 0) leaves.push({ key, child });
        else below.push(child);
      }
      for (const child of below.reverse()) waiting.push({ address: child, level: level - 1 });
    }
    return leaves;
  }

  #plan(path: string, offset: number, messages: readonly Message[]): Plan {
    const open = (type: number) => {
      const message = messages.find((one) => one.type === type);
      if (message === undefined) return undefined;
      this.#refuseShared(message, path);
      return this.#source.at(message.begin, message.end);
    };
    const [space, type, layout, filters] = [MESSAGE.dataspace, MESSAGE.datatype, MESSAGE.layout, MESSAGE.filters].map(
      open,
    );
    if (space === undefined || type === undefined || layout === undefined) {
      return this.#source.fail('LAYOUT', offset, `dataset ${show(path)} lacks its shape or type`, path);
    }
    const datatype = readDatatype(type);
    return {
      path,
      dims: readDataspace(space) ?? [0],
      dtype: datatype.kind === 'number' ? datatype.dtype : undefined,
      what: datatype.kind === 'other' ? datatype.what : datatype.kind,
      offset,
      layout: readLayout(layout),
      filters: filters === undefined ? [] : readFilters(filters),
    };
  }

  async #readChunked(
    plan: Plan,
    layout: Extract<Layout, { dims: number[] }>,
    size: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const { dims, filters, dtype } = plan;
    const chunkBytes = storedBytes(dtype!, layout.dims);
    if (chunkBytes === undefined || chunkBytes === 0 || layout.dims.length !== dims.length) {
      return this.#fail('SHAPE', plan, `chunks of ${show(layout.dims)} for dims ${show(dims)}`);
    }
    const unknown = filters.find((filter) => ![DEFLATE, SHUFFLE, FLETCHER32].includes(filter));
    if (unknown !== undefined) {
      this.#fail('UNSUPPORTED', plan, `filter ${unknown}; save it with gzip or without compression`);
    }
    // Each is another pass over all bytes, and makes as many again.
    if (new Set(filters).size < filters.length)
      this.#fail('UNSUPPORTED', plan, 'a filter comes twice; save it with gzip');
    const chunks = this.#chunks(layout, dims.length, chunkBytes);
    const wanted = dims.reduce((count, length, d) => count * Math.ceil(length / layout.dims[d]), 1);
    if (chunks.length !== wanted) this.#fail('LAYOUT', plan, `expected ${wanted} chunks, got ${chunks.length}`);
    // Now that every chunk is there, the sizes of all of them bound what may be allocated.
    const packed = filters.includes(DEFLATE);
    for (const chunk of chunks) {
      this.#source.at(chunk.address).take(chunk.size);
      if (chunkBytes > chunk.size * (packed ? LARGEST_RATIO : 1)) {
        this.#fail('LAYOUT', plan, `a chunk takes ${chunkBytes} bytes, but ${chunk.size} are stored`);
      }
    }
    if (size > chunks.length * chunkBytes) {
      this.#fail('LAYOUT', plan, `takes ${size} bytes, but its chunks have ${chunks.length * chunkBytes}`);
    }
    this.#unpacking.take(chunks.length * chunkBytes, show(plan.path), plan.offset);
    const out = new Uint8Array(size);
    const seen = new Set<string>();
    for (const chunk of chunks) {
      if (signal !== undefined) await yieldToEvents(signal);
      const place = chunk.offsets.join();
      const inside = chunk.offsets.every((at, d) => at < dims[d] && at % layout.dims[d] === 0);
      if (!inside || seen.has(place)) this.#fail('LAYOUT', plan, `a chunk at [${place}], outside or twice`);
      seen.add(place);
      copyChunk(await this.#unpack(plan, chunk, chunkBytes), layout.dims, chunk.offsets, out, dims, size);
    }
    return out;
  }

  #chunks(layout: Layout, rank: number, chunkBytes: number): Chunk[] {
    const address = layout.address!;
    if (layout.kind === 'chunk') {
      return [{ offsets: new Array<number>(rank).fill(0), address, size: layout.size ?? chunkBytes, mask: 0 }];
    }
    const leaves = this.#leaves(address, 1, (cursor) => {
      const [size, mask] = [cursor.uint32(), cursor.uint32()];
      const offsets = Array.from({ length: rank }, () => cursor.uint(8));
      cursor.take(8); // the offset within an element: 0
      return { size, mask, offsets };
    });
    return leaves.map(({ key, child }) => ({ ...key, address: child }));
  }

  async #unpack(plan: Plan, { address, size, mask }: Chunk, chunkBytes: number): Promise<Uint8Array> {
    let bytes = this.#source.bytes.subarray(address, address + size);
    for (let i = plan.filters.length - 1; i >= 0; i--) {
      if (mask & (1 << i)) continue;
      switch (plan.filters[i]) {
        case DEFLATE:
          bytes = await this.#inflate(plan, bytes, chunkBytes);
          break;
        case SHUFFLE:
          bytes = unshuffle(bytes, (storedBytes(plan.dtype!, [1]) ?? 1) as number);
          break;
        case FLETCHER32:
          bytes = bytes.subarray(0, Math.max(0, bytes.length - 4));
          break;
      }
    }
    if (bytes.length !== chunkBytes) this.#fail('LAYOUT', plan, `expected ${chunkBytes} bytes, got ${bytes.length}`);
    return bytes;
  }

  async #inflate(plan: Plan, bytes: Uint8Array, chunkBytes: number): Promise<Uint8Array> {
    const inflate = requirePlatform('inflate', 'compressed HDF5');
    try {
      return await inflate(bytes, 'deflate', chunkBytes + 4); // a checksum may follow the chunk
    } catch (cause) {
      const { file } = this.#source;
      const message = `${file}: ${show(plan.path)} is damaged or too long (${(cause as Error).message})`;
      throw new MobileNetError('IO', message, { file, tensor: plan.path, offset: plan.offset, cause });
    }
  }

  #texts({ datatype, dims, begin, end }: Attribute): string | string[] | undefined {
    if (dims === undefined || (datatype.kind !== 'text' && datatype.kind !== 'variable text')) return undefined;
    const count = dims.reduce((product, size) => product * size, 1);
    const cursor = this.#source.at(begin, end);
    if (!(count * datatype.size <= cursor.left)) {
      this.#source.fail('LAYOUT', begin, `an attribute of ${count} texts does not fit its ${cursor.left} bytes`);
    }
    if (count > 0 && datatype.size === 0) this.#source.spend(count, begin);
    const texts = Array.from({ length: count }, () => {
      if (datatype.kind === 'text') return cursor.text(datatype.size);
      const start = cursor.position;
      const size = cursor.uint32();
      const heap = cursor.address();
      const text = size === 0 || heap === undefined ? '' : this.#heapText(heap, cursor.uint32(), size);
      cursor.position = start + datatype.size;
      return text;
    });
    return dims.length === 0 ? texts[0] : texts;
  }

  #heapText(heap: number, index: number, size: number): string {
    const object = this.#heap(heap).get(index);
    if (object === undefined || size > object.size) {
      return this.#source.fail('LAYOUT', heap, `expected a text of ${size} bytes as object ${index} of a global heap`);
    }
    return this.#source.at(object.begin).text(size);
  }

  #heap(address: number): Map<number, { begin: number; size: number }> {
    const known = this.#heaps.get(address);
    if (known !== undefined) return known;
    const objects = new Map<number, { begin: number; size: number }>();
    this.#heaps.set(address, objects);
    const head = this.#source.at(address);
    head.signature('GCOL', 'a global heap');
    head.take(4);
    const size = head.length();
    this.#source.at(address).take(size);
    const cursor = this.#source.at(head.position, address + size);
    while (cursor.left >= 8 + this.#source.lengthBytes) {
      this.#source.spend(8, address);
      const index = cursor.uint16();
      cursor.take(6);
      const length = cursor.length();
      if (index === 0) break; // what is left is free
      const begin = cursor.take(length);
      objects.set(index, { begin, size: length });
      if (length % 8 !== 0) cursor.take(Math.min(cursor.left, 8 - (length % 8)));
    }
    return objects;
  }

  #refuseDenseAttributes({ begin, end }: Message, path: string): void {
    const cursor = this.#source.at(begin, end);
    cursor.take(1);
    if (cursor.uint8() & 1) cursor.take(2);
    if (cursor.address() === undefined) return;
    const remedy = "save it again with h5py's libver='earliest'";
    this.#source.fail('UNSUPPORTED', begin, `${show(path)} keeps its attributes in a fractal heap; ${remedy}`);
  }

  #refuseShared({ shared, begin }: Message, path: string): void {
    if (shared) this.#source.fail('UNSUPPORTED', begin, `${show(path)} shares its type with other objects`, path);
  }

  #fail(code: ErrorCode, { path, offset }: Hdf5Dataset, message: string): never {
    return this.#source.fail(code, offset, `${show(path)}: ${message}`, path);
  }
}

/** The shuffle filter puts all first bytes of elements first, then all second ones: it compresses better. */
function unshuffle(bytes: Uint8Array, size: number): Uint8Array {
  const count = Math.floor(bytes.length / size);
  const out = bytes.slice(); // bytes after the last whole element stay in place
  for (let b = 0; b < size; b++) for (let i = 0; i < count; i++) out[i * size + b] = bytes[b * count + i];
  return out;
}

/** Copies the part of a chunk that lies within the dataset, row by row. */
function copyChunk(
  chunk: Uint8Array,
  chunkDims: readonly number[],
  offsets: readonly number[],
  out: Uint8Array,
  dims: readonly number[],
  outBytes: number,
): void {
  const last = dims.length - 1;
  const element = outBytes / elementCount(dims);
  const kept = dims.map((size, d) => Math.min(chunkDims[d], size - offsets[d]));
  const row = kept[last] * element;
  const index = new Array<number>(last).fill(0);
  for (;;) {
    let from = 0;
    let to = 0;
    for (let d = 0; d <= last; d++) {
      const i = d === last ? 0 : index[d];
      from = from * chunkDims[d] + i;
      to = to * dims[d] + offsets[d] + i;
    }
    out.set(chunk.subarray(from * element, from * element + row), to * element);
    let d = last - 1;
    for (; d >= 0 && ++index[d] === kept[d]; d--) index[d] = 0;
    if (d < 0) return;
  }
}
