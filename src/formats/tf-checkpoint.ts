/**
 * TensorFlow's checkpoints, as `tf.train.Saver` writes them: `model.ckpt.index` says what is where in
 * `model.ckpt.data-00000-of-00001`. The index is a table of LevelDB: sorted keys in blocks, an index of the blocks, and a footer.
 *
 *   block    entries (varint shared, varint new, varint value bytes; new bytes of the key, value), uint32 restarts, their count
 *            then a byte, 0 for no compression, and the masked CRC32C of block and byte
 *   footer   two varint pairs (offset, bytes): of the meta index and of the index; padding; 8 bytes of magic: 48 in all
 *
 * A key is a tensor's name, a value a protocol buffer. Source: TensorFlow 2.21, core/util/tensor_bundle and core/lib/io/format.h,
 * core/protobuf/tensor_bundle.proto.
 */
import { crc32c } from '../base/bytes.js';
import { env } from '../base/env.js';
import { type ErrorCode, MobileNetError, show } from '../base/errors.js';
import { type Folder, readModelFile } from '../base/folder.js';
import { checkTensorCount } from '../base/limits.js';
import { type StoredDtype, type StoredTensor, storedBytes } from './stored.js';

const MAGIC = 0xdb4775248b80fb57n;
const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
/** tensorflow.DataType. */
const TYPES: Readonly<Record<number, StoredDtype>> = {
  ...{ 1: 'F32', 2: 'F64', 3: 'I32', 4: 'U8', 5: 'I16', 6: 'I8', 9: 'I64', 10: 'BOOL', 14: 'BF16', 19: 'F16' },
};
export const INDEX_FILE = /\.index$/;

export function isTfCheckpoint(bytes: Uint8Array): boolean {
  return bytes.length >= FOOTER_BYTES && viewOf(bytes).getBigUint64(bytes.length - 8, true) === MAGIC;
}

const viewOf = ({ buffer, byteOffset, length }: Uint8Array): DataView => new DataView(buffer, byteOffset, length);

/**
 * Reads an index and the files of data that it names.
 * @param folder where they are
 * @param file the index
 * @returns tensors of numbers by name; strings, which hold what the training's objects are, are left out
 * @throws MobileNetError LAYOUT, BAD_HEADER, DTYPE, SHAPE, SHARD, IO for a wrong checksum, LIMIT
 */
export async function readTfCheckpoint(
  bytes: Uint8Array,
  folder: Folder,
  { file, signal }: { file: string; signal?: AbortSignal | undefined },
): Promise<Map<string, StoredTensor>> {
  const reader = new IndexReader(bytes, file);
  const { shards, entries } = reader.read();
  checkTensorCount(entries.length, env.limits.tensors, file);
  let left = env.limits.weightsBytes;
  const data: Uint8Array[] = [];
  for (let i = 0; i < shards; i++) {
    const name = file.replace(INDEX_FILE, `.data-${digits(i)}-of-${digits(shards)}`);
    const shard = await readModelFile(folder, name, signal, left);
    signal?.throwIfAborted();
    if (shard === undefined) {
      const message = `${folder.name}: ${show(name)} is missing, which ${file} belongs to; both are one checkpoint`;
      throw new MobileNetError('SHARD', message, { file: name });
    }
    left -= shard.length;
    data.push(shard);
  }
  return new Map(entries.flatMap((entry) => reader.tensor(entry, data)).map((tensor) => [tensor.name, tensor]));
}

const digits = (value: number): string => String(value).padStart(5, '0');

/** A protocol buffer's fields by number: numbers, and bytes of what is longer. The last of a number counts, but for lists. */
type Message = Map<number, (number | Uint8Array)[]>;

interface Entry {
  name: string;
  message: Message;
  offset: number;
}

