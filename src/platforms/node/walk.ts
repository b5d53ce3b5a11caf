/** All files below a folder. */
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MobileNetError } from '../../base/errors.js';
import { systemError } from './files.js';
import { onDisk } from './names.js';

/** A file, or a folder that cannot be listed. */
export interface Found {
  path: string;
  error?: unknown;
}

/** `img2` before `img10`. */
export const { compare: compareNames } = new Intl.Collator('en', { numeric: true });

/** Folder after folder, each in the order of its names; hidden ones are left out. A folder that cannot be listed is an error. */
export async function* walk(top: string): AsyncGenerator<Found> {
  const visited = new Set<string>();
  async function* visit(folder: string): AsyncGenerator<Found> {
    let entries: Awaited<ReturnType<typeof listing>>;
    try {
      // By its real path, so that a symbolic link to a parent folder does not lead to an endless loop.
      const place = await onDisk(folder);
      const real = await realpath(place, 'latin1');
      if (visited.has(real)) return;
      visited.add(real);
      entries = await listing(place);
    } catch (error) {
      yield { path: folder, error };
      return;
    }
    for (const entry of entries.sort((a, b) => compareNames(a.name, b.name))) {
      if (entry.name.startsWith('.')) continue;
      const path = join(folder, entry.name);
      const target = entry.isSymbolicLink() ? await statOf(path) : entry;
      if (target?.isDirectory()) yield* visit(path);
      // A pipe or device among files would be waited for; a link to nowhere is worth an error.
      else if (target?.isFile() !== false) yield { path };
    }
  }
  yield* visit(top);
}

/** Null for what is not there, or cannot be told from others. */
export const statOf = (path: string) =>
  onDisk(path)
    .then(stat)
    .catch(() => null);

/** Folder entries, whose names Node shows as text whether they are or not. */
async function listing(folder: string | Buffer) {
  if (typeof folder === 'string') return readdir(folder, { withFileTypes: true });
  // Of a folder given by its bytes, Node would join path and name.
  const names = await readdir(folder, { encoding: 'buffer' });
  return Promise.all(
    names.map(async (name) => {
      const found = await lstat(Buffer.concat([folder, Buffer.from('/'), name]));
      return Object.assign(found, { name: name.toString() });
    }),
  );
}

/** @throws MobileNetError NOT_FOUND for what is no folder, IO for one that cannot be listed */
export async function listFiles(top: string): Promise<string[]> {
  const found = await statOf(top);
  if (!found?.isDirectory()) {
    const message = found === null ? 'no such folder' : 'expected a folder, got a file';
    throw new MobileNetError('NOT_FOUND', `${top}: ${message}`, { file: top });
  }
  const paths: string[] = [];
  for await (const { path, error } of walk(top)) {
    if (error !== undefined) throw systemError(error, path);
    paths.push(path);
  }
  return paths;
}
