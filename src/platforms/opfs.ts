/**
 * Folders that a page keeps: they lie in the origin's private file system, which only this site sees and which stays when
 * the tab is closed. They are written by any name, `flowers/checkpoint-8`, and read by `opfs:flowers/checkpoint-8`, as a name
 * alone is a URL.
 */
import { expected, MobileNetError, show } from '../base/errors.js';
import type { Folder } from '../base/folder.js';
import type { HubOptions } from '../base/hub-options.js';
import { checkFileBytes } from '../base/limits.js';
import type { FolderStore } from '../base/platform.js';
import { withProgress } from '../base/progress.js';

const SCHEME = /^opfs:/i;
/** A file that is written last: without it a folder of the store is unfinished. No folder of this file system can be renamed. */
const FINISHED = '.finished';

/** The entries of a directory; TypeScript's own library has them in a part that this package does not use. */
type Directory = FileSystemDirectoryHandle & { values(): AsyncIterable<FileSystemHandle> };

/** The other way to write a file, which workers alone have. In Safari before 16.4 all but `write` are promises. */
interface SyncFile {
  truncate(size: number): void | Promise<void>;
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void | Promise<void>;
  close(): void | Promise<void>;
}
type FileHandle = FileSystemFileHandle & { createSyncAccessHandle?(): Promise<SyncFile> };

export const opfsStore: FolderStore = {
  async list(path) {
    const folder = await directoryAt(path);
    if (folder === undefined) return [];
    const names: string[] = [];
    for await (const entry of folder.values()) {
      if (entry.kind !== 'directory') continue;
      if ((await fileIn(entry as Directory, FINISHED)) !== undefined) names.push(entry.name);
    }
    return names.sort();
  },

  async read(path, file) {
    const folder = await directoryAt(path);
    return folder && bytesIn(folder, file, `${path}/${file}`);
  },

  async write(path, files) {
    const folder = (await directoryAt(path, true))!;
    try {
      // First of all it is unfinished, so that old and new files are never taken for one folder.
      await folder.removeEntry(FINISHED).catch(unlessMissing);
      const old: string[] = [];
      for await (const { name } of folder.values()) old.push(name);
      for (const name of old) await folder.removeEntry(name, { recursive: true }).catch(unlessMissing);
      for (const [name, bytes] of files) await put(folder, name, bytes);
      await put(folder, FINISHED, Uint8Array.of(1));
    } catch (cause) {
      throw systemError(cause, path);
    }
  },

  async remove(path) {
    const parts = partsOf(path);
    const parent = await directoryAt(parts.slice(0, -1).join('/'));
    const folder = parent && (await directoryAt(path));
    if (folder === undefined) return;
    try {
      await folder.removeEntry(FINISHED).catch(unlessMissing); // at once no folder of the store's
      await parent!.removeEntry(parts.at(-1)!, { recursive: true });
    } catch (cause) {
      throw systemError(cause, path);
    }
  },
};

/** Writes files into a folder; each is there as a whole, or as it was before. */
export async function writeFolder(path: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const folder = (await directoryAt(path, true))!;
  try {
    for (const [name, bytes] of files) await put(folder, name, bytes);
  } catch (cause) {
    throw systemError(cause, path);
  }
}

/** @throws MobileNetError NOT_FOUND where no folder has this name */
export async function openOpfsFolder(path: string, options: HubOptions = {}): Promise<Folder> {
  const folder = await directoryAt(path);
  if (folder === undefined) {
    throw new MobileNetError('NOT_FOUND', `${path}: this site keeps no such folder`, { file: path });
  }
  const read: Folder['read'] = async (file, _signal, most = Number.POSITIVE_INFINITY) =>
    bytesIn(folder, file, `${path}/${file}`, most);
  return withProgress({ name: path, read }, options);
}

/** Names on the way to a folder or a file: `./runs/one/` has two. */
function partsOf(path: string): string[] {
  const parts = path
    .replace(SCHEME, '')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  if (parts.length === 0 || parts.some((part) => part === '..' || /[\\:]/.test(part)))
    throw expected('path', "names with '/' between them, as flowers/run-1", path);
  return parts;
}

