/**
 * Strict JSON for files that strangers wrote. `JSON.parse` keeps the last of two equal keys and makes `__proto__` a trap
 * for whoever copies the result; this scanner refuses the first and returns objects without a prototype, in which every
 * key is just a key. Grammar: RFC 8259, plus: no byte order mark, no lone surrogates, no duplicate keys. In configurations
 * NaN, Infinity and -Infinity are numbers, for Python's json writes them.
 */
import { env } from './env.js';
import { MobileNetError, show } from './errors.js';

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
/** Has no prototype: `key in object` is true for the file's own keys alone. */
export interface JsonObject {
  [key: string]: JsonValue;
}

export interface JsonOptions {
  /** Named in errors. */
  file: string;
  /** The code of every error but DUPLICATE_KEY. */
  code: 'BAD_HEADER' | 'CONFIG';
  /** How deep arrays and objects may nest; `env.limits.jsonDepth` unless given. */
  maxDepth?: number;
  /** Bytes of the text; `env.limits.jsonBytes` unless given. */
  maxBytes?: number;
  /** Where the text begins in its file, in bytes, so that errors give the file's offset. 0 unless given. */
  offset?: number;
}

/**
 * Parses one JSON document. Numbers come as `JSON.parse` gives them (1e400 is Infinity, 2⁵³+1 is rounded), so a caller
 * that wants sizes must ask for safe integers.
 *
 * @throws MobileNetError `options.code` for text that is not JSON, is too large or too deep; DUPLICATE_KEY for a key
 *   that comes twice in one object, however it is spelled; both with file and byte offset
 */