class IndexReader {
  readonly #bytes: Uint8Array;
  readonly #file: string;

  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#file = file;
  }

  read(): { shards: number; entries: Entry[] } {
    const footer = this.#bytes.length - FOOTER_BYTES;
    const meta = new Cursor(this.#bytes, footer, this.#bytes.length - 8, this.#file);
    meta.varint();
    meta.varint();
    const entries: Entry[] = [];
    let header: Message | undefined;
    let end = 0;
    for (const block of this.#block(meta.varint(), meta.varint())) {
      const handle = new Cursor(block.value, 0, block.value.length, this.#file);
      const at = handle.varint();
      // Blocks lie one after the other, so that no byte is read twice.
      if (at < end) this.#fail('LAYOUT', at, 'blocks of the index overlap');
      end = at + handle.varint();
      for (const { key, value, offset } of this.#block(at, end - at)) {
        const message = new Cursor(value, 0, value.length, this.#file).message();
        const name = new TextDecoder().decode(key);
        if (name === '') header = message;
        else entries.push({ name, message, offset });
      }
    }
    if (header === undefined) this.#fail('BAD_HEADER', 0, 'expected a header under the empty name');
    if (numberOf(header, 2) !== 0) this.#fail('UNSUPPORTED', 0, 'its numbers are big-endian');
    const shards = numberOf(header, 1);
    if (!(shards >= 1 && shards <= 99_999)) this.#fail('BAD_HEADER', 0, `expected files of data, got ${shards}`);
    return { shards, entries };
  }

  /** @returns nothing for strings and for parts of a tensor that is kept in slices */
  tensor({ name, message, offset }: Entry, data: readonly Uint8Array[]): StoredTensor[] {
    const type = numberOf(message, 1);
    const place = { file: this.#file, tensor: name, offset };
    const fail = (code: ErrorCode, text: string): never => {
      throw new MobileNetError(code, `${show(name)}: ${text} in ${this.#file}`, place);
    };
    if (type === 7 /* DT_STRING */) return [];
    const dtype = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
    if (dtype === undefined) return fail('DTYPE', `type ${type} of TensorFlow is not read here`);
    if (message.has(7)) return fail('UNSUPPORTED', 'is kept in slices; save it whole');
    const dims = this.#dims(message);
    const shard = data[numberOf(message, 3)];
    const [at, size] = [numberOf(message, 4), numberOf(message, 5)];
    if (shard === undefined || at + size > shard.length) return fail('LAYOUT', 'lies outside the files of data');
    if (storedBytes(dtype, dims) !== size) return fail('SHAPE', `${show(dims)} of ${dtype} do not take ${size} bytes`);
    const bytes = shard.subarray(at, at + size);
    if (masked(crc32c(bytes)) !== numberOf(message, 6)) {
      return fail('IO', 'its checksum is wrong, so its bytes are damaged; copy the file again');
    }
    return [{ name, dtype, dims, bytes, file: this.#file, offset: at }];
  }

  #dims(message: Message): number[] {
    const shape = message.get(2)?.at(-1);
    if (!(shape instanceof Uint8Array)) return [];
    const sizes = new Cursor(shape, 0, shape.length, this.#file).message().get(2) ?? [];
    return sizes.map((size) =>
      size instanceof Uint8Array ? numberOf(new Cursor(size, 0, size.length, this.#file).message(), 1) : 0,
    );
  }

  /** The entries of a block, in order. */
  *#block(at: number, size: number): Generator<{ key: Uint8Array; value: Uint8Array; offset: number }> {
    const bytes = this.#bytes;
    const end = at + size;
    if (size < 4 || end + TRAILER_BYTES > bytes.length) this.#fail('LAYOUT', at, 'a block lies outside the index');
    if (bytes[end] !== 0) this.#fail('UNSUPPORTED', end, 'a block is compressed, which TensorFlow does not do');
    const view = viewOf(bytes);
    if (masked(crc32c(bytes.subarray(at, end + 1))) !== view.getUint32(end + 1, true)) {
      this.#fail('IO', at, 'the checksum of a block is wrong, so the index is damaged; copy the file again');
    }
    const restarts = end - 4 - 4 * view.getUint32(end - 4, true);
    if (restarts < at) this.#fail('LAYOUT', end - 4, 'a block has more restarts than bytes');
    const cursor = new Cursor(bytes, at, restarts, this.#file);
    let key = new Uint8Array();
    while (cursor.at < restarts) {
      const offset = cursor.at;
      const [shared, more, length] = [cursor.varint(), cursor.varint(), cursor.varint()];
      if (shared > key.length || shared + more > MOST_NAME) this.#fail('LAYOUT', offset, 'a name has no beginning');
      const next = new Uint8Array(shared + more);
      next.set(key.subarray(0, shared));
      next.set(cursor.take(more), shared);
      key = next;
      yield { key, value: cursor.take(length), offset };
    }
  }

  #fail(code: ErrorCode, offset: number, message: string): never {
    const file = this.#file;
    throw new MobileNetError(code, `${file}: at byte ${offset}: ${message}`, { file, offset });
  }
}

/** Bytes of a tensor's name. */
const MOST_NAME = 10_000;

const numberOf = (message: Message, field: number): number => {
  const value = message.get(field)?.at(-1) ?? 0;
  return typeof value === 'number' ? value : 0;
};

/** Checksums that are stored beside what they are of are changed, so that one of all of it is not a constant. */
const masked = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;

class Cursor {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #file: string;

  constructor(bytes: Uint8Array, at: number, end: number, file: string) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
    this.#file = file;
  }

  /** Seven bits a byte, the lowest first. Numbers above 2^53 are none that a checkpoint has. */
  varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 70; factor *= 128) {
      const byte = this.take(1)[0];
      value += (byte & 127) * factor;
      if (byte < 128) return Number.isSafeInteger(value) ? value : Number.MAX_SAFE_INTEGER;
    }
    return this.#fail('a number has no end');
  }

  take(length: number): Uint8Array {
    if (length > this.#end - this.at) this.#fail(`${length} bytes are expected there`);
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  message(): Message {
    const fields: Message = new Map();
    while (this.at < this.#end) {
      const tag = this.varint();
      const [field, wire] = [Math.floor(tag / 8), tag % 8];
      const values = fields.get(field) ?? [];
      fields.set(field, values);
      if (wire === 0) values.push(this.varint());
      else if (wire === 2) values.push(this.take(this.varint()));
      else if (wire === 5) values.push(viewOf(this.take(4)).getUint32(0, true));
      else if (wire === 1) values.push(Number(viewOf(this.take(8)).getBigUint64(0, true)));
      else this.#fail('a field of an unknown kind');
    }
    return fields;
  }

  #fail(message: string): never {
    const file = this.#file;
    throw new MobileNetError('BAD_HEADER', `${file}: at byte ${this.at}: ${message}`, { file, offset: this.at });
  }
}
