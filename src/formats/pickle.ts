/**
 * Python's pickle, as far as `torch.save` uses it. A pickle is a program for a small stack machine, and in Python it may
 * call anything. Here it builds lists, dicts, strings and numbers; every name it asks for and every call it makes goes
 * to a host, which knows a short list and refuses the rest. Nothing is ever executed.
 *
 * Source: CPython's Lib/pickletools.py, which documents each opcode. Those that torch.save does not write are refused.
 */
import { type ErrorCode, MobileNetError, show } from '../base/errors.js';

/** What a host puts on the stack: functions, storages, tensors. */
export abstract class PickleObject {
  /** What it is, for messages. */
  abstract readonly what: string;
}

/** Whatever Python can hash: also tuples and objects, each of which is a key of its own here. */
export type PickleKey = string | number | bigint | boolean | null | PickleObject | PickleValue[];
export type PickleDict = Map<PickleKey, PickleValue>;
/** Tuples and lists are both arrays: no call here tells them apart. They may contain themselves, so never walk one blindly. */
export type PickleValue = PickleKey | PickleDict;

/** Decides what a pickle may name and call. Each method throws a {@link MobileNetError} to refuse. */
export interface PickleHost {
  /** A global, as `module.name`. */
  global(name: string, offset: number): PickleObject;
  call(callee: PickleObject, args: PickleValue[], offset: number): PickleValue;
  /** Whether attributes may be set on a value; they are read and forgotten. */
  mayHaveAttributes(value: PickleValue): boolean;
  /** An object that is stored outside the pickle. */
  persistent(id: PickleValue, offset: number): PickleValue;
}

/**
 * Bounds the stack, the memo and the number of objects at once. An opcode makes at most one object; the 332 tensors of a
 * DeepLab checkpoint take 12,000 opcodes.
 */
const MOST_OPCODES = 1_000_000;
const HIGHEST_PROTOCOL = 5;

/** Names what a value is without looking inside, for it may be endless. */
export function kindOf(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value instanceof PickleObject) return value.what;
  if (value instanceof Map) return 'a dict';
  return Array.isArray(value) ? 'a list' : show(value);
}

/**
 * Runs one pickle that begins at byte `start` of `bytes`.
 *
 * @param place the file's name, and where `bytes` begin in it
 * @returns the value, and the index after the pickle's last byte
 * @throws MobileNetError PICKLE, TRUNCATED, DUPLICATE_KEY or LIMIT, and whatever the host throws
 */
