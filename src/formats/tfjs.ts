/**
 * TensorFlow.js models: `model.json` holds a Keras graph, or one of TensorFlow's operations, and a manifest of weights, whose bytes lie one after the
 * other in files beside it.
 *
 *   { "modelTopology": { "model_config": … },
 *     "weightsManifest": [{ "paths": ["group1-shard1of1.bin"],
 *                           "weights": [{ "name": "Conv1/kernel", "shape": [3, 3, 3, 32], "dtype": "float32",
 *                                         "quantization": { "dtype": "uint8", "min": -1.2, "scale": 0.01 } }, …] }] }
 *
 * A quantised value q stands for q · scale + min. Source: tfjs-core 4.22, src/io/types.ts and io_utils.ts.
 */
import { join } from '../base/bytes.js';
import { env } from '../base/env.js';
import { type ErrorCode, MobileNetError, show } from '../base/errors.js';
import { type Folder, readModelFile } from '../base/folder.js';
import { isJsonObject, type JsonObject, type JsonValue, jsonText, parseJson, showJson } from '../base/json.js';
import { checkTensorCount } from '../base/limits.js';
import { mapped } from '../base/mapped.js';
import { insidePath } from './shards.js';
import { type StoredDtype, type StoredTensor, storedBytes } from './stored.js';
import { Unpacking } from './unpacking.js';

/** How numbers of a type lie in the file. A float32 may be there as another of these, its quantisation. */
const FILE_DTYPES: Record<string, StoredDtype> = {
  float32: 'F32',
  float16: 'F16',
  int32: 'I32',
  uint8: 'U8',
  uint16: 'U16',
  bool: 'BOOL',
};

const QUANTISED = ['float16', 'uint8', 'uint16'];

export interface TfjsModel {
  tensors: Map<string, StoredTensor>;
  /** Layers of Keras, `{ class_name, config }`, or operations of TensorFlow, `{ node: [{ name, op, input, attr }] }`. */
  format: 'layers' | 'graph';
  topology: JsonObject;
}

/** What all groups of a manifest have in common. */
interface Reading {
  readonly folder: Folder;
  readonly file: string;
  readonly signal: AbortSignal | undefined;
  readonly tensors: Map<string, StoredTensor>;
  /** Shards that were read, by their plain paths. */
  readonly shards: Set<string>;
  /** Bytes that further shards may have. */
  left: number;
  readonly unpacking: Unpacking;
}

/**
 * Reads a model and all of its shards; quantised weights come out as float32, once they are looked at.
 * @param bytes of `file`
 * @param folder where the shards are
 * @throws MobileNetError BAD_HEADER, DTYPE, SHAPE, LAYOUT, PATH_ESCAPE, SHARD, DUPLICATE_KEY, LIMIT; the signal's reason
 */
export async function readTfjs(
  bytes: Uint8Array,
  folder: Folder,
  { file, signal }: { file: string; signal?: AbortSignal | undefined },
): Promise<TfjsModel> {
  const root = parseJson(bytes, { file, code: 'BAD_HEADER' });
  if (!isJsonObject(root)) return refuse(file, 'the model', 'an object', root);
  const { modelTopology: topology, weightsManifest: manifest, format } = root;
  if (!isJsonObject(topology)) return refuse(file, 'modelTopology', 'an object', topology);
  const isGraph = format === 'graph-model' || Array.isArray(topology.node);
  const graph = isGraph ? topology : (topology.model_config ?? topology);
  if (!isJsonObject(graph)) return refuse(file, 'modelTopology.model_config', 'an object', graph);
  if (!Array.isArray(manifest)) return refuse(file, 'weightsManifest', 'an array', manifest);
  const tensors = new Map<string, StoredTensor>();
  const { weightsBytes: left } = env.limits;
  const reading = { folder, file, signal, tensors, shards: new Set<string>(), left, unpacking: new Unpacking(file) };
  for (const group of manifest) await readGroup(group, reading);
  return { tensors, topology: graph, format: isGraph ? 'graph' : 'layers' };
}

async function readGroup(group: JsonValue, reading: Reading): Promise<void> {
  const { file, tensors } = reading;
  if (!isJsonObject(group)) return refuse(file, 'weightsManifest', 'an object for each group', group);
  const { paths, weights } = group;
  if (!Array.isArray(paths)) return refuse(file, 'paths', 'an array', paths);
  if (!Array.isArray(weights)) return refuse(file, 'weights', 'an array', weights);
  const shards: Uint8Array[] = [];
  for (const path of paths) {
    if (typeof path !== 'string') return refuse(file, 'paths', 'file names', path);
    shards.push(await readShard(path, reading));
  }
  checkTensorCount(tensors.size + weights.length, env.limits.tensors, file);
  const data = shards.length === 1 ? shards[0] : join(shards);
  const shard = paths.length === 1 ? String(paths[0]) : file;
  let at = 0;
  for (const weight of weights) {
    const { stored, size } = readWeight(weight, data, at, shard, reading.unpacking);
    if (tensors.has(stored.name)) return fail('DUPLICATE_KEY', file, stored.name, 'is listed twice');
    tensors.set(stored.name, stored);
    at += size;
  }
  if (at === data.length) return;
  throw new MobileNetError('LAYOUT', `${file}: the weights take ${at} bytes, but the shards have ${data.length}`, {
    file,
  });
}

