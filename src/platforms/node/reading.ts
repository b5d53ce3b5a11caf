/**
 * Reading whatever a path names. A path may name a pipe, which keeps whoever opens or reads it waiting until somebody
 * writes. Such a wait inside the system hears no signal and outlives `process.exit`, so nothing here waits there: what has
 * nothing to give yet is asked again later.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { MobileNetError } from '../../base/errors.js';
import { checkBytes } from '../../base/fetcher.js';
import { checkFileBytes } from '../../base/limits.js';

/** Windows has no such flag, and no such pipes. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Files that are open at once, however many are asked for: the limit of a process may be as low as 256. */
const MOST_OPEN = 64;
let opened = 0;
const waiting: (() => void)[] = [];

/** Opens a file in its turn, and closes it after the work. */
async function withFile<T>(path: string | Buffer, work: (handle: FileHandle) => Promise<T>): Promise<T> {
  if (opened < MOST_OPEN) opened++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    const handle = await open(path, READ_FLAGS);
    try {
      return await work(handle);
    } finally {
      await handle.close();
    }
  } finally {
    const next = waiting.shift();
    if (next === undefined) opened--;
    else next();
  }
}

/** Bytes of a single read, which takes less than 2 GiB. */
const MOST_AT_ONCE = 2 ** 30;

/**
 * A plain file's bytes. `readFile` asks for half a megabyte at a time and waits its turn in between: reading 14 MB took
 * 16 ms of a cold start, in one piece it takes none, for it happens while the main thread does something else.
 * @param place what opens it, where that is not its name
 * @throws MobileNetError LIMIT; IO for a pipe, a device or a folder; the system's errors
 */
export async function readWhole(
  path: string,
  signal: AbortSignal | undefined,
  most = Number.POSITIVE_INFINITY,
  place: string | Buffer = path,
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  return withFile(place, async (handle) => {
    const found = await handle.stat();
    if (!found.isFile()) throw notPlain(found, path);
    const { size } = found;
    checkFileBytes(size, most, path);
    const bytes = new Uint8Array(size);
    let length = 0;
    while (length < size) {
      const { bytesRead } = await handle.read(bytes, length, Math.min(size - length, MOST_AT_ONCE), length);
      if (bytesRead === 0) break; // it has become shorter
      length += bytesRead;
    }
    signal?.throwIfAborted();
    return bytes.subarray(0, length);
  });
}

/** The error for what is no plain file where one is expected: nobody can say how long it is, or wait for it. */
function notPlain(found: Stats, file: string): MobileNetError {
  if (found.isDirectory()) return new MobileNetError('IO', `${file}: is a folder (EISDIR)`, { file });
  const message = `${file}: expected a plain file, got ${kindOf(found)}; copy what it gives into a file`;
  return new MobileNetError('IO', message, { file });
}

function kindOf(found: Stats): string {
  if (found.isFIFO()) return 'a pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}

/** The text of a small plain file, at once; undefined for a longer one, or what is no plain file. @throws the system's errors */
export function readSmall(path: string, most: number): string | undefined {
  const descriptor = openSync(path, READ_FLAGS);
  try {
    if (!fstatSync(descriptor).isFile()) return undefined;
    const bytes = Buffer.alloc(most + 1);
    const length = readSync(descriptor, bytes, 0, bytes.length, 0);
    return length > most ? undefined : bytes.toString('utf8', 0, length);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Memory for one file after another, so that a thread that reads many of them leaves no garbage: it is found late, and a
 * process of 200 photographs grew by 40 MB. What was read is valid until the next is.
 */
export class ReadingMemory {
  #bytes = new Uint8Array(0);

  of(length: number): Uint8Array {
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(Math.ceil(length * 1.25));
    return this.#bytes.subarray(0, length);
  }
}

interface ReadingOptions {
  /** The name of the limit in `env.limits`. */
  limit?: string | undefined;
  /** For a file of known size. */
  memory?: ReadingMemory | undefined;
  /** Heard between two pieces. */
  signal?: AbortSignal | undefined;
}

const CHUNK = 2 ** 16;
/** Milliseconds until what had nothing to give is asked again. */
const PAUSE = 10;

/**
 * All that a path gives: a file, a pipe (`/dev/stdin`, `<(…)`, a named one, whose writer may still come), a device.
 * @param name what errors call it
 * @param most bytes it may have; checked before reading where the size is known, and while reading
 * @throws MobileNetError LIMIT; IO for a folder; the system's errors; the signal's reason
 */
export async function readAny(
  path: string | Buffer,
  name: string,
  most: number,
  { limit, memory, signal }: ReadingOptions = {},
): Promise<Uint8Array> {
  return withFile(path, async (handle) => {
    const found = await handle.stat();
    if (found.isDirectory()) {
      throw new MobileNetError('IO', `${name}: expected a file, got a folder`, { file: name });
    }
    checkBytes(found.size, name, most, limit);
    // A pipe that has a name is empty before its first writer comes; one without has had all its writers.
    const awaited = found.isFIFO() && (await hasName(path));
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const room = Math.min(Math.max(found.size - length + 1, CHUNK), MOST_AT_ONCE);
      const chunk = await readSome(handle, length === 0 && memory ? memory.of(room) : new Uint8Array(room), signal);
      // A plain file comes in one piece, and is not copied.
      if (chunk.length === 0 && !(awaited && length === 0))
        return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      if (chunk.length === 0) await sleep(PAUSE);
      chunks.push(chunk);
      length += chunk.length;
      checkBytes(length, name, most, limit);
    }
  });
}

const hasName = (path: string | Buffer): Promise<boolean> =>
  realpath(path).then(
    () => true,
    () => false, // /dev/fd/63 leads to `pipe:[1234]`
  );

/** What is there by now, waiting until there is something; nothing at the end. */
async function readSome(handle: FileHandle, chunk: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
  for (;;) {
    signal?.throwIfAborted();
    try {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
      return chunk.subarray(0, bytesRead);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EAGAIN') throw cause;
      await sleep(PAUSE);
    }
  }
}