export function readPickle(
  bytes: Uint8Array,
  start: number,
  host: PickleHost,
  place: { file: string; offset: number },
): { value: PickleValue; end: number } {
  return new Machine(bytes, start, host, place).run();
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #host: PickleHost;
  readonly #place: { file: string; offset: number };
  readonly #stack: PickleValue[] = [];
  /** Heights of the stack at the open marks. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at: number;
  /** Where the current opcode lies in the file. */
  #opcodeOffset = 0;

  constructor(bytes: Uint8Array, start: number, host: PickleHost, place: { file: string; offset: number }) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#host = host;
    this.#place = place;
  }

  run(): { value: PickleValue; end: number } {
    for (let count = 0; count < MOST_OPCODES; count++) {
      this.#opcodeOffset = this.#place.offset + this.#at;
      const opcode = this.#uint8();
      if (opcode === 0x2e /* STOP */) return { value: this.#pop(), end: this.#at };
      const value = this.#produce(opcode);
      if (value === undefined) this.#change(opcode);
      else this.#stack.push(value);
    }
    return this.#fail('LIMIT', `expected a pickle of at most ${MOST_OPCODES} opcodes, got more`);
  }

  /** The value that an opcode puts on the stack; undefined for one that puts none. */
  #produce(opcode: number): PickleValue | undefined {
    switch (opcode) {
      case 0x4e /* NONE */:
        return null;
      case 0x88 /* NEWTRUE */:
        return true;
      case 0x89 /* NEWFALSE */:
        return false;
      case 0x4a /* BININT */:
        return this.#view.getInt32(this.#take(4), true);
      case 0x4b /* BININT1 */:
        return this.#uint8();
      case 0x4d /* BININT2 */:
        return this.#view.getUint16(this.#take(2), true);
      case 0x8a /* LONG1 */:
        return this.#long(this.#uint8());
      case 0x47 /* BINFLOAT */:
        return this.#view.getFloat64(this.#take(8));
      case 0x58 /* BINUNICODE */:
        return this.#text(this.#uint32());
      case 0x8c /* SHORT_BINUNICODE */:
      case 0x55 /* SHORT_BINSTRING, from Python 2 */:
        return this.#text(this.#uint8());

      case 0x29 /* EMPTY_TUPLE */:
      case 0x5d /* EMPTY_LIST */:
        return [];
      case 0x74 /* TUPLE */:
        return this.#popToMark();
      case 0x85 /* TUPLE1 */:
        return this.#popMany(1);
      case 0x86 /* TUPLE2 */:
        return this.#popMany(2);
      case 0x87 /* TUPLE3 */:
        return this.#popMany(3);
      case 0x7d /* EMPTY_DICT */:
        return new Map();

      case 0x68 /* BINGET */:
        return this.#recall(this.#uint8());
      case 0x6a /* LONG_BINGET */:
        return this.#recall(this.#uint32());

      case 0x63 /* GLOBAL */:
        return this.#global(this.#line(), this.#line());
      case 0x93 /* STACK_GLOBAL */:
        {
          const [module, name] = this.#popMany(2);
          return this.#global(module, name);
        }
      case 0x52 /* REDUCE */:
      case 0x81 /* NEWOBJ: a call of the class */:
        {
          const [callee, args] = this.#popMany(2);
          if (!(callee instanceof PickleObject) || !Array.isArray(args)) {
            const got = `${kindOf(callee)} and ${kindOf(args)}`;
            return this.#fail('PICKLE', `expected a function and its arguments, got ${got}`);
          }
          return this.#host.call(callee, args, this.#opcodeOffset);
        }
      case 0x51 /* BINPERSID */:
        return this.#host.persistent(this.#pop(), this.#opcodeOffset);
      default:
        return undefined;
    }
  }

  /** The opcodes that put nothing on the stack: they change what is there, or the machine itself. */
  #change(opcode: number): void {
    switch (opcode) {
      case 0x80 /* PROTO */:
        {
          const version = this.#uint8();
          if (version > HIGHEST_PROTOCOL) this.#fail('PICKLE', `expected protocol 2 to 5, got ${version}`);
          break;
        }
      case 0x95 /* FRAME: its length is a hint for buffered reading */:
        this.#take(8);
        break;
      case 0x28 /* MARK */:
        this.#marks.push(this.#stack.length);
        break;

      case 0x61 /* APPEND */:
        this.#append(this.#popMany(1));
        break;
      case 0x65 /* APPENDS */:
        this.#append(this.#popToMark());
        break;
      case 0x73 /* SETITEM */:
        this.#setItems(this.#popMany(2));
        break;
      case 0x75 /* SETITEMS */:
        this.#setItems(this.#popToMark());
        break;

      case 0x71 /* BINPUT */:
        this.#memo.set(this.#uint8(), this.#top());
        break;
      case 0x72 /* LONG_BINPUT */:
        this.#memo.set(this.#uint32(), this.#top());
        break;
      case 0x94 /* MEMOIZE */:
        this.#memo.set(this.#memo.size, this.#top());
        break;

      case 0x62 /* BUILD */:
        // Sets attributes. A state dict carries `_metadata` (versions of its modules) that way; nobody needs it here.
        this.#pop();
        if (!this.#host.mayHaveAttributes(this.#top())) {
          this.#fail('PICKLE', `expected attributes on a dict, got them on ${kindOf(this.#top())}`);
        }
        break;
      default:
        this.#fail('PICKLE', `opcode 0x${opcode.toString(16)} is not one that torch.save writes for tensors`);
    }
  }

  #global(module: PickleValue | undefined, name: PickleValue | undefined): PickleObject {
    if (typeof module !== 'string' || typeof name !== 'string') {
      return this.#fail('PICKLE', `expected a global's module and name, got ${kindOf(module)} and ${kindOf(name)}`);
    }
    return this.#host.global(`${module}.${name}`, this.#opcodeOffset);
  }

  #pop(): PickleValue {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #top(): PickleValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) this.#fail('PICKLE', 'expected a value, got an empty stack');
    return this.#stack.at(-1)!;
  }

  /** The topmost `count` values, the deepest first. */
  #popMany(count: number): PickleValue[] {
    const values: PickleValue[] = [];
    for (let i = 0; i < count; i++) values.unshift(this.#pop());
    return values;
  }

  #popToMark(): PickleValue[] {
    const height = this.#marks.pop();
    if (height === undefined) return this.#fail('PICKLE', 'expected a mark on the stack, got none');
    return this.#stack.splice(height);
  }

  #append(values: PickleValue[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) this.#fail('PICKLE', `expected a list to append to, got ${kindOf(list)}`);
    for (const value of values) list.push(value);
  }

  #setItems(items: PickleValue[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map)) this.#fail('PICKLE', `expected a dict to fill, got ${kindOf(dict)}`);
    if (items.length % 2 !== 0) this.#fail('PICKLE', 'expected a value for every key, got an odd number of items');
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (key instanceof Map) this.#fail('PICKLE', 'expected a key that Python can hash, got a dict');
      if (dict.has(key)) this.#fail('DUPLICATE_KEY', `expected every key once, got ${kindOf(key)} twice`, kindOf(key));
      dict.set(key, items[i + 1]);
    }
  }

  #recall(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) return this.#fail('PICKLE', `expected a value at memo ${index}, got none`);
    return value;
  }

  /** A little-endian two's complement integer; a number where that is exact. */
  #long(length: number): number | bigint {
    const start = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[start + i]);
    value = BigInt.asIntN(length * 8, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #text(length: number): string {
    const start = this.#take(length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#bytes.subarray(start, this.#at));
    } catch {
      return this.#fail('PICKLE', 'expected a string in UTF-8');
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) return this.#fail('TRUNCATED', 'the pickle ends inside a name; download it again');
    const text = this.#text(end - this.#at);
    this.#at++; // the line feed
    return text;
  }

  #uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** Moves past `size` bytes and returns where they begin. */
  #take(size: number): number {
    const start = this.#at;
    if (size > this.#bytes.length - start)
      this.#fail('TRUNCATED', 'the pickle ends inside an opcode; download it again');
    this.#at = start + size;
    return start;
  }

  #fail(code: ErrorCode, message: string, tensor?: string): never {
    const { file } = this.#place;
    const offset = this.#opcodeOffset;
    throw new MobileNetError(code, `${file}: ${message} (byte ${offset})`, { file, tensor, offset });
  }
}
