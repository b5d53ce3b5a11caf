/**
 * Reading a FlatBuffer by hand. Such a file is tables that point at each other; nothing in it says which bytes are whose, so
 * every offset is checked before it is followed. (npm's `flatbuffers` checks none: outside the file it reads zeros.)
 *
 *   uint32 at 0      offset of the root table
 *   table            int32: how far before it its vtable lies; then its fields
 *   vtable           uint16: bytes of the vtable, uint16: bytes of the table, then a uint16 for each field: its offset in
 *                    the table, or 0 where it is left out
 *   string, vector   the field is a uint32 offset from itself to a uint32 length, after which the elements come
 *
 * Source: https://flatbuffers.dev/internals. All numbers are little-endian.
 */
import { MobileNetError } from '../../base/errors.js';

const OFFSET_BYTES = 4;
/**
 * A small file could have a thousand tables share one long vector. So the bytes of vectors that are walked count together, and
 * together they may be this many times those of the file. Writers share next to nothing.
 */
const MOST_WALKS = 8;

export class Flatbuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly file: string;
  #left: number;

  constructor(bytes: Uint8Array, file: string) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.file = file;
    this.#left = MOST_WALKS * bytes.length;
  }

  /** @throws MobileNetError FLATBUFFER, here and in all that follows */
  root(): Table {
    return new Table(this, this.follow(0));
  }

  /** Where the offset at a place leads. */
  follow(at: number): number {
    this.need(at, OFFSET_BYTES);
    const offset = this.view.getUint32(at, true);
    if (offset === 0) return this.fail(at, 'an offset of 0 leads to itself');
    this.need(at + offset, OFFSET_BYTES);
    return at + offset;
  }

  need(at: number, bytes: number): void {
    if (at >= 0 && at + bytes <= this.bytes.length) return;
    this.fail(Math.max(0, at), `${bytes} bytes are expected there, and the file has ${this.bytes.length}`);
  }

  /** To be called before a vector is walked. */
  walk(at: number, bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) this.fail(at, 'so many tables share one vector that reading them would take too long');
  }

  fail(offset: number, message: string): never {
    const { file } = this;
    throw new MobileNetError('FLATBUFFER', `${file}: at byte ${offset}: ${message}`, { file, offset });
  }
}

interface Vector {
  /** Where the first element is. */
  at: number;
  length: number;
}

const BYTES = { int8: 1, uint8: 1, int32: 4, uint32: 4, float32: 4, uint64: 8 } as const;
export type Scalar = keyof typeof BYTES;

export class Table {
  /** Where it begins in the file. */
  readonly at: number;
  readonly #buffer: Flatbuffer;
  readonly #vtable: number;
  readonly #vtableBytes: number;
  readonly #bytes: number;

  constructor(buffer: Flatbuffer, at: number) {
    this.at = at;
    this.#buffer = buffer;
    const { view } = buffer;
    buffer.need(at, OFFSET_BYTES);
    this.#vtable = at - view.getInt32(at, true);
    buffer.need(this.#vtable, 4);
    this.#vtableBytes = view.getUint16(this.#vtable, true);
    this.#bytes = view.getUint16(this.#vtable + 2, true);
    if (this.#vtableBytes < 4 || this.#bytes < OFFSET_BYTES) buffer.fail(this.#vtable, 'a vtable is too short');
    buffer.need(this.#vtable, this.#vtableBytes);
    buffer.need(at, this.#bytes);
  }

  /** Where a field lies in the file; undefined for one that is left out. */
  #field(id: number, bytes: number): number | undefined {
    const entry = 4 + 2 * id;
    if (entry + 2 > this.#vtableBytes) return undefined;
    const offset = this.#buffer.view.getUint16(this.#vtable + entry, true);
    if (offset === 0) return undefined;
    if (offset < OFFSET_BYTES || offset + bytes > this.#bytes) {
      this.#buffer.fail(this.#vtable + entry, `a field at ${offset} lies outside its table of ${this.#bytes} bytes`);
    }
    return this.at + offset;
  }

  /** @param preset what a field that is left out stands for */
  number(id: number, type: Scalar, preset = 0): number {
    const at = this.#field(id, BYTES[type]);
    if (at === undefined) return preset;
    const { view } = this.#buffer;
    switch (type) {
      case 'int8':
        return view.getInt8(at);
      case 'uint8':
        return view.getUint8(at);
      case 'int32':
        return view.getInt32(at, true);
      case 'uint32':
        return view.getUint32(at, true);
      case 'float32':
        return view.getFloat32(at, true);
      default:
        return Number(view.getBigUint64(at, true));
    }
  }

  table(id: number): Table | undefined {
    const at = this.#field(id, OFFSET_BYTES);
    return at === undefined ? undefined : new Table(this.#buffer, this.#buffer.follow(at));
  }

  tables(id: number): Table[] {
    const { at, length } = this.#walked(id, OFFSET_BYTES);
    return Array.from({ length }, (_, i) => new Table(this.#buffer, this.#buffer.follow(at + OFFSET_BYTES * i)));
  }

  text(id: number): string {
    const { at, length } = this.#walked(id, 1);
    return new TextDecoder().decode(this.#buffer.bytes.subarray(at, at + length));
  }

  int32s(id: number): number[] {
    const { at, length } = this.#walked(id, 4);
    return Array.from({ length }, (_, i) => this.#buffer.view.getInt32(at + 4 * i, true));
  }

  float32s(id: number): number[] {
    const { at, length } = this.#walked(id, 4);
    return Array.from({ length }, (_, i) => this.#buffer.view.getFloat32(at + 4 * i, true));
  }

  int64s(id: number): number[] {
    const { at, length } = this.#walked(id, 8);
    return Array.from({ length }, (_, i) => Number(this.#buffer.view.getBigInt64(at + 8 * i, true)));
  }

  /** The bytes of a vector, a view, and where they are; undefined where it is left out. */
  bytes(id: number): { at: number; bytes: Uint8Array } | undefined {
    const vector = this.#vector(id, 1);
    if (vector === undefined) return undefined;
    const { at, length } = vector;
    return { at, bytes: this.#buffer.bytes.subarray(at, at + length) };
  }

  #walked(id: number, elementBytes: number): Vector {
    const vector = this.#vector(id, elementBytes) ?? { at: this.at, length: 0 };
    this.#buffer.walk(vector.at, vector.length * elementBytes);
    return vector;
  }

  #vector(id: number, elementBytes: number): Vector | undefined {
    const field = this.#field(id, OFFSET_BYTES);
    if (field === undefined) return undefined;
    const at = this.#buffer.follow(field);
    const length = this.#buffer.view.getUint32(at, true);
    this.#buffer.need(at + OFFSET_BYTES, length * elementBytes);
    return { at: at + OFFSET_BYTES, length };
  }
}
