/**
 * The safetensors format, both ways. A file is
 *
 *   8 bytes  N, an unsigned little-endian integer
 *   N bytes  JSON: { "name": { "dtype", "shape", "data_offsets": [begin, end] }, …, "__metadata__": { string: string } }
 *   rest     data; offsets count from here
 *
 * The rules are those of the Rust library (safetensors 0.8, src/tensor.rs): data ranges lie side by side from 0 to the
 * end of the file, and shape times element size is the range's length. Nothing is allocated before its size is checked.
 */
import { env } from '../base/env.js';
import { type ErrorPlace, expected, MobileNetError, show } from '../base/errors.js';
import { isJsonObject, type JsonObject, type JsonValue, parseJson, showJson } from '../base/json.js';
import { checkTensorCount } from '../base/limits.js';
import { float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from '../tensor/half.js';
import type { Tensor, TensorType } from '../tensor/tensor.js';
import { DTYPES, isDtype, type StoredDtype, type StoredTensor, type StoredTensors, storedBytes } from './stored.js';

const LENGTH_BYTES = 8;
const METADATA = '__metadata__';

/** An entry of the header; begin and end count from the start of the data. */
interface Entry {
  name: string;
  dtype: StoredDtype;
  dims: number[];
  begin: number;
  end: number;
}

/**
 * Reads a whole file. The tensors are views into `bytes`, in the order of their data.
 *
 * @throws MobileNetError TRUNCATED, LIMIT, BAD_HEADER, DUPLICATE_KEY, DTYPE, SHAPE or LAYOUT, with file, offset and, where
 *   one is to blame, tensor
 */
export function readSafetensors(bytes: Uint8Array, { file }: { file: string }): StoredTensors {
  const dataStart = LENGTH_BYTES + headerLength(bytes, file);
  const header = readHeader(bytes.subarray(LENGTH_BYTES, dataStart), file);
  const names = Object.keys(header);
  checkTensorCount(names.length - Number(METADATA in header), env.limits.tensors, file);
  const entries: Entry[] = [];
  for (const name of names) {
    if (name !== METADATA) entries.push(readEntry(name, header[name], file));
  }
  // By begin, then end, so that an empty tensor comes before the one that starts at the same place.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(entries, bytes.length, dataStart, file);

  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, dims, begin, end } of entries) {
    const data = bytes.subarray(dataStart + begin, dataStart + end);
    tensors.set(name, { name, dtype, dims, bytes: data, file, offset: dataStart + begin });
  }
  return { tensors, metadata: readMetadata(header[METADATA], file) };
}

function headerLength(bytes: Uint8Array, file: string): number {
  if (bytes.length < LENGTH_BYTES) {
    throw new MobileNetError(
      'TRUNCATED',
      `${file}: expected a header length of ${LENGTH_BYTES} bytes, got a file of ${bytes.length} bytes; download it again`,
      { file, offset: 0 },
    );
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  const rest = bytes.length - LENGTH_BYTES;
  if (length > rest) {
    throw new MobileNetError(
      'TRUNCATED',
      `${file}: the header says it has ${length} bytes, but only ${rest} follow; not safetensors, or cut short`,
      { file, offset: 0 },
    );
  }
  checkHeaderBytes(Number(length), file, { file, offset: 0 });
  return Number(length);
}

function checkHeaderBytes(length: number, what: string, place: ErrorPlace = {}): void {
  const most = env.limits.headerBytes;
  if (length <= most) return;
  throw new MobileNetError(
    'LIMIT',
    `${what}: expected a header of at most ${most} bytes, got ${length}; raise env.limits.headerBytes if you trust it`,
    place,
  );
}

function readHeader(bytes: Uint8Array, file: string): JsonObject {
  const place = { file, offset: LENGTH_BYTES };
  if (bytes[0] !== 0x7b) {
    const got = bytes.length === 0 ? 'an empty header' : `byte 0x${bytes[0].toString(16)}`;
    throw new MobileNetError('BAD_HEADER', `${file}: expected a header that begins with "{", got ${got}`, place);
  }
  const maxBytes = env.limits.headerBytes;
  return parseJson(bytes, { file, code: 'BAD_HEADER', maxBytes, offset: LENGTH_BYTES }) as JsonObject;
}

function readMetadata(value: JsonValue | undefined, file: string): Record<string, string> {
  const metadata: Record<string, string> = Object.create(null);
  if (value === undefined) return metadata;
  if (!isJsonObject(value)) return refuseField(METADATA, METADATA, 'an object of strings', value, file);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') return refuseField(METADATA, `${METADATA}.${key}`, 'a string', text, file);
    metadata[key] = text;
  }
  return metadata;
}

