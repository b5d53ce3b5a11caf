/**
 * Checkpoints in a page, in the origin private file system: `env.platform.folderStore = pageStore`. Folders cannot be renamed
 * there, so one counts as written when a last, empty file says so; a page that is closed before leaves none that is half.
 */
import { MobileNetError } from '../base/errors.js';
import type { FolderStore } from '../base/platform.js';

/** What is used of FileSystemDirectoryHandle. */
interface Directory {
  readonly kind: 'directory';
  values(): AsyncIterable<{ readonly kind: 'file' | 'directory'; readonly name: string }>;
  getDirectoryHandle(name: string, options?: { create?: boolean }): Promise<Directory>;
  getFileHandle(name: string, options?: { create?: boolean }): Promise<FileEntry>;
  removeEntry(name: string, options?: { recursive?: boolean }): Promise<void>;
}

/** What is used of FileSystemFileHandle. */
interface FileEntry {
  getFile(): Promise<Blob>;
  createWritable(): Promise<{ write(bytes: Uint8Array): Promise<void>; close(): Promise<void> }>;
}

/** The last file of a folder. */
const WRITTEN = '.written';

/** The folders of this page's origin. @throws MobileNetError UNSUPPORTED where a page has no such file system */
export async function pageStore(): Promise<FolderStore> {
  const storage = globalThis.navigator?.storage as { getDirectory?(): Promise<unknown> } | undefined;
  if (storage?.getDirectory === undefined) {
    throw new MobileNetError(
      'UNSUPPORTED',
      "a checkpoint: there is no navigator.storage here; set save_strategy: 'no'",
    );
  }
  return storeIn((await storage.getDirectory()) as Directory);
}

function storeIn(root: Directory): FolderStore {
  return {
    async list(path) {
      const folder = await directoryOf(root, path, false);
      const names: string[] = [];
      for await (const { kind, name } of folder?.values() ?? []) {
        if (kind === 'directory' && (await isWritten(folder!, name))) names.push(name);
      }
      return names.sort();
    },
    async read(path, file) {
      const folder = await directoryOf(root, path, false);
      const found = await folder?.getFileHandle(file).catch(absent);
      return found && new Uint8Array(await (await found.getFile()).arrayBuffer());
    },
    async write(path, files) {
      const [parent, name] = await placeOf(root, path);
      await parent.removeEntry(name, { recursive: true }).catch(absent);
      const folder = await parent.getDirectoryHandle(name, { create: true });
      for (const [file, bytes] of files) await writeFile(folder, file, bytes);
      await writeFile(folder, WRITTEN, new Uint8Array(0));
    },
    async remove(path) {
      const [parent, name] = await placeOf(root, path);
      const folder = await parent.getDirectoryHandle(name).catch(absent);
      // First what makes it count: the rest goes file by file.
      await folder?.removeEntry(WRITTEN).catch(absent);
      await parent.removeEntry(name, { recursive: true }).catch(absent);
    },
  };
}

async function isWritten(folder: Directory, name: string): Promise<boolean> {
  const inside = await folder.getDirectoryHandle(name);
  return (await inside.getFileHandle(WRITTEN).catch(absent)) !== undefined;
}

async function writeFile(folder: Directory, file: string, bytes: Uint8Array): Promise<void> {
  const writable = await (await folder.getFileHandle(file, { create: true })).createWritable();
  await writable.write(bytes);
  await writable.close();
}

const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');

async function directoryOf(root: Directory, path: string, create: boolean): Promise<Directory | undefined> {
  let folder: Directory | undefined = root;
  for (const part of partsOf(path)) folder = await folder?.getDirectoryHandle(part, { create }).catch(absent);
  return folder;
}

/** The folder that a folder lies in, and its name there. */
async function placeOf(root: Directory, path: string): Promise<[parent: Directory, name: string]> {
  const parts = partsOf(path);
  const name = parts.pop();
  if (name === undefined) throw new MobileNetError('ARG', `${path}: expected the path of a folder`);
  return [(await directoryOf(root, parts.join('/'), true))!, name];
}

function absent(cause: unknown): undefined {
  if ((cause as { name?: string } | null)?.name === 'NotFoundError') return undefined;
  throw cause;
}