/** A folder by its path; the whole file system by an empty one. @param makes it, where it is not there */
async function directoryAt(path: string, makes = false): Promise<Directory | undefined> {
  const parts = path === '' ? [] : partsOf(path);
  let folder = await root(path);
  try {
    for (const part of parts) folder = await folder.getDirectoryHandle(part, { create: makes });
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw systemError(cause, path);
  }
  return folder as Directory;
}

async function root(path: string): Promise<FileSystemDirectoryHandle> {
  try {
    return await globalThis.navigator.storage.getDirectory();
  } catch (cause) {
    // WebKit has none by http, WebKitGTK never, and in a private window the error tells nothing.
    const remedy =
      'open the page by https or from localhost, in a window that is not private (WebKitGTK has no place for files)';
    throw new MobileNetError('UNSUPPORTED', `${path}: no files can be kept here; ${remedy}`, { file: path, cause });
  }
}

/** A file has a name before it has bytes: one without any was never written to its end. */
async function fileIn(folder: Directory, path: string): Promise<File | undefined> {
  try {
    const parts = partsOf(path);
    let place: FileSystemDirectoryHandle = folder;
    for (const part of parts.slice(0, -1)) place = await place.getDirectoryHandle(part);
    const file = await (await place.getFileHandle(parts.at(-1)!)).getFile();
    return file.size === 0 ? undefined : file;
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw systemError(cause, path);
  }
}

async function bytesIn(
  folder: Directory,
  path: string,
  named: string,
  most = Number.POSITIVE_INFINITY,
): Promise<Uint8Array | undefined> {
  const file = await fileIn(folder, path);
  if (file === undefined) return undefined;
  checkFileBytes(file.size, most, named);
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (cause) {
    throw systemError(cause, named);
  }
}

/** What is written comes in the place of the old file when the stream is closed, not before. */
async function put(folder: Directory, name: string, bytes: Uint8Array): Promise<void> {
  if (/[/\\]/.test(name)) {
    throw new MobileNetError('PATH_ESCAPE', `expected a plain file name, got ${show(name)}`, { file: name });
  }
  const handle: FileHandle = await folder.getFileHandle(name, { create: true });
  if (typeof handle.createWritable !== 'function') return putInPlace(handle, bytes);
  const stream = await handle.createWritable();
  try {
    await stream.write(bytes as Uint8Array<ArrayBuffer>);
  } catch (cause) {
    await stream.abort().catch(() => {}); // the first error counts
    throw cause;
  }
  await stream.close();
}

/**
 * Where there are no streams, in Safari before 26. A tab that is closed meanwhile leaves a part of a file, which its readers find
 * too short; of a folder of the store, the last file is not there then.
 */
async function putInPlace(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  if (handle.createSyncAccessHandle === undefined) {
    const remedy = 'train and save in a worker, as PageTraining does';
    throw new MobileNetError('UNSUPPORTED', `${handle.name}: this browser writes files in workers alone; ${remedy}`, {
      file: handle.name,
    });
  }
  const file = await handle.createSyncAccessHandle();
  try {
    await file.truncate(0);
    for (let at = 0; at < bytes.length; ) {
      const written = file.write(bytes.subarray(at), { at });
      if (written === 0) throw new Error('no byte was written');
      at += written;
    }
    await file.flush();
  } finally {
    await file.close();
  }
}

const nameOf = (cause: unknown): unknown => (cause as { name?: unknown } | null)?.name;

/** Not there, or a file where a folder would be. */
const isMissing = (cause: unknown): boolean => ['NotFoundError', 'TypeMismatchError'].includes(nameOf(cause) as string);

function unlessMissing(cause: unknown): void {
  if (!isMissing(cause)) throw cause;
}

function systemError(cause: unknown, path: string): MobileNetError {
  if (cause instanceof MobileNetError) return cause;
  const full = nameOf(cause) === 'QuotaExceededError';
  const remedy = full ? '; this site may keep no more here: remove what is old, or free space on the disk' : '';
  const said = cause instanceof Error ? cause.message : show(cause);
  return new MobileNetError('IO', `${path}: ${said}${remedy}`, { file: path, cause });
}
