/** Files and folders in Node. Errors of the system come out as MobileNetError: NOT_FOUND or IO, with the file's name. */
import { copyFile, link, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { env } from '../../base/env.js';
import { MobileNetError, show } from '../../base/errors.js';
import { readUrl } from '../../base/fetcher.js';
import type { Folder } from '../../base/folder.js';
import { aboutFile } from '../../base/foreign.js';
import { onDisk } from './names.js';
import { type ReadingMemory, readAny, readWhole } from './reading.js';
import { modeOf, temporaryIn } from './temporary.js';

export async function isFolder(path: string): Promise<boolean> {
  const place = await onDisk(path).catch(() => path);
  return (await stat(place).catch(() => undefined))?.isDirectory() ?? false;
}

/**
 * Opens a folder of model files.
 * @param named a file that the caller chose, so that it may be a link to anywhere, as our own names may
 * @throws MobileNetError NOT_FOUND when there is no such folder, IO when the system does not let us look
 */
export async function openLocalFolder(path: string, named?: string): Promise<Folder> {
  if (/^https?:\/\//i.test(path)) {
    if (named !== undefined) return fileAt(path, named);
    throw new MobileNetError(
      'ARG',
      `${path}: is a URL; expected a folder or org/name on the hub; download the model first`,
      {
        file: path,
      },
    );
  }
  const about = aboutFile(path);
  const found = await stat(await onDisk(path)).catch((cause) => {
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
        return await readWhole(join(path, file), signal, most, await onDisk(join(path, file)));
      } catch (cause) {
        if (isAbsent(cause)) return undefined;
        if (signal?.aborted || cause instanceof MobileNetError) throw cause;
        throw systemError(cause, join(path, file));
      }
    },
  };
}

/** Of a server nothing is known but the file that was named. */
function fileAt(place: string, named: string): Folder {
  return {
    name: place,
    read: async (file, _, most = env.limits.weightsBytes) =>
      file === named ? readUrl(`${place}/${file}`, `${place}/${file}`, most) : undefined,
  };
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
  // By its bytes, each a letter: names that are not UTF-8 would all look alike.
  const target = await realpath(await onDisk(join(folder, file)), 'latin1');
  const inside = await realpath(await onDisk(folder), 'latin1');
  if (target.startsWith(`${inside}${sep}`) || BLOB.test(target)) return;
  throw new MobileNetError(
    'PATH_ESCAPE',
    `${join(folder, file)}: is a link out of the folder, to ${show(Buffer.from(target, 'latin1').toString())}; nothing was opened; put a copy in its place`,
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
 * @param memory for the bytes, which then are valid until the next are read
 * @throws MobileNetError NOT_FOUND, IO (no permission, a folder, no connection), LIMIT
 */
export async function readPicture(
  source: string,
  limit: number,
  signal?: AbortSignal,
  memory?: ReadingMemory,
): Promise<Uint8Array> {
  if (/^(https?|data|blob):/i.test(source)) return readUrl(source, source, limit, signal);
  const path = /^file:/i.test(source) ? pathOf(source) : source;
  try {
    return await readAny(await onDisk(path), source, limit, { memory, signal });
  } catch (cause) {
    throw systemError(cause, source);
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

/**
 * Writes files into a folder, made if it is not there. Each appears whole or not at all: all are written under names of
 * their own and flushed to the disk, then renamed. Whatever fails, no temporary file stays and older files are intact:
 * where the second of them cannot be put in its place, the first is taken back.
 * @throws MobileNetError PATH_ESCAPE for a name with a path in it; IO
 */
export async function writeFolder(path: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const file of files.keys()) {
    checkInside(file);
    if (/[/\\]/.test(file)) {
      throw new MobileNetError('PATH_ESCAPE', `expected a plain file name, got ${show(file)}`, { file });
    }
  }
  const steps: Replacement[] = [];
  try {
    await makeFolder(path);
    for (const [file, bytes] of files) {
      const step = { temporary: temporaryIn(path), target: join(path, file), backup: undefined };
      steps.push(step);
      await writeFlushed(step, bytes);
    }
    // The last one needs no way back.
    for (const step of steps.slice(0, -1)) step.backup = await keepOld(step.target, temporaryIn(path));
    await replaceAll(steps);
  } catch (cause) {
    throw systemError(cause, path);
  } finally {
    const leftovers = steps.flatMap(({ temporary, backup }) => [temporary, backup ?? temporary]);
    for (const each of leftovers) await rm(each, { force: true }).catch(() => {}); // the first error counts
  }
}

interface Replacement {
  temporary: string;
  target: string;
  /** The old file under another name; undefined if there was no old file. */
  backup: string | undefined;
}

/** A second name for a file that is to be replaced. */
async function keepOld(target: string, backup: string): Promise<string | undefined> {
  try {
    await link(target, backup).catch((cause) => {
      if (isAbsent(cause)) throw cause;
      return copyFile(target, backup); // a file system without links
    });
    return backup;
  } catch (cause) {
    if (isAbsent(cause)) return undefined;
    throw cause;
  }
}

/** All or none: weights beside the configuration of others would load, and answer wrongly. */
async function replaceAll(steps: readonly Replacement[]): Promise<void> {
  for (const [n, { temporary, target }] of steps.entries()) {
    try {
      await rename(temporary, target);
    } catch (cause) {
      for (const done of steps.slice(0, n).reverse()) await takeBack(done, cause);
      throw cause;
    }
  }
}

async function takeBack({ target, backup }: Replacement, cause: unknown): Promise<void> {
  try {
    if (backup === undefined) await rm(target, { force: true });
    else await rename(backup, target).catch(() => copyFile(backup, target));
  } catch {
    const message = `${target}: has been replaced and the files beside it have not, nor could it be put back; write all of them anew`;
    throw new MobileNetError('IO', message, { file: target, cause });
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
async function writeFlushed({ temporary, target }: Replacement, bytes: Uint8Array): Promise<void> {
  const mode = modeOf(target);
  const handle = await open(temporary, 'wx', mode);
  try {
    if (mode !== undefined) await handle.chmod(mode); // what was private stays so, whatever the umask
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
  EMFILE: 'too many open files; close some or raise the limit (ulimit -n)',
  ENFILE: 'too many open files on this computer',
  EIO: 'the disk has failed',
  ENXIO: 'is a socket or a device that cannot be read by its name; name - for standard input',
};

/**
 * The typed error for one of the system's. Any other error comes back as it is: a callback or a fault of ours has thrown it,
 * and to call that IO would send the reader to look at the disk.
 */
export function systemError(cause: unknown, file: string, absent = 'no such file'): unknown {
  if (cause instanceof MobileNetError || typeof (cause as NodeJS.ErrnoException | null)?.code !== 'string')
    return cause;
  if (isAbsent(cause)) return new MobileNetError('NOT_FOUND', `${file}: ${absent}`, { file, cause });
  const { code = '', message } = cause as NodeJS.ErrnoException;
  // A NUL in a path.
  if (code.startsWith('ERR_INVALID_ARG'))
    return new MobileNetError('ARG', `${show(file)}: ${message}`, { file, cause });
  const reason = REASONS[code] === undefined ? message : `${REASONS[code]} (${code})`;
  return new MobileNetError('IO', `${file}: ${reason}`, { file, cause });
}
