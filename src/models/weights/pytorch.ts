/**
 * `pytorch_model.bin`: what `torch.save(model.state_dict())` writes. A pickle describes the tensors (dims, strides,
 * offset into a storage) and the storages lie beside it. Two containers:
 *
 *   zip (torch ≥ 1.6)   NAME/data.pkl, NAME/data/KEY for each storage, NAME/byteorder
 *   legacy              four pickles (magic, version, system, state dict), a fifth with the storages' keys, then for each
 *                       of those an int64 count and the elements
 *
 * Source: torch/serialization.py and torch/_utils.py of PyTorch 2.13. Only state dicts are read: anything else a pickle
 * may name is refused, and nothing in it is executed.
 */
import { checkTensorCount, env } from '../../base/env.js';
import { type ErrorCode, MobileNetError, show } from '../../base/errors.js';
import { kindOf, type PickleDict, type PickleHost, PickleObject, type PickleValue, readPickle } from './pickle.js';
import { type StoredDtype, type StoredTensor, type StoredTensors, storedBytes } from './stored.js';
import { isRowMajor, toRowMajor } from './strided.js';
import { Zip } from './zip.js';

const STORAGE_TYPES = new Map<string, StoredDtype>([
  ['torch.FloatStorage', 'F32'],
  ['torch.HalfStorage', 'F16'],
  ['torch.BFloat16Storage', 'BF16'],
  ['torch.DoubleStorage', 'F64'],
  ['torch.LongStorage', 'I64'],
  ['torch.IntStorage', 'I32'],
  ['torch.ShortStorage', 'I16'],
  ['torch.CharStorage', 'I8'],
  ['torch.ByteStorage', 'U8'],
  ['torch.BoolStorage', 'BOOL'],
]);
const ORDERED_DICT = 'collections.OrderedDict';
const REBUILD_TENSOR = 'torch._utils._rebuild_tensor_v2';
const REBUILD_PARAMETER = 'torch._utils._rebuild_parameter';
const FUNCTIONS: readonly string[] = [ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER];

const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_VERSION = 1001;
const BIG_ENDIAN = 'expected little-endian data; save it again on a little-endian machine';
/** PyTorch's own limit on dimensions. */
const MOST_DIMS = 64;

class TorchFunction extends PickleObject {
  readonly what = 'a function';
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

class StorageType extends PickleObject {
  readonly what = 'a storage type';
  readonly dtype: StoredDtype;

  constructor(dtype: StoredDtype) {
    super();
    this.dtype = dtype;
  }
}

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

  constructor(storage: Storage, offset: PickleValue | undefined, dims: PickleValue[], strides: PickleValue[]) {
    super();
    this.storage = storage;
    this.offset = offset;
    this.dims = dims;
    this.strides = strides;
  }
}

/**
 * Reads a state dict, also one wrapped as `{ state_dict: … }` or `{ model: … }`. Contiguous tensors are views into
 * `bytes`; others are copied into row-major order.
 *
 * @throws MobileNetError PICKLE when the file asks for anything but tensors, naming it; UNSUPPORTED, TRUNCATED, LAYOUT,
 *   SHAPE, DUPLICATE_KEY, LIMIT or IO for damaged or unusual files
 */
