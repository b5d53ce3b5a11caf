/** Files and folders in Node. Errors of the system come out as MobileNetError: NOT_FOUND or IO, with the file's name. */
import { createReadStream } from 'node:fs';
import { mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MobileNetError, show } from '../../base/errors.js';
import { checkBytes, readUrl } from '../../base/fetcher.js';
import type { Folder } from '../../base/folder.js';
import { aboutFile } from '../../base/foreign.js';
import { checkFileBytes } from '../../base/limits.js';

export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/**
 * Opens a folder of model files.
 * @param named a file that the caller chose, so that it may be a link to anywhere, as our own names may
 * @throws MobileNetError NOT_FOUND when there is no such folder, IO when the system does not let us look
 */
export async function openLocalFolder(path: string, named?: string): Promise<Folder> {
  if (/^https?:\/\//i.test(path)) {
    throw new MobileNetError(
      'ARG',
      `${path}: is a URL; expected a folder or org/name on the hub; download the model first`,
      {
        file: path,
      },
    );
  }
  const about = aboutFile(path);
  const found = await stat(path).catch((cause) => {
    throw systemError(
      cause,
      path,
      about ? 'no such file' : 'no such folder; expected one with config.json and weights',
    );
  });
  if (!found.isDirectory()) {
    const message = about ?? 'expected a folder with config.json and weights, got a file';
    throw new MobileNetError('NOT_FOUND', `${path}: ${message}`, { file: path });
  }
  return {
    name: path,
    async read(file, signal, most) {
      checkInside(file);
      try {
        if (!OWN_FILES.has(file) && file !== named) await checkLink(path, file);
        return await readWhole(join(path, file), signal, most);
      } catch (cause) {
        if (isAbsent(cause)) return undefined;
        if (signal?.aborted || cause instanceof MobileNetError) throw cause;
        throw systemError(cause, join(path, file));
      }
    },
  };
}

/** Bytes of a single read, which takes less than 2 GiB. */
const MOST_AT_ONCE = 2 ** 30;

/**
 * A file's bytes. `readFile` asks for half a megabyte at a time and waits its turn in between: reading 14 MB took 16 ms
 * of a cold start, in one piece it takes none, for it happens while the main thread does something else.
 */
export async function readWhole(
  path: string,
  signal: AbortSignal | undefined,
  most = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
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
  } finally {
    await handle.close();
  }
}

/** The names this package asks for by itself. Any other one comes from the index of a checkpoint, a stranger's text. */
const OWN_FILES: ReadonlySet<string> = new Set([
  'config.json',
  'preprocessor_config.json',
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
]);
/** What every file of a Hugging Face cache is a link to: a file named by its hash, or by another hash in the blobs all models share. */
const BLOB = /[/\\]blobs[/\\](?:[0-9a-f]{2}[/\\])?[0-9a-f]{40,64}$/;

/**
 * Our own names may be links to anywhere, as Nix and Bazel lay out folders. A name that an index chose may not lead out
 * of the folder by a link either, but for the blobs of a cache.
 */
async function checkLink(folder: string, file: string): Promise<void> {
  const target = await realpath(join(folder, file));
  if (target.startsWith(`${await realpath(folder)}${sep}`) || BLOB.test(target)) return;
  throw new MobileNetError(
    'PATH_ESCAPE',
    `${join(folder, file)}: is a link out of the folder, to ${show(target)}; nothing was opened; put a copy in its place`,
    { file: join(folder, file) },
  );
}

/** A name inside a folder: relative, without `..`. */
function checkInside(file: string): void {
  const parts = file.split(/[/\\]/);
  if (parts.some((part) => part === '' || part === '.' || part === '..') || isAbsolute(file) || /[\0:]/.test(file)) {
    throw new MobileNetError(
      'PATH_ESCAPE',
      `expected the name of a file inside the folder, got ${show(file)}; nothing was opened`,
      {
        file,
      },
    );
  }
}

/**
 * The bytes of a picture.
 * @param source a path, or a URL with file:, http:, https:, data: or blob:
 * @param limit bytes it may have; checked before reading where the size is known, and while reading
 * @throws MobileNetError NOT_FOUND, IO (no permission, a folder, no connection), LIMIT
 */
export async function readPicture(source: string, limit: number): Promise<Uint8Array> {
  if (/^(https?|data|blob):/i.test(source)) return readUrl(source, source, limit);
  const path = /^file:/i.test(source) ? pathOf(source) : source;
  try {
    const found = await stat(path);
    if (found.isDirectory()) {
      throw new MobileNetError('IO', `${source}: expected a picture, got a folder`, { file: source });
    }
    checkBytes(found.size, source, limit);
    return await collect(createReadStream(path), limit, source);
  } catch (cause) {
    throw cause instanceof MobileNetError ? cause : systemError(cause, source);
  }
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new MobileNetError('ARG', `${url}: expected a file on this computer (${(cause as Error).message})`, {
      file: url,
      cause,
    });
  }
}

/** All of a file, which may be longer than it said: a pipe, or one that grows. */
async function collect(stream: AsyncIterable<Uint8Array>, limit: number, name: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.length;
    checkBytes(size, name, limit); // leaving the loop closes the stream
  }
  return Buffer.concat(chunks);
}

/**
 * Writes files into a folder, made if it is not there. Each appears whole or not at all: all are written under names of
 * their own and flushed to the disk, then renamed. Whatever fails, no temporary file stays and older files are intact.
 * @throws MobileNetError PATH_ESCAPE for a name with a path in it; IO
 */
export async function writeFolder(path: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const file of files.keys()) {
    checkInside(file);
    if (/[/\\]/.test(file)) {
      throw new MobileNetError('PATH_ESCAPE', `expected a plain file name, got ${show(file)}`, { file });
    }
  }
  const unfinished = new Map<string, string>();
  try {
    await makeFolder(path);
    for (const [file, bytes] of files) {
      // Without the file's own name, which may be as long as names can be.
      const temporary = join(path, `.${crypto.randomUUID()}.tmp`);
      unfinished.set(temporary, join(path, file));
      await writeFlushed(temporary, bytes);
    }
    for (const [temporary, target] of unfinished) {
      await rename(temporary, target);
      unfinished.delete(temporary);
    }
  } catch (cause) {
    for (const temporary of unfinished.keys()) await rm(temporary, { force: true }).catch(() => {}); // the first error counts
    throw cause instanceof MobileNetError ? cause : systemError(cause, path);
  }
}

/** Makes a folder, and those it lies in. @throws MobileNetError IO */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    if (!isAbsent(cause)) throw systemError(cause, path);
    // What Node says of a read-only file system, and below a file.
    throw new MobileNetError('IO', `${path}: the folder cannot be made; is the folder above it read-only?`, {
      file: path,
      cause,
    });
  }
}

/** Without the flush, a power cut after the rename could leave an empty file in the place of the old one. */
async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function isAbsent(cause: unknown): boolean {
  const { code } = cause as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** What people may read of an errno. */
const REASONS: Record<string, string> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
  EISDIR: 'is a folder',
  ELOOP: 'a circle of links',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many open files',
};

export function systemError(cause: unknown, file: string, absent = 'no such file'): MobileNetError {
  if (cause instanceof MobileNetError) return cause;
  if (isAbsent(cause)) return new MobileNetError('NOT_FOUND', `${file}: ${absent}`, { file, cause });
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const reason = REASONS[code] === undefined ? message : `${REASONS[code]} (${code})`;
  return new MobileNetError('IO', `${file}: ${reason}`, { file, cause });
}
