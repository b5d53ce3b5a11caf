/**
 * The names that torch's own reader of weights allows a pickle to ask for (`torch.load(weights_only=True)`), and no more.
 * Weights need a few of them. The others stand beside the weights in the checkpoints of training (a scheduler's Counter, a
 * device, an element type): they become values that nobody looks into.
 *
 * Source: torch/_weights_only_unpickler.py of PyTorch 2.13, `_get_allowed_globals`.
 */
import { PickleObject } from './pickle.js';
import type { StoredDtype } from './stored.js';

const STORAGE_TYPES: ReadonlyMap<string, StoredDtype> = new Map([
  ['FloatStorage', 'F32'],
  ['HalfStorage', 'F16'],
  ['BFloat16Storage', 'BF16'],
  ['DoubleStorage', 'F64'],
  ['LongStorage', 'I64'],
  ['IntStorage', 'I32'],
  ['ShortStorage', 'I16'],
  ['CharStorage', 'I8'],
  ['ByteStorage', 'U8'],
  ['BoolStorage', 'BOOL'],
  ['ComplexFloatStorage', 'C64'],
  // Whole numbers that stand for real ones; the rebuilding of a tensor says how.
  ['QInt8Storage', 'I8'],
  ['QUInt8Storage', 'U8'],
  ['QInt32Storage', 'I32'],
  ['storage.UntypedStorage', 'U8'],
]);

/** What is computed with. */
export const ORDERED_DICT = 'collections.OrderedDict';
export const COUNTER = 'collections.Counter';
export const SIZE = 'torch.Size';
export const REBUILD_FROM_TYPE = 'torch._tensor._rebuild_from_type_v2';
export const REBUILD = 'torch._utils._rebuild_';
const COMPUTED =
  /^(?:collections\.(?:OrderedDict|Counter)|torch\.(?:Size|nn\.parameter\.Parameter|_tensor\._rebuild_from_type_v2|_utils\._rebuild_(?:q?tensor|tensor_v2|parameter(?:_with_state)?|device_tensor_from_cpu_tensor)))$/;
const UNREAD =
  /^(?:_codecs\.encode|builtins\.(?:bytearray|complex|set)|torch\.(?:device|Tensor|serialization\._get_layout|storage\.TypedStorage|(?:cuda\.)?(?:sparse\.)?[A-Z]\w+Tensor|(?:b?float|u?int|qu?int|bits|complex)\d\w*|bool|per_(?:tensor|channel)_\w+|_utils\._rebuild_(?:tensor_v3|sparse_tensor|meta_tensor_no_storage|nested_tensor|wrapper_subclass)))$/;

/** A function or class that this reader knows what to do with. */
export class TorchFunction extends PickleObject {
  readonly what = 'a function';
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

/** Allowed, and not looked into: a class, a function, or what comes of calling one. */
export class Unread extends PickleObject {
  readonly what: string;

  /** What a state dict may say beside its tensors: `torch.qint8`, `torch.device`. */
  get isConstant(): boolean {
    return /^torch\.[a-z]\w*$/.test(this.what);
  }

  constructor(name: string) {
    super();
    this.what = name;
  }
}

export class StorageType extends PickleObject {
  readonly what = 'a storage type';
  readonly dtype: StoredDtype;

  constructor(dtype: StoredDtype) {
    super();
    this.dtype = dtype;
  }
}

/** @param name as `module.name`. @returns undefined for what torch would refuse too */
export function torchGlobal(name: string): PickleObject | undefined {
  // Python 2's name of the module, which protocol 2 writes to this day.
  const today = name.replace(/^__builtin__\./, 'builtins.');
  const dtype = STORAGE_TYPES.get(today.replace(/^torch\.(?:cuda\.)?/, ''));
  if (dtype !== undefined && today.startsWith('torch.')) return new StorageType(dtype);
  if (COMPUTED.test(today)) return new TorchFunction(today);
  return UNREAD.test(today) ? new Unread(today) : undefined;
}
