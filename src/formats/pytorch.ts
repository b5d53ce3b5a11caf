/**
 * `pytorch_model.bin`: what `torch.save(model.state_dict())` writes, or a checkpoint of training that has a state dict in
 * it. A pickle describes the tensors (dims, strides, offset into a storage) and the storages lie beside it. Two containers:
 *
 *   zip (torch ≥ 1.6)   NAME/data.pkl, NAME/data/KEY for each storage, NAME/byteorder
 *   legacy              four pickles (magic, version, system, state dict), a fifth with the storages' keys, then for each
 *                       of those an int64 count and the elements
 *
 * Source: torch/serialization.py and torch/_utils.py of PyTorch 2.13. A pickle may name what torch's reader of weights
 * allows (torch-globals.ts); anything else is refused, and nothing in it is executed.
 */
import { env } from '../base/env.js';
import { type ErrorCode, listNames, MobileNetError, show } from '../base/errors.js';
import { checkTensorCount } from '../base/limits.js';
import { kindOf, type PickleHost, PickleObject, type PickleValue, readPickle } from './pickle.js';
import { findStateDict } from './state-dicts.js';
import { type StoredDtype, type StoredTensor, type StoredTensors, storedBytes } from './stored.js';
import { isRowMajor, toRowMajor } from './strided.js';
import {
  COUNTER,
  ORDERED_DICT,
  REBUILD,
  REBUILD_FROM_TYPE,
  SIZE,
  StorageType,
  TorchFunction,
  torchGlobal,
  Unread,
} from './torch-globals.js';
import { Zip } from './zip.js';

const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_VERSION = 1001;
const BIG_ENDIAN = 'expected little-endian data; save it again on a little-endian machine';
/** Of a linear layer, whose state is a tuple. */
const PACKED = /\._packed_params$/;
/** PyTorch's own limit on dimensions. */
const MOST_DIMS = 64;

class Storage extends PickleObject {
  readonly what = 'a storage';
  readonly dtype: StoredDtype;
  /** Elements. */
  readonly count: number;
  readonly byteLength: number;
  /** Filled in after the pickle is read. */
  bytes: Uint8Array | undefined;
  /** Where `bytes` begin in the file. */
  offset = 0;

  constructor(dtype: StoredDtype, count: number, byteLength: number) {
    super();
    this.dtype = dtype;
    this.count = count;
    this.byteLength = byteLength;
  }
}

/** A strided view of a storage: offset, dims and strides in elements, as the file has them, not yet checked. */
class TorchTensor extends PickleObject {
  readonly what = 'a tensor';
  readonly storage: Storage;
  readonly offset: PickleValue | undefined;
  readonly dims: readonly PickleValue[];
  readonly strides: readonly PickleValue[];
  /** Of a quantized one (scheme, …), for all numbers or for those of a channel; not yet checked either. */
  readonly scheme: readonly PickleValue[] | undefined;

  constructor(
    storage: Storage,
    offset: PickleValue | undefined,
    dims: PickleValue[],
    strides: PickleValue[],
    scheme?: PickleValue[],
  ) {
    super();
    this.scheme = scheme;
    this.storage = storage;
    this.offset = offset;
    this.dims = dims;
    this.strides = strides;
  }
}

/**
 * Reads a state dict, also one in a checkpoint of training (see `findStateDict`). Contiguous tensors are views into
 * `bytes`; others are copied into row-major order.
 *
 * @returns `notes`: which state dict was taken, where there are several
 * @throws MobileNetError PICKLE when the file asks for what torch refuses too, naming it; UNSUPPORTED, TRUNCATED, LAYOUT,
 *   SHAPE, DUPLICATE_KEY, LIMIT or IO for damaged or unusual files; the signal's reason
 */
export async function readPytorch(
  bytes: Uint8Array,
  { file, signal }: { file: string; signal?: AbortSignal | undefined },
): Promise<StoredTensors> {
  const reader = new TorchReader(bytes, file);
  const isZip = bytes[0] === 0x50 && bytes[1] === 0x4b; // "PK"
  const root = isZip ? await reader.readZip(signal) : reader.readLegacy();
  return { ...reader.tensorsOf(root), metadata: Object.create(null) };
}