async function readShard(path: string, reading: Reading): Promise<Uint8Array> {
  const { folder, file, signal, shards } = reading;
  const inside = insidePath(path);
  if (inside === undefined) {
    throw new MobileNetError(
      'PATH_ESCAPE',
      `${file}: expected a plain name like group1-shard1of1.bin, got ${show(path)}; nothing was opened`,
      { file },
    );
  }
  if (shards.has(inside)) {
    const message = `${file}: expected every shard once, got ${show(inside)} twice`;
    throw new MobileNetError('DUPLICATE_KEY', message, { file });
  }
  shards.add(inside);
  const bytes = await readModelFile(folder, inside, signal, reading.left);
  signal?.throwIfAborted();
  if (bytes !== undefined) {
    reading.left -= bytes.length;
    return bytes;
  }
  throw new MobileNetError('SHARD', `${folder.name}: ${show(inside)} is missing, which ${file} names; download it`, {
    file: inside,
  });
}

/** A weight and how many bytes it takes of the shards. */
function readWeight(
  weight: JsonValue,
  data: Uint8Array,
  at: number,
  file: string,
  unpacking: Unpacking,
): { stored: StoredTensor; size: number } {
  if (!isJsonObject(weight)) return refuse(file, 'weights', 'an object for each weight', weight);
  const { name, shape, dtype, quantization } = weight;
  if (typeof name !== 'string') return refuse(file, 'name', 'a string', name);
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)) {
    return fail('SHAPE', file, name, `expected whole sizes, got ${showJson(shape)}`);
  }
  if (quantization !== undefined && !isJsonObject(quantization))
    return refuse(file, name, 'a quantization', quantization);
  const fileType = jsonText(quantization?.dtype ?? dtype);
  const fileDtype = Object.hasOwn(FILE_DTYPES, fileType) ? FILE_DTYPES[fileType] : undefined;
  const quantised = quantization !== undefined;
  if (fileDtype === undefined || (quantised && (dtype !== 'float32' || !QUANTISED.includes(fileType)))) {
    return fail('DTYPE', file, name, `expected one of ${Object.keys(FILE_DTYPES).join(', ')}, got ${show(fileType)}`);
  }
  const dims = shape as number[];
  const size = storedBytes(fileDtype, dims);
  if (size === undefined || size > data.length - at) {
    return fail(
      'LAYOUT',
      file,
      name,
      `dims ${show(dims)} of ${fileType} do not fit the ${data.length - at} bytes left`,
    );
  }
  const bytes = data.subarray(at, at + size);
  const stored = { name, dtype: fileDtype, dims, bytes, file, offset: at };
  if (quantization === undefined || fileDtype === 'F16') return { stored, size };
  const { scale, min } = quantization;
  if (!isNumber(scale) || !isNumber(min)) return fail('BAD_HEADER', file, name, 'expected a finite scale and min');
  return { stored: quantized(stored, { scale, min }, unpacking), size };
}

const isNumber = (value: JsonValue | undefined): value is number => Number.isFinite(value);

/** A tensor of bytes or uint16 as the float32 that it stands for, which are computed when somebody asks for them. */
function quantized(
  packed: StoredTensor,
  { scale, min }: { scale: number; min: number },
  unpacking: Unpacking,
): StoredTensor {
  const { name, dims, file, offset, dtype } = packed;
  let bytes: Uint8Array | undefined;
  const unpack = () => {
    // A typed array must begin at a multiple of its element size; weights in shards need not.
    const numbers = dtype === 'U16' ? new Uint16Array(packed.bytes.slice().buffer) : packed.bytes;
    unpacking.take(numbers.length * Float32Array.BYTES_PER_ELEMENT, show(name), offset);
    const values = mapped(new Float32Array(numbers.length), numbers, (value) => value * scale + min);
    return new Uint8Array(values.buffer);
  };
  return {
    ...{ name, dims, file, offset, dtype: 'F32' },
    get bytes() {
      bytes ??= unpack();
      return bytes;
    },
  };
}

function refuse(file: string, field: string, expected: string, got: JsonValue | undefined): never {
  throw new MobileNetError('BAD_HEADER', `${show(field)}: expected ${expected}, got ${showJson(got)} in ${file}`, {
    file,
    tensor: field,
  });
}

function fail(code: ErrorCode, file: string, name: string, message: string): never {
  throw new MobileNetError(code, `${show(name)}: ${message} in ${file}`, { file, tensor: name });
}