export function parseJson(source: string | Uint8Array, options: JsonOptions): JsonValue {
  const maxBytes = options.maxBytes ?? env.limits.jsonBytes;
  if (source.length > maxBytes) {
    throw new MobileNetError(
      options.code,
      `${options.file}: expected at most ${maxBytes} bytes of JSON, got ${source.length}; the limit is in env.limits`,
      { file: options.file, offset: options.offset ?? 0 },
    );
  }
  return new Scanner(typeof source === 'string' ? source : decodeUtf8(source, options), options).document();
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value from a file as an error message may show it. Looks at no key of it, since the keys are a stranger's. */
export function showJson(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return isJsonObject(value) ? 'an object' : show(value);
}

/** A value as a text, where one is expected: String() of an object without a prototype throws. */
export const jsonText = (value: JsonValue | undefined): string =>
  typeof value === 'object' && value !== null ? showJson(value) : String(value);

/** A value as a number, for the same reason; NaN for anything else. */
export const jsonNumber = (value: JsonValue | undefined): number =>
  typeof value === 'object' && value !== null ? Number.NaN : Number(value);

function decodeUtf8(bytes: Uint8Array, options: JsonOptions): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new MobileNetError(options.code, `${options.file}: expected JSON in UTF-8, got bytes that are not UTF-8`, {
      file: options.file,
      offset: options.offset ?? 0,
      cause,
    });
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const NOT_FINITE = /NaN|-?Infinity/y;
const HEX4 = /[0-9a-fA-F]{4}/y;
/** With the flag u a pair is one character, so that this finds halves. (\\p{Surrogate} opens 8 MB of Unicode tables.) */
const LONE_SURROGATE = /[\ud800-\udfff]/u;
const ESCAPES = new Map(
  Object.entries({ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }),
);

/**
 * Values in one document. An empty object takes 3 bytes of text and 120 of memory, so a limit on bytes is not enough: 24 MB
 * of `{},` took 1 GB and 4.7 s. The header of a MobileNetV2 has 3,000 values.
 */
const MOST_VALUES = 1_000_000;

class Scanner {
  readonly #text: string;
  readonly #options: JsonOptions;
  #at = 0;
  #values = 0;
  /** Keys and indexes from the root to where we are; its length is the depth. */
  readonly #path: (string | number)[] = [];

  constructor(text: string, options: JsonOptions) {
    this.#text = text;
    this.#options = options;
  }

  document(): JsonValue {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail('the end of the text');
    return value;
  }

  #value(): JsonValue {
    this.#skipSpace();
    if (++this.#values > MOST_VALUES) this.#fail(`at most ${MOST_VALUES} values`);
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      case 't':
        return this.#literal('true', true);
      case 'f':
        return this.#literal('false', false);
      case 'n':
        return this.#literal('null', null);
      default:
        return this.#number();
    }
  }

  #object(): JsonObject {
    const object: JsonObject = Object.create(null);
    this.#checkDepth();
    this.#at++;
    if (this.#accept('}')) return object;
    do {
      this.#skipSpace();
      const keyAt = this.#at;
      if (this.#text[keyAt] !== '"') this.#fail('a key in double quotes');
      const key = this.#string();
      this.#path.push(key);
      if (key in object) {
        throw new MobileNetError(
          'DUPLICATE_KEY',
          `${this.#options.file}: expected every key once, got ${show(this.#place())} twice`,
          { file: this.#options.file, tensor: this.#place(), offset: this.#byteOffset(keyAt) },
        );
      }
      if (!this.#accept(':')) this.#fail('":" after the key');
      object[key] = this.#value();
      this.#path.pop();
    } while (this.#accept(','));
    if (!this.#accept('}')) this.#fail('"," or "}"');
    return object;
  }

  #array(): JsonValue[] {
    const array: JsonValue[] = [];
    this.#checkDepth();
    this.#at++;
    if (this.#accept(']')) return array;
    do {
      this.#path.push(array.length);
      array.push(this.#value());
      this.#path.pop();
    } while (this.#accept(','));
    if (!this.#accept(']')) this.#fail('"," or "]"');
    return array;
  }

  #string(): string {
    const startedAt = this.#at++;
    let value = '';
    let runStart = this.#at;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at); // NaN past the end
      if (code === 0x22) break;
      if (code === 0x5c) {
        value += this.#text.slice(runStart, this.#at) + this.#escape();
        runStart = this.#at;
      } else if (code >= 0x20) {
        this.#at++;
      } else {
        this.#fail('a string that ends in its line');
      }
    }
    value += this.#text.slice(runStart, this.#at++);
    if (LONE_SURROGATE.test(value)) {
      this.#at = startedAt;
      this.#fail('a string of whole characters (it has half a surrogate pair)');
    }
    return value;
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? '';
    const plain = ESCAPES.get(letter);
    HEX4.lastIndex = this.#at + 2;
    const hex = letter === 'u' ? HEX4.exec(this.#text) : null;
    if (plain === undefined && hex === null) this.#fail('an escape that JSON has');
    this.#at += hex === null ? 2 : 6;
    return plain ?? String.fromCharCode(Number.parseInt(hex![0], 16));
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    NOT_FINITE.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text) ?? (this.#options.code === 'CONFIG' ? NOT_FINITE.exec(this.#text) : null);
    if (match === null) this.#fail('a value');
    this.#at += match[0].length;
    return Number(match[0]);
  }

  #literal<T extends boolean | null>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail('a value');
    this.#at += word.length;
    return value;
  }

  #accept(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  /** Bounds the recursion, so that a file of brackets cannot exhaust the stack. */
  #checkDepth(): void {
    const maxDepth = this.#options.maxDepth ?? env.limits.jsonDepth;
    if (this.#path.length >= maxDepth) this.#fail(`at most ${maxDepth} levels of nesting`);
  }

  #fail(expected: string): never {
    const offset = this.#byteOffset(this.#at);
    const got = this.#at < this.#text.length ? show(this.#text.slice(this.#at, this.#at + 12)) : 'the end of the text';
    const where = this.#path.length > 0 ? ` in ${show(this.#place())}` : '';
    throw new MobileNetError(
      this.#options.code,
      `${this.#options.file}: expected ${expected} at byte ${offset}${where}, got ${got}`,
      { file: this.#options.file, tensor: this.#path.length > 0 ? this.#place() : undefined, offset },
    );
  }

  #place(): string {
    return this.#path.join('.');
  }

  #byteOffset(at: number): number {
    return (this.#options.offset ?? 0) + new TextEncoder().encode(this.#text.slice(0, at)).length;
  }
}
