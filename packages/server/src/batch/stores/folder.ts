/** Results in a folder. */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Store } from './store.js';

const TEMPORARY = /^\.mobilenet-v2-[0-9a-f-]{36}\.tmp$/;
/** Milliseconds: no shard takes that long to write. */
const STALE = 3_600_000;
/** File systems without hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP', 'EMLINK']);

/** Temporary files that are there now: a process that ends early takes them with it. */
const unfinished = new Set<string>();
process.on('exit', () => {
  for (const path of unfinished) rmSync(path, { force: true });
});

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

export class FolderStore implements Store {
  readonly where: string;
  readonly #prepared = new Map<string, Promise<void>>();

  constructor(where: string) {
    this.where = where;
  }

  nameOf(name: string): string {
    return join(this.where, name);
  }

  async list(prefix: string): Promise<string[]> {
    const at = prefix.lastIndexOf('/') + 1;
    const folder = prefix.slice(0, at);
    const start = prefix.slice(at);
    const names = await readdir(join(this.where, folder)).catch(absent);
    return (names ?? []).filter((name) => name.startsWith(start) && !TEMPORARY.test(name)).map((name) => folder + name);
  }

  async read(name: string): Promise<Uint8Array | null> {
    return readFile(this.nameOf(name)).catch(absent);
  }

  async create(name: string, bytes: Uint8Array): Promise<boolean> {
    const path = this.nameOf(name);
    const temporary = await this.#write(path, bytes);
    try {
      await link(temporary, path); // unlike a rename, it never replaces
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      if (!NO_LINKS.has(codeOf(error) ?? '')) throw error;
      if ((await stat(path).catch(absent)) !== null) return false;
      await rename(temporary, path);
      return true;
    } finally {
      await discard(temporary);
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.nameOf(name);
    const temporary = await this.#write(path, bytes);
    await rename(temporary, path);
    unfinished.delete(temporary);
  }

  async remove(name: string): Promise<void> {
    await rm(this.nameOf(name), { force: true });
  }

  /** The bytes under a name of their own, in the folder where they will be, safe on the disk. */
  async #write(path: string, bytes: Uint8Array): Promise<string> {
    const folder = dirname(path);
    await (this.#prepared.get(folder) ?? this.#prepare(folder));
    const temporary = join(folder, `.mobilenet-v2-${randomUUID()}.tmp`);
    unfinished.add(temporary);
    try {
      const file = await open(temporary, 'wx');
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      await discard(temporary);
      throw error;
    }
    return temporary;
  }

  /** Once for each folder; who comes meanwhile waits. */
  #prepare(folder: string): Promise<void> {
    const preparing = prepare(folder);
    this.#prepared.set(folder, preparing);
    preparing.catch(() => this.#prepared.delete(folder));
    return preparing;
  }
}

async function discard(temporary: string): Promise<void> {
  await rm(temporary, { force: true });
  unfinished.delete(temporary);
}

/** Makes the folder, and removes what killed runs left in it. */
async function prepare(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    if (!TEMPORARY.test(name)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(absent);
    if (found !== null && Date.now() - found.mtimeMs > STALE) await rm(path, { force: true });
  }
}

/** What is not there is null; other errors stay errors. */
function absent(error: unknown): null {
  if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
  throw error;
}
