/** A folder of pictures wherever it is: on the disk, or in a page, where a user has chosen it. */
import { asBytes, brandOf, isBlob } from '../../base/brands.js';
import { env, requirePlatform } from '../../base/env.js';
import { expected } from '../../base/errors.js';
import { type EncodedInput, readEncoded } from '../../images/source.js';

/** What `showDirectoryPicker()` and the origin's private file system give. */
export interface DirectoryHandle {
  readonly kind: 'directory';
  readonly name: string;
  /** What lies in it. */
  values(): AsyncIterable<DirectoryHandle | FileHandle>;
}

/** A file, as pages have them. */
export interface FileHandle {
  readonly kind: 'file';
  readonly name: string;
  /** Its content. */
  getFile(): Promise<File>;
}

/**
 * A folder's path (Node); a directory handle; the files of `<input type="file" webkitdirectory>`; or files with their paths, as
 * `[['cats/1.jpg', blob], …]` or a Map.
 */
export type FolderSource = string | DirectoryHandle | Iterable<File | readonly [path: string, file: Blob | Uint8Array]>;

/** A file that is read when it is needed. */
export interface FolderFile {
  /** Below the folder, with `/` between. */
  readonly path: string;
  read(): Promise<Uint8Array>;
}

/**
 * All files, by their paths in the order of their letters, so that nothing depends on the order in which a system lists them.
 * @throws MobileNetError NOT_FOUND, IO, ARG for what is no folder
 */
export async function filesOf(source: FolderSource): Promise<FolderFile[]> {
  const files = typeof source === 'string' ? await onDisk(source) : await inPage(source);
  return files.filter(({ path }) => !isHidden(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Also what macOS puts into archives. */
const isHidden = (path: string): boolean => path.split('/').some((part) => part.startsWith('.') || part === '__MACOSX');

async function onDisk(folder: string): Promise<FolderFile[]> {
  const paths = await requirePlatform('listFiles', folder)(folder);
  const top = folder.replace(/[/\\]+$/, '').length + 1;
  const start = paths.every((path) => path.startsWith(folder)) ? top : 0;
  return paths.map((path) => ({
    path: path.slice(start).replaceAll('\\', '/'),
    read: () => requirePlatform('readFile', path)(path, env.limits.imageBytes),
  }));
}

async function inPage(source: Exclude<FolderSource, string>): Promise<FolderFile[]> {
  if (isDirectory(source)) return inDirectory(source, '');
  if (typeof source !== 'object' || source === null || !(Symbol.iterator in source)) {
    throw expected('folder', 'a path, a directory handle, or files with their paths', source);
  }
  return Array.from(source, (item, i) => {
    const [path, file] = Array.isArray(item) ? item : [pathOf(item as File), item];
    if (typeof path !== 'string' || !(isBlob(file) || asBytes(file) !== undefined)) {
      throw expected(`folder[${i}]`, 'a File, or [path, Blob]', item);
    }
    return { path, read: () => bytesOf(file) };
  });
}

const isDirectory = (source: object): source is DirectoryHandle =>
  brandOf(source) === 'FileSystemDirectoryHandle' || (source as DirectoryHandle).kind === 'directory';

async function inDirectory(directory: DirectoryHandle, above: string): Promise<FolderFile[]> {
  const files: FolderFile[] = [];
  for await (const entry of directory.values()) {
    const path = above + entry.name;
    if (entry.kind === 'directory') files.push(...(await inDirectory(entry, `${path}/`)));
    else files.push({ path, read: async () => bytesOf(await entry.getFile()) });
  }
  return files;
}

/** Of a chosen folder's files, the path begins with the name of that folder. */
const pathOf = ({ webkitRelativePath, name }: File): string =>
  webkitRelativePath ? webkitRelativePath.slice(webkitRelativePath.indexOf('/') + 1) : name;

const bytesOf = async (file: EncodedInput): Promise<Uint8Array> => (await readEncoded(file))!.bytes;