function readEntry(name: string, entry: JsonValue, file: string): Entry {
  if (!isJsonObject(entry)) return refuseField(name, name, 'an object with dtype, shape and data_offsets', entry, file);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string') return refuseField(name, `${name}.dtype`, 'a string', dtype, file);
  if (!Array.isArray(shape)) return refuseField(name, `${name}.shape`, 'an array', shape, file);
  if (!Array.isArray(offsets)) return refuseField(name, `${name}.data_offsets`, 'an array', offsets, file);

  const place = { file, tensor: name, offset: LENGTH_BYTES };
  if (!isDtype(dtype)) {
    const known = DTYPES.join(', ');
    throw new MobileNetError('DTYPE', `${show(name)}: unknown dtype ${show(dtype)} in ${file}; known: ${known}`, place);
  }
  for (const size of shape) {
    if (isSize(size)) continue;
    const got = showJson(size);
    throw new MobileNetError('SHAPE', `${show(name)}: expected whole sizes below 2^53, got ${got} in ${file}`, place);
  }
  if (offsets.length !== 2 || !offsets.every(isSize) || offsets[1] < offsets[0]) {
    const got = `[${offsets.slice(0, 3).map(showJson).join(', ')}${offsets.length > 3 ? ', …' : ''}]`;
    throw new MobileNetError(
      'LAYOUT',
      `${show(name)}: expected data_offsets [begin, end] of whole numbers with begin ≤ end, got ${got} in ${file}`,
      place,
    );
  }
  const dims = shape as number[];
  const [begin, end] = offsets as [number, number];
  const expected = storedBytes(dtype, dims);
  if (expected !== end - begin) {
    throw new MobileNetError(
      'SHAPE',
      `${show(name)}: shape ${show(dims)} of ${dtype} takes ${expected ?? 'no countable number of'} bytes, but data_offsets span ${end - begin} in ${file}`,
      place,
    );
  }
  return { name, dtype, dims, begin, end };
}

function isSize(value: JsonValue): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function refuseField(name: string, field: string, expected: string, got: JsonValue | undefined, file: string): never {
  throw new MobileNetError('BAD_HEADER', `${show(field)}: expected ${expected}, got ${showJson(got)} in ${file}`, {
    file,
    tensor: name,
    offset: LENGTH_BYTES,
  });
}

/** Sorted entries must lie side by side from 0 to the end of the file. */
function checkLayout(entries: readonly Entry[], fileBytes: number, dataStart: number, file: string): void {
  let end = 0;
  let previous = 'the header';
  for (const entry of entries) {
    if (entry.begin !== end) {
      const fault = entry.begin > end ? 'leaves a gap after' : 'overlaps';
      throw new MobileNetError(
        'LAYOUT',
        `${file}: ${show(entry.name)} begins at data byte ${entry.begin} and ${fault} ${previous}, which ends at ${end}`,
        { file, tensor: entry.name, offset: dataStart + entry.begin },
      );
    }
    end = entry.end;
    previous = show(entry.name);
    if (dataStart + end > fileBytes) {
      throw new MobileNetError(
        'TRUNCATED',
        `${file}: ${previous} ends at byte ${dataStart + end}, but the file has ${fileBytes}; download it again`,
        { file, tensor: entry.name, offset: fileBytes },
      );
    }
  }
  if (dataStart + end < fileBytes) {
    throw new MobileNetError(
      'LAYOUT',
      `${file}: expected the file to end after ${previous} at byte ${dataStart + end}, got ${fileBytes - dataStart - end} more bytes`,
      { file, tensor: entries.at(-1)?.name, offset: dataStart + end },
    );
  }
}

