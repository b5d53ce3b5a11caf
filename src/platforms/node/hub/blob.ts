/** Downloads a file of a model into the cache's blobs: aside, checked, flushed, then renamed. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MobileNetError } from '../../../base/errors.js';
import { download, type Sink, wrongHash } from '../../../hub/download.js';
import type { Remote } from '../../../hub/names.js';
import { isFile, type RepoCache } from './layout.js';

export interface BlobOrder {
  remote: Remote;
  cache: RepoCache;
  file: string;
  /** Of the commit, so that what is continued is the same. */
  revision: string;
  etag: string;
  size: number | undefined;
  /** An answer that has begun already. */
  first: Response | undefined;
  /** Bytes the file may have. */
  most: number;
  onProgress(loaded: number, total: number): void;
  signal: AbortSignal | undefined;
}

/**
 * What an earlier process left unfinished is continued. What is aborted stays for the next, as what is killed does;
 * after every other failure nothing stays.
 * @returns false where the model has no such file
 * @throws MobileNetError HASH, IO, AUTH, NOT_FOUND
 */
export async function fetchBlob(order: BlobOrder): Promise<boolean> {
  const { cache, etag, signal } = order;
  const temporary = cache.unfinished(etag);
  const adopted = order.first === undefined && (await adopt(cache, etag, temporary));
  let keep = false;
  try {
    const found =
      (await attempt(order, temporary, adopted)) ?? (await attempt({ ...order, first: undefined }, temporary, false));
    if (!found) return false;
    await rename(temporary, cache.blob(etag)).catch(async (cause) => {
      // Another process that took our lock for a dead one's has finished it.
      if (!(await isFile(cache.blob(etag)))) throw cause;
    });
    return true;
  } catch (error) {
    keep = signal?.aborted === true;
    throw error;
  } finally {
    if (!keep)
      for (const path of [temporary, ...(await unfinishedOf(cache, etag))])
        await rm(path, { force: true }).catch(() => {});
  }
}

async function unfinishedOf(cache: RepoCache, etag: string): Promise<string[]> {
  const names = await readdir(cache.blobs).catch(() => []);
  return names.filter((name) => cache.isUnfinished(name, etag)).map((name) => join(cache.blobs, name));
}

/** Takes over the longest of the unfinished files of other processes. Renaming succeeds for one. */
async function adopt(cache: RepoCache, etag: string, as: string): Promise<boolean> {
  const sizes = new Map<string, number>();
  for (const path of await unfinishedOf(cache, etag))
    sizes.set(path, (await stat(path).catch(() => undefined))?.size ?? 0);
  for (const [path, size] of [...sizes].sort(([, a], [, b]) => b - a)) {
    if (size === 0) continue;
    const moved = await rename(path, as).then(
      () => true,
      () => false,
    );
    if (moved) return true;
  }
  return false;
}

/** Undefined: what was continued was at fault, and has to be begun anew. */
async function attempt(order: BlobOrder, path: string, adopted: boolean): Promise<boolean | undefined> {
  const { etag, size, remote, file } = order;
  const sink = await FileSink.open(path, etag, size, adopted);
  const continued = sink.length > 0;
  try {
    if (!(await download({ ...order, sink }))) return false;
    const got = await sink.digest(path);
    if (got !== undefined && got !== etag) {
      if (continued) return undefined;
      throw wrongHash(`${remote.repo}/${file}`, etag, got, 'the hub, or a mirror of it, is at fault; nothing was kept');
    }
    await sink.flush();
    return true;
  } catch (error) {
    if (continued && error instanceof MobileNetError && error.code === 'HASH') return undefined;
    throw error;
  } finally {
    await sink.close();
  }
}

/** A file that knows its hash. */
class FileSink implements Sink {
  length = 0;
  readonly #handle: FileHandle;
  readonly #etag: string;
  readonly #size: number | undefined;
  #hash: Hash | undefined;

  private constructor(handle: FileHandle, etag: string, size: number | undefined) {
    this.#handle = handle;
    this.#etag = etag;
    this.#size = size;
    this.#hash = this.#newHash(size);
  }

  static async open(path: string, etag: string, size: number | undefined, adopted: boolean): Promise<FileSink> {
    const sink = new FileSink(await open(path, adopted ? 'r+' : 'w+'), etag, size);
    if (!adopted) return sink;
    for await (const chunk of createReadStream(path)) {
      sink.length += chunk.length;
      sink.#hash?.update(chunk);
    }
    if (size !== undefined && sink.length > size) await sink.restart();
    return sink;
  }

  /** Git's SHA-1 begins with the size; where that is not told beforehand, the file is read once more. */
  #newHash(size: number | undefined): Hash | undefined {
    if (/^[0-9a-f]{64}$/.test(this.#etag)) return createHash('sha256');
    if (/^[0-9a-f]{40}$/.test(this.#etag) && size !== undefined) return createHash('sha1').update(`blob ${size}\0`);
    return undefined;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await this.#handle.write(chunk, done, chunk.length - done, this.length + done);
      done += bytesWritten;
    }
    this.length += chunk.length;
    this.#hash?.update(chunk);
  }

  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.length = 0;
    this.#hash = this.#newHash(this.#size);
  }

  /** Undefined where the etag is not a hash. */
  async digest(path: string): Promise<string | undefined> {
    if (this.#hash !== undefined) return this.#hash.digest('hex');
    const late = this.#newHash(this.length);
    if (late !== undefined) for await (const chunk of createReadStream(path)) late.update(chunk);
    return late?.digest('hex');
  }

  /** Without it, a power cut after the rename could leave an empty file of a trusted name. */
  async flush(): Promise<void> {
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