export function readPytorch(bytes: Uint8Array, { file }: { file: string }): StoredTensors {
  const reader = new TorchReader(bytes, file);
  const isZip = bytes[0] === 0x50 && bytes[1] === 0x4b; // "PK"
  const root = isZip ? reader.readZip() : reader.readLegacy();
  return { tensors: reader.tensorsOf(root), metadata: Object.create(null) };
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

  readZip(): PickleValue {
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
    if (byteOrder !== undefined && new TextDecoder().decode(zip.read(byteOrder).bytes) !== 'little') {
      this.#fail('UNSUPPORTED', byteOrder.headerOffset, BIG_ENDIAN);
    }
    const { bytes, offset } = zip.read(pickle);
    const { value } = readPickle(bytes, 0, this, { file: this.#file, offset });

    for (const [key, storage] of this.#storages) {
      const entry = zip.entries.get(`${folder}data/${key}`);
      if (entry === undefined || entry.size !== storage.byteLength) {
        const got = entry === undefined ? 'no such zip entry' : `${entry.size}`;
        const message = `storage ${show(key)}: expected ${storage.byteLength} bytes, got ${got}`;
        this.#fail('LAYOUT', entry?.headerOffset ?? offset, message);
      }
      ({ bytes: storage.bytes, offset: storage.offset } = zip.read(entry));
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
    const dtype = STORAGE_TYPES.get(name);
    if (dtype !== undefined) return new StorageType(dtype);
    if (FUNCTIONS.includes(name)) return new TorchFunction(name);
    const remedy = 'nothing was run; if you trust the file, convert it to safetensors in Python';
    return this.#fail('PICKLE', offset, `expected tensors only, but the pickle asks for ${show(name)}; ${remedy}`);
  }

  call(callee: PickleObject, args: PickleValue[], offset: number): PickleValue {
    if (callee instanceof TorchFunction) {
      const [first, start, dims, strides] = args;
      if (callee.name === ORDERED_DICT && args.length === 0) return new Map();
      if (callee.name === REBUILD_PARAMETER && first instanceof TorchTensor) return first;
      if (callee.name === REBUILD_TENSOR && first instanceof Storage && Array.isArray(dims) && Array.isArray(strides)) {
        return new TorchTensor(first, start, dims, strides);
      }
      return this.#fail('PICKLE', offset, `${callee.name} with arguments that torch.save does not give it`);
    }
    return this.#fail('PICKLE', offset, `expected a call of a function, got one of ${callee.what}`);
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

  tensorsOf(root: PickleValue): Map<string, StoredTensor> {
    const tensors = new Map<string, StoredTensor>();
    const state = this.#stateDict(root);
    checkTensorCount(state.size, this.#file);
    for (const [name, value] of state) {
      if (typeof name !== 'string' || !(value instanceof TorchTensor)) {
        const message = `expected a tensor, got ${kindOf(value)}; save model.state_dict() alone`;
        return this.#fail('PICKLE', 0, message, String(name));
      }
      tensors.set(name, this.#store(name, value));
    }
    return tensors;
  }

  #stateDict(root: PickleValue): PickleDict {
    if (!(root instanceof Map)) return this.#fail('PICKLE', 0, `expected a state dict, got ${kindOf(root)}`);
    for (const wrapper of ['state_dict', 'model']) {
      const inner = root.get(wrapper);
      if (inner instanceof Map) return inner;
    }
    return root;
  }

  #store(name: string, { storage, offset, dims, strides }: TorchTensor): StoredTensor {
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
    const last = dims.reduce((sum, size, d) => sum + (size - 1) * strides[d]!, first);
    if (!(last < storage.count)) {
      const view = `dims ${show(dims)}, strides ${show(strides)}, offset ${kindOf(offset)}`;
      return refuse('LAYOUT', `${view} reach past a storage of ${storage.count} elements`);
    }
    const size = storage.byteLength / storage.count;
    const begin = first * size;
    if (isRowMajor(dims, strides)) {
      return { ...stored, bytes: all.subarray(begin, begin + byteLength), offset: place + begin };
    }
    this.#copyBudget -= byteLength;
    if (this.#copyBudget < 0) refuse('LIMIT', 'expands to more memory than the file has bytes; save it .contiguous()');
    const bytes = toRowMajor(all.subarray(begin), dims, strides, byteLength, size);
    return { ...stored, bytes, offset: place + begin };
  }

  #fail(code: ErrorCode, offset: number, message: string, tensor?: string): never {
    const where = tensor === undefined ? this.#file : `${show(tensor)} in ${this.#file}`;
    throw new MobileNetError(code, `${where}: ${message}`, { file: this.#file, tensor, offset });
  }
}

function isSize(value: PickleValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