export interface WriteOptions {
  /** Strings about the file. Python's transformers asks for `{ format: 'pt' }`. */
  metadata?: Readonly<Record<string, string>>;
  /** Converts all float tensors to this type; without it each keeps its own. Integers always do. */
  dtype?: 'float32' | 'float16' | 'bfloat16';
}

const STORED_AS: Record<TensorType, StoredDtype> = {
  float32: 'F32',
  float64: 'F64',
  float16: 'F16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};

/**
 * A safetensors file of the tensors, byte for byte what the Rust library writes: wide elements first, then by name, the
 * header padded with spaces to a multiple of 8, so that all data are aligned.
 *
 * @throws MobileNetError ARG for a name or metadata that the format cannot hold; LIMIT for a header that nobody would read
 */
export function writeSafetensors(tensors: ReadonlyMap<string, Tensor>, options: WriteOptions = {}): Uint8Array {
  const items = [...tensors].map(([name, tensor]) => ({ name, dims: tensor.dims, ...encode(tensor, options.dtype) }));
  items.sort((a, b) => DTYPES.indexOf(b.dtype) - DTYPES.indexOf(a.dtype) || (a.name < b.name ? -1 : 1));

  const fields: string[] = [];
  if (options.metadata !== undefined) {
    for (const [key, text] of Object.entries(options.metadata)) {
      checkText(key, 'metadata key');
      checkText(text, `metadata ${show(key)}`);
    }
    fields.push(`"${METADATA}":${JSON.stringify(options.metadata)}`);
  }
  let end = 0;
  for (const { name, dtype, dims, bytes } of items) {
    checkText(name, 'tensor name');
    if (name === METADATA) {
      throw new MobileNetError('ARG', `tensor name: "${METADATA}" is reserved by the format; rename the tensor`);
    }
    const begin = end;
    end += bytes.length;
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape: dims, data_offsets: [begin, end] })}`);
  }
  const header = new TextEncoder().encode(`{${fields.join(',')}}`);
  const dataStart = LENGTH_BYTES + Math.ceil(header.length / 8) * 8;
  checkHeaderBytes(dataStart - LENGTH_BYTES, 'what was to be written');

  const file = new Uint8Array(dataStart + end);
  file.fill(0x20, LENGTH_BYTES, dataStart);
  file.set(header, LENGTH_BYTES);
  new DataView(file.buffer).setBigUint64(0, BigInt(dataStart - LENGTH_BYTES), true);
  let at = dataStart;
  for (const { bytes } of items) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

function encode(tensor: Tensor, wanted: WriteOptions['dtype']): { dtype: StoredDtype; bytes: Uint8Array } {
  const { type, data } = tensor;
  const isFloat = type === 'float32' || type === 'float64' || type === 'float16';
  if (wanted === undefined || wanted === type || !isFloat) return { dtype: STORED_AS[type], bytes: bytesOf(data) };
  const values = type === 'float16' ? float16ToFloat32(data as Uint16Array) : (data as Float32Array | Float64Array);
  if (wanted === 'float16') return { dtype: 'F16', bytes: bytesOf(float32ToFloat16(values)) };
  if (wanted === 'bfloat16') return { dtype: 'BF16', bytes: bytesOf(float32ToBfloat16(values)) };
  return { dtype: 'F32', bytes: bytesOf(new Float32Array(values)) };
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function checkText(text: unknown, what: string): void {
  if (typeof text !== 'string' || /\p{Surrogate}/u.test(text)) {
    throw expected(what, 'a string of whole characters', text);
  }
}
