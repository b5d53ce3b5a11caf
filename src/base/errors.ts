/**
 * The one error class of this package. A message says where, what was expected, what came and what to do about it;
 * `code` is stable and meant to be switched on. Messages stay under 500 characters, whatever the input.
 */

/** What went wrong, by kind. The list is closed: a new kind of failure is a deliberate change of the public surface. */
export type ErrorCode =
  /** An argument of a call has the wrong type, shape, length or range. */
  | 'ARG'
  /** Use after `dispose()`. */
  | 'DISPOSED'
  /** A configuration file or object holds an impossible value. */
  | 'CONFIG'
  /** Well formed, but something this package does not do: another model type, picture format, activation. */
  | 'UNSUPPORTED'
  /** A file or folder that was asked for is not there. */
  | 'NOT_FOUND'
  /** Reading or writing failed for a reason of the system: permission, full disk, network. */
  | 'IO'
  /** A hub does not let us read a model: there is no token, a wrong one, or one without permission. */
  | 'AUTH'
  /** A file is not in the cache, and the hub must not or cannot be asked for it. */
  | 'OFFLINE'
  /** A downloaded or kept file is not what its size and hash say. */
  | 'HASH'
  /** The file ends before its own header says so. */
  | 'TRUNCATED'
  /** A header that cannot be read: wrong magic, bad UTF-8, bad JSON, wrong types of fields. */
  | 'BAD_HEADER'
  /** The same name twice where names must be unique. */
  | 'DUPLICATE_KEY'
  /** Byte ranges that leave gaps, overlap, run backwards or past the end. */
  | 'LAYOUT'
  /** A shape that is impossible, or not the one expected. */
  | 'SHAPE'
  /** An element type that is unknown, or not the one expected. */
  | 'DTYPE'
  /** Tensors missing from a checkpoint, or in it without being expected. */
  | 'WEIGHTS'
  /** NaN or infinity in the weights of a checkpoint. */
  | 'NONFINITE'
  /** A scale, a zero point or a range of whole numbers that cannot be. */
  | 'QUANT'
  /** A file name in an index that would leave the model's folder. */
  | 'PATH_ESCAPE'
  /** A shard that is missing, or does not hold what the index says. */
  | 'SHARD'
  /** A pickle that asks for more than tensors. */
  | 'PICKLE'
  /** A TFLite file whose tables point outside the file, at each other, or at tensors that it does not have. */
  | 'FLATBUFFER'
  /** Scales or zero points with which whole numbers cannot stand for real ones. */
  | 'QUANT'
  /** A picture file that is damaged. */
  | 'IMAGE'
  /** Larger than a limit that protects memory; the limit is named and can be raised. */
  | 'LIMIT'
  /** The system has no memory left for what was asked. */
  | 'OUT_OF_MEMORY';

/** Where it went wrong, as far as that is known. */
export interface ErrorPlace {
  /** The file it happened in, as the caller named it. */
  file?: string | undefined;
  /** The tensor or field it is about. */
  tensor?: string | undefined;
  /** Byte offset in the file. */
  offset?: number | undefined;
  /** Everything the message lists, in full. */
  names?: readonly string[] | undefined;
  cause?: unknown;
}

const LONGEST_MESSAGE = 490;

/** Thrown by everything in this package. See {@link ErrorCode} for the codes. */
export class MobileNetError extends Error {
  readonly code: ErrorCode;
  // Only declared: a field that was not given would be printed as undefined with every error.
  declare readonly file?: string;
  declare readonly tensor?: string;
  declare readonly offset?: number;
  declare readonly names?: readonly string[];

  constructor(code: ErrorCode, message: string, { file, tensor, offset, names, cause }: ErrorPlace = {}) {
    super(
      message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE - 1)}…` : message,
      cause === undefined ? undefined : { cause },
    );
    // Defined, not assigned: a page may have frozen Error.prototype, whose `name` then cannot be assigned over.
    Object.defineProperty(this, 'name', { value: 'MobileNetError', configurable: true, writable: true });
    this.code = code;
    if (file !== undefined) this.file = file;
    if (tensor !== undefined) this.tensor = tensor;
    if (offset !== undefined) this.offset = offset;
    // Can be read, but is not printed with the error: the message has the first of them, and there may be hundreds.
    if (names !== undefined) Object.defineProperty(this, 'names', { value: names });
  }
}

/** The error for an argument that is wrong: `where: expected what, got …`. */
export const expected = (where: string, what: string, got: unknown): MobileNetError =>
  new MobileNetError('ARG', `${where}: expected ${what}, got ${show(got)}`);

/** A value as it may stand in a message: short, on one line. Calls nothing of the value's own. */
export function show(value: unknown, longest = 80): string {
  const text = showItem(value, true);
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}

function showItem(value: unknown, lists: boolean): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 200 ? value.slice(0, 200) : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (ArrayBuffer.isView(value)) {
    const name = Object.prototype.toString.call(value).slice(8, -1);
    return `${name}(${(value as Uint8Array).length ?? value.byteLength})`;
  }
  if (Array.isArray(value)) {
    if (!lists) return 'an array';
    return `[${value
      .slice(0, 8)
      .map((item) => showItem(item, false))
      .join(',')}${value.length > 8 ? ',…' : ''}]`;
  }
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** As many names as fit into `most` names and about `room` characters, then how many more there are. */
export function listNames(names: readonly string[], most = 20, room = 300): string {
  let text = '';
  let shown = 0;
  for (const name of names.slice(0, most)) {
    if (shown > 0 && text.length + name.length > room) break;
    text += (shown > 0 ? ', ' : '') + (name.length > room ? `${name.slice(0, room)}…` : name);
    shown++;
  }
  return text + (names.length > shown ? ` and ${names.length - shown} more` : '');
}