class TorchReader implements PickleHost {
  readonly #bytes: Uint8Array;
  readonly #file: string;
  readonly #storages = new Map<string, Storage>();
  /** Bytes that may still be spent on copies: a file cannot make us allocate more than its own size. */
  #copyBudget: number;

  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#file = file;
    this.#copyBudget = bytes.length;
  }

  async readZip(signal: AbortSignal | undefined): Promise<PickleValue> {
    const zip = new Zip(this.#bytes, this.#file);
    const pickle = [...zip.entries.values()].find((entry) => /^[^/]*\/data\.pkl$/.test(entry.name));
    if (pickle === undefined) {
      return this.#fail('UNSUPPORTED', 0, 'expected a zip with data.pkl inside, got none; not written by torch.save');
    }
    if (pickle.size > env.limits.headerBytes) {
      this.#fail('LIMIT', pickle.headerOffset, `data.pkl has ${pickle.size} bytes, env.limits.headerBytes allows less`);
    }
    const folder = pickle.name.slice(0, -'data.pkl'.length);
    const byteOrder = zip.entries.get(`${folder}byteorder`);
    if (byteOrder !== undefined && new TextDecoder().decode((await zip.read(byteOrder)).bytes) !== 'little') {
      this.#fail('UNSUPPORTED', byteOrder.headerOffset, BIG_ENDIAN);
    }
    const { bytes, offset } = await zip.read(pickle, signal);
    const { value } = readPickle(bytes, 0, this, { file: this.#file, offset });

    for (const [key, storage] of this.#storages) {
      const entry = zip.entries.get(`${folder}data/${key}`);
      if (entry === undefined || entry.size !== storage.byteLength) {
        const got = entry === undefined ? 'no such zip entry' : `${entry.size}`;
        const message = `storage ${show(key)}: expected ${storage.byteLength} bytes, got ${got}`;
        this.#fail('LAYOUT', entry?.headerOffset ?? offset, message);
      }
      ({ bytes: storage.bytes, offset: storage.offset } = await zip.read(entry, signal));
    }
    return value;
  }

  readLegacy(): PickleValue {
    if (this.#bytes[0] !== 0x80 /* PROTO, how every binary pickle begins */) {
      this.#fail('BAD_HEADER', 0, 'expected a zip or a pickle, as torch.save writes, got neither');
    }
    let at = 0;
    const next = (): PickleValue => {
      const { value, end } = readPickle(this.#bytes, at, this, { file: this.#file, offset: 0 });
      at = end;
      return value;
    };
    if (next() !== LEGACY_MAGIC) this.#fail('BAD_HEADER', 0, "expected torch.save's magic number in the first pickle");
    const version = next();
    if (version !== LEGACY_VERSION) {
      this.#fail('UNSUPPORTED', at, `expected format ${LEGACY_VERSION}, got ${kindOf(version)}`);
    }
    const system = next();
    if (!(system instanceof Map) || system.get('little_endian') !== true) {
      this.#fail('UNSUPPORTED', at, BIG_ENDIAN);
    }
    const root = next();
    const keys = next();
    if (!Array.isArray(keys)) return this.#fail('BAD_HEADER', at, `expected a list of storages, got ${kindOf(keys)}`);
    for (const key of keys) at = this.#fillLegacy(key, at);
    const rest = this.#bytes.length - at;
    if (rest > 0) this.#fail('LAYOUT', at, `expected the end of the file, got ${rest} more bytes`);
    return root;
  }

  /** One storage of the legacy format: an int64 count, then the elements. Returns where the next begins. */
  #fillLegacy(key: PickleValue, at: number): number {
    const storage = typeof key === 'string' ? this.#storages.get(key) : undefined;
    if (storage === undefined || storage.bytes !== undefined) {
      return this.#fail('LAYOUT', at, `expected each storage of the state dict once, got ${kindOf(key)}`);
    }
    const begin = at + 8;
    const end = begin + storage.byteLength;
    if (end > this.#bytes.length) this.#fail('TRUNCATED', at, `storage ${kindOf(key)} ends past the file, at ${end}`);
    const count = new DataView(this.#bytes.buffer, this.#bytes.byteOffset).getBigUint64(at, true);
    if (count !== BigInt(storage.count)) {
      this.#fail('LAYOUT', at, `storage ${kindOf(key)} has ${storage.count} elements, but ${count} are stored`);
    }
    storage.bytes = this.#bytes.subarray(begin, end);
    storage.offset = begin;
    return end;
  }

  global(name: string, offset: number): PickleObject {
    const known = torchGlobal(name);
    if (known !== undefined) return known;
    if (name.startsWith('__torch__.')) {
      return this.#fail(
        'PICKLE',
        offset,
        'is a TorchScript program, nothing was run; save model.state_dict() in Python',
      );
    }
    const remedy =
      "nothing was run. torch's weights_only reader refuses it too: load the file in Python and save model.state_dict() alone";
    return this.#fail('PICKLE', offset, `expected weights, but the pickle asks for ${show(name)}; ${remedy}`);
  }

  call(callee: PickleObject, args: PickleValue[], offset: number): PickleValue {
    if (callee instanceof Unread) return callee;
    if (!(callee instanceof TorchFunction)) {
      return this.#fail('PICKLE', offset, `expected a call of a function, got one of ${callee.what}`);
    }
    const result = this.#called(callee.name, args);
    if (result !== undefined) return result;
    return this.#fail('PICKLE', offset, `${callee.name} with arguments that torch.save does not give it`);
  }

  #called(name: string, args: PickleValue[]): PickleValue | undefined {
    const [first, start, dims, strides, scheme] = args;
    switch (name) {
      case ORDERED_DICT:
        return args.length === 0 ? new Map() : undefined;
      case COUNTER:
        return args.length === 0 ? new Map() : first instanceof Map ? first : undefined;
      case SIZE:
        return Array.isArray(first) ? first : undefined;
      case `${REBUILD}tensor`:
      case `${REBUILD}tensor_v2`:
        if (!(first instanceof Storage) || !Array.isArray(dims) || !Array.isArray(strides)) return undefined;
        return new TorchTensor(first, start, dims, strides);
      case `${REBUILD}qtensor`:
        if (!(first instanceof Storage) || !Array.isArray(dims) || !Array.isArray(strides)) return undefined;
        return Array.isArray(scheme) ? new TorchTensor(first, start, dims, strides, scheme) : undefined;
      case REBUILD_FROM_TYPE:
        // (function, type, arguments, attributes): a tensor with attributes of its own.
        if (!(first instanceof TorchFunction) || first.name === name || !Array.isArray(dims)) return undefined;
        return this.#called(first.name, dims);
      default:
        // Of a parameter, with attributes or without, and of a tensor from another device: (tensor, …).
        return first instanceof TorchTensor || first instanceof Unread ? first : undefined;
    }
  }

  mayHaveAttributes(value: PickleValue): boolean {
    return value instanceof Map || value instanceof Unread;
  }

  /** ('storage', type, key, location, count), in the legacy format with a view's place after it, always None today. */
  persistent(id: PickleValue, offset: number): PickleValue {
    const [tag, type, key, , count, view] = Array.isArray(id) ? id : [];
    if (tag !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || (view ?? null) !== null) {
      return this.#fail('PICKLE', offset, 'expected a reference to a storage, got something else');
    }
    const byteLength = isSize(count) ? storedBytes(type.dtype, [count]) : undefined;
    if (!isSize(count) || byteLength === undefined || byteLength > this.#bytes.length) {
      const message = `storage ${show(key)}: expected as many elements as the file holds, got ${kindOf(count)}`;
      return this.#fail('LAYOUT', offset, message);
    }
    const known = this.#storages.get(key);
    if (known === undefined) {
      const storage = new Storage(type.dtype, count, byteLength);
      this.#storages.set(key, storage);
      return storage;
    }
    if (known.dtype !== type.dtype || known.count !== count) {
      const message = `storage ${show(key)}: ${known.dtype} of ${known.count} before, ${type.dtype} of ${count} here`;
      this.#fail('LAYOUT', offset, message);
    }
    return known;
  }

  tensorsOf(root: PickleValue): Pick<StoredTensors, 'tensors' | 'notes'> {
    const tensors = new Map<string, StoredTensor>();
    const found = findStateDict(root, (value) => value instanceof TorchTensor);
    if (found === undefined) {
      return this.#fail('PICKLE', 0, `expected a state dict, got ${describeRoot(root)}`);
    }
    const { dict, note } = found;
    checkTensorCount(dict.size, env.limits.tensors, this.#file);
    for (const [name, value] of dict) {
      if (typeof name !== 'string') continue; // beside the weights, as an epoch is
      if (value instanceof TorchTensor) tensors.set(name, this.#store(name, value));
      else if (Array.isArray(value) && PACKED.test(name)) {
        // (weight, bias) of a quantized linear layer.
        for (const [i, part] of value.slice(0, 2).entries()) {
          const own = `${name}.${i}`;
          if (part instanceof TorchTensor) tensors.set(own, this.#store(own, part));
        }
      } else if (value instanceof Unread && !value.isConstant) {
        return this.#fail('PICKLE', 0, `expected a plain tensor, got ${value.what}; save it as float32`, name);
      }
    }
    return { tensors, ...(note !== undefined && { notes: [`${this.#file}: ${note}`] }) };
  }

  #store(name: string, tensor: TorchTensor): StoredTensor {
    const stored = this.#view(name, tensor);
    const { scheme } = tensor;
    if (scheme === undefined) return stored;
    const refuse = (message: string): never => this.#fail('QUANT', stored.offset, message, name);
    const [kind, scale, zeroPoint, axis] = scheme;
    const what = kind instanceof Unread ? kind.what : kindOf(kind);
    const isOne = what === 'torch.per_tensor_affine';
    if (!isOne && what !== 'torch.per_channel_affine')
      return refuse(`${what} is a way of quantizing that is not read here`);
    if (!isOne && !(isSize(axis) && axis < stored.dims.length))
      return refuse(`expected a dimension, got ${kindOf(axis)}`);
    const each = (value: PickleValue | undefined) =>
      isOne ? [value] : this.#numbers(name, value, stored.dims[axis as number]);
    const [scales, zeroPoints] = [each(scale), each(zeroPoint)];
    const isScale = (value: unknown): value is number => typeof value === 'number' && value > 0 && value < Infinity;
    if (!scales.every(isScale)) return refuse('expected scales above 0');
    const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);
    if (!zeroPoints.every(isWhole)) return refuse('expected whole zero points');
    return { ...stored, quantization: { scales, zeroPoints, axis: isOne ? null : (axis as number) } };
  }

  /** Scales or zero points of channels. */
  #numbers(name: string, value: PickleValue | undefined, count: number): number[] {
    const refuse = (got: string): never =>
      this.#fail('QUANT', 0, `expected ${count} scales and zero points, got ${got}`, name);
    if (!(value instanceof TorchTensor)) return refuse(kindOf(value));
    const { dtype, bytes, dims } = this.#view(name, value);
    const Numbers = { F64: Float64Array, F32: Float32Array, I64: BigInt64Array, I32: Int32Array }[dtype as string];
    if (Numbers === undefined || dims.length !== 1 || dims[0] !== count) return refuse(`${show(dims)} of ${dtype}`);
    this.#spend(bytes.length, name);
    // A typed array must begin at a multiple of its element size.
    return Array.from<number | bigint, number>(new Numbers(bytes.slice().buffer), Number);
  }

  #view(name: string, { storage, offset, dims, strides }: TorchTensor): StoredTensor {
    const { dtype, bytes: all, offset: place } = storage;
    const refuse = (code: ErrorCode, message: string): never => this.#fail(code, place, message, name);
    if (all === undefined) return refuse('LAYOUT', 'the file lacks the data of this tensor');
    if (!dims.every(isSize) || !strides.every(isSize) || dims.length !== strides.length || dims.length > MOST_DIMS) {
      return refuse('SHAPE', `expected as many strides as dims, at most ${MOST_DIMS}, all whole numbers`);
    }
    const byteLength = storedBytes(dtype, dims);
    if (byteLength === undefined) return refuse('SHAPE', `dims ${show(dims)} are too large to count`);
    const stored = { name, dtype, dims, file: this.#file };
    if (byteLength === 0) return { ...stored, bytes: all.subarray(0, 0), offset: place };

    const first = isSize(offset) ? offset : Number.NaN;
    const last = dims.reduce((sum, size, d) => sum + (size - 1) * strides[d], first);
    if (!(last < storage.count)) {
      const view = `dims ${show(dims)}, strides ${show(strides)}, offset ${kindOf(offset)}`;
      return refuse('LAYOUT', `${view} reach past a storage of ${storage.count} elements`);
    }
    const size = storage.byteLength / storage.count;
    const begin = first * size;
    if (isRowMajor(dims, strides)) {
      return { ...stored, bytes: all.subarray(begin, begin + byteLength), offset: place + begin };
    }
    this.#spend(byteLength, name);
    const bytes = toRowMajor(all.subarray(begin), dims, strides, byteLength, size);
    return { ...stored, bytes, offset: place + begin };
  }

  #spend(bytes: number, name: string): void {
    this.#copyBudget -= bytes;
    if (this.#copyBudget >= 0) return;
    this.#fail('LIMIT', 0, 'expands to more memory than the file has bytes; save it .contiguous()', name);
  }

  #fail(code: ErrorCode, offset: number, message: string, tensor?: string): never {
    const where = tensor === undefined ? this.#file : `${show(tensor)} in ${this.#file}`;
    throw new MobileNetError(code, `${where}: ${message}`, { file: this.#file, tensor, offset });
  }
}

function describeRoot(root: PickleValue): string {
  if (!(root instanceof Map)) return kindOf(root);
  const keys = [...root.keys()].filter((key) => typeof key === 'string');
  return `a dict without tensors by name (${listNames(
    keys.map((key) => show(key)),
    10,
    200,
  )})`;
}

function isSize(value: PickleValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
