/** Folders that training writes, on the disk. */
import { randomUUID } from 'node:crypto';
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FolderStore } from '../../base/platform.js';
import { isAbsent, makeFolder, systemError } from './files.js';

/** A folder that is being written, or being removed. Its name begins with none that a reader asks for. */
const UNFINISHED = /^\.mobilenet-v2-[0-9a-f-]{36}\.folder$/;
/** Milliseconds after the last change, from which on nobody is at work there. */
const STALE_MS = 3_600_000;

const unfinishedIn = (folder: string) => join(folder, `.mobilenet-v2-${randomUUID()}.folder`);

export const nodeFolderStore: FolderStore = {
  async list(path) {
    const found = await readdir(path, { withFileTypes: true }).catch((cause) => {
      if (isAbsent(cause)) return [];
      throw systemError(cause, path);
    });
    return found
      .filter((entry) => entry.isDirectory() && !UNFINISHED.test(entry.name))
      .map(({ name }) => name)
      .sort();
  },

  async read(path, file) {
    return readFile(join(path, file)).catch((cause) => {
      if (isAbsent(cause)) return undefined;
      throw systemError(cause, join(path, file));
    });
  },

  async write(path, files) {
    const parent = dirname(path);
    const made = unfinishedIn(parent);
    try {
      await makeFolder(made);
      for (const [file, bytes] of files) await writeFlushed(join(made, file), bytes);
      await flushFolder(made);
      await replace(made, path);
      await flushFolder(parent);
      await sweep(parent);
    } catch (cause) {
      await rm(made, { recursive: true, force: true }).catch(() => {}); // the first error counts
      throw systemError(cause, path);
    }
  },

  async remove(path) {
    // At once out of sight: a folder that is half removed would look like a checkpoint.
    const old = unfinishedIn(dirname(path));
    try {
      await rename(path, old);
      await rm(old, { recursive: true, force: true });
    } catch (cause) {
      if (!isAbsent(cause)) throw systemError(cause, path);
    }
  },
};

/** A folder cannot be renamed to one that has files, so an older one goes away first. */
async function replace(made: string, path: string): Promise<void> {
  const old = unfinishedIn(dirname(path));
  const isThere = await rename(path, old).then(
    () => true,
    (cause) => {
      if (isAbsent(cause)) return false;
      throw cause;
    },
  );
  await rename(made, path);
  if (isThere) await rm(old, { recursive: true, force: true });
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A file's name is of its folder, which is flushed by itself; Windows has no such thing. */
async function flushFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

/** Removes what killed runs have left, in the folder that this one writes to. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!UNFINISHED.test(name)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true });
  }
}
