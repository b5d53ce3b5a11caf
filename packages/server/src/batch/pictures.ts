/**
 * From what stands on the command line to a list of pictures in an order that never changes, and from the name of one to its
 * bytes. A picture that cannot be read fails alone; a store that cannot be reached fails the shard.
 */
import { constants, createReadStream } from 'node:fs';
import { open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { env, MobileNetError } from 'mobilenet-v2';
import { messageOf, StoreError, UsageError } from './errors.js';
import { Bucket, isS3, parseS3 } from './stores/bucket.js';

/** What folders and buckets are searched for. Names in a list may end in anything. */
const PICTURE_NAME = /\.(png|jpe?g)$/i;
/** Bytes of a list. */
const MOST_LIST = 2 ** 30;

export interface Pictures {
  /** Absolute, so that another process finds the same. */
  readonly input: string;
  /**
   * Their names, in the order of the results.
   * @param results where those go: what lies there, such as masks, is no picture of the run
   */
  list(results: string): Promise<string[]>;
  /** @throws MobileNetError where this picture cannot be read, StoreError where none can */
  read(name: string): Promise<Uint8Array>;
}

/** @throws UsageError for an input that is not there */
export async function openPictures(input: string): Promise<Pictures> {
  if (isS3(input)) return bucketPictures(input);
  if (/^https?:\/\//i.test(input)) throw new UsageError(`${input}: expected a folder, a list in a file, or s3://…`);
  const found = await stat(input).catch((error) => {
    throw new UsageError(`${input}: ${error.code === 'ENOENT' ? 'no such file or folder' : messageOf(error)}`);
  });
  return found.isDirectory() ? folderPictures(resolve(input)) : listPictures(resolve(input));
}

/** By UTF-8 bytes, as S3 has it, and whatever the machine's language. */
const inOrder = (names: string[]): string[] =>
  names.sort((a, b) => Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8')));

function folderPictures(input: string): Pictures {
  return {
    input,
    async list(results) {
      const names: string[] = [];
      const own = isS3(results) ? null : await realpath(results).catch(() => null);
      await walk(input, '', new Set(own === null ? [] : [own]), names);
      return inOrder(names);
    },
    read: (name) => readFileOf(join(input, name), name),
  };
}

/**
 * Links to folders are followed, but not into a folder that is being walked already.
 * @param closed folders that are not entered
 */
async function walk(folder: string, inside: string, closed: ReadonlySet<string>, names: string[]): Promise<void> {
  const own = await realpath(folder);
  if (closed.has(own)) return;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const { name } = entry;
    if (name.startsWith('.')) continue;
    const path = join(folder, name);
    const kind = entry.isSymbolicLink() ? await stat(path).catch(() => entry) : entry;
    if (kind.isDirectory()) await walk(path, `${inside}${name}/`, new Set([...closed, own]), names);
    else if (PICTURE_NAME.test(name)) names.push(inside + name);
  }
}

/** A file with a name a line, or with NUL between as `find -print0` has it. Names are paths from here, or s3://… */
function listPictures(input: string): Pictures {
  const buckets = new Map<string, Bucket>();
  return {
    input,
    async list() {
      const text = await readList(input);
      const names = text.includes('\0') ? text.split('\0') : text.split(/\r?\n/);
      const wanted = names.filter((name) => name !== '');
      const url = wanted.find((name) => /^https?:\/\//i.test(name));
      if (url !== undefined) throw new UsageError(`${input}: has ${url}; a list names files and s3://…`);
      return wanted;
    },
    async read(name) {
      if (!isS3(name)) return readFileOf(resolve(name), name);
      const { bucket, key } = parseS3(name);
      const own = buckets.get(bucket) ?? new Bucket(bucket);
      buckets.set(bucket, own);
      return readObject(own, key, name);
    },
  };
}

async function readList(input: string): Promise<string> {
  const { size } = await stat(input);
  if (size > MOST_LIST) throw new UsageError(`${input}: more than ${MOST_LIST} bytes of names`);
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(input)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function bucketPictures(input: string): Pictures {
  const { bucket: name, key: prefix } = parseS3(input);
  const bucket = new Bucket(name);
  // `s3://bucket/photos` means the folder, not also `photos-old`.
  const folder = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
  return {
    input: `s3://${name}/${folder}`,
    async list(results) {
      const names: string[] = [];
      for await (const key of bucket.list(folder)) {
        if (PICTURE_NAME.test(key) && !`s3://${name}/${key}`.startsWith(`${results}/`)) {
          names.push(key.slice(folder.length));
        }
      }
      return inOrder(names);
    },
    read: (picture) => readObject(bucket, folder + picture, picture),
  };
}

async function readObject(bucket: Bucket, key: string, name: string): Promise<Uint8Array> {
  const bytes = await bucket.get(key);
  if (bytes === null) throw new MobileNetError('NOT_FOUND', `${name}: no such object`, { file: name });
  return checkSize(bytes, name);
}

/** Of the system, as the library says it. */
const REASONS: Record<string, ['NOT_FOUND' | 'IO', string]> = {
  ENOENT: ['NOT_FOUND', 'no such file'],
  ENOTDIR: ['NOT_FOUND', 'no such file'],
  EACCES: ['IO', 'permission denied'],
  EPERM: ['IO', 'permission denied'],
  EISDIR: ['IO', 'is a folder'],
};
/** Not the file's fault: a network's file system that is away, or too many open files. */
const PASSING = new Set(['EMFILE', 'ENFILE', 'ESTALE', 'ETIMEDOUT', 'ENOTCONN', 'EHOSTDOWN', 'ENOMEM']);

async function readFileOf(path: string, name: string): Promise<Uint8Array> {
  try {
    // Not blocking, or a pipe in the folder would hold the run up for ever.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const found = await file.stat();
      if (found.isDirectory()) throw Object.assign(new Error('is a folder'), { code: 'EISDIR' });
      if (!found.isFile()) throw new MobileNetError('IO', `${name}: is not a file`, { file: name });
      checkLength(found.size, name);
      return checkSize(await readFile(file), name);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof MobileNetError) throw error;
    const { code = '' } = error as NodeJS.ErrnoException;
    if (PASSING.has(code)) throw new StoreError(`${name}: ${messageOf(error)}`, { cause: error });
    const [own, reason] = REASONS[code] ?? ['IO', messageOf(error)];
    throw new MobileNetError(own, `${name}: ${reason}`, { file: name, cause: error });
  }
}

function checkSize(bytes: Uint8Array, name: string): Uint8Array {
  checkLength(bytes.length, name);
  return bytes;
}

function checkLength(length: number, name: string): void {
  const most = env.limits.imageBytes;
  if (length > most) throw new MobileNetError('LIMIT', `${name}: ${length} bytes, more than ${most}`, { file: name });
}
