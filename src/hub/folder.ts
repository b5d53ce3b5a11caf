/**
 * A model of a hub as a folder, for places without files: answers are kept in the browser's Cache, or where
 * `env.customCache` says. What is kept carries its commit, so that files of one model are never of two.
 */
import { env } from '../base/env.js';
import { listNames, MobileNetError } from '../base/errors.js';
import { type Folder, mostBytes } from '../base/folder.js';
import type { HubOptions, ResponseCache } from '../base/hub-options.js';
import { FileProgress } from '../base/progress.js';
import { conversionOf, download, type FileFacts, hashLike, type Listing, list, wrongHash } from './download.js';
import { checkFile, checkRevision, fileUrl, isCommit, isOptional, makeRemote, type Remote } from './names.js';

/** The name transformers.js has for it: one download serves both. */
const CACHE = 'transformers-cache';
const COMMIT = 'x-repo-commit';

async function openCache(): Promise<ResponseCache | undefined> {
  if (env.customCache !== null) return env.customCache;
  if (!env.useBrowserCache || typeof caches === 'undefined') return undefined;
  return caches.open(CACHE).catch(() => undefined); // a page may not be allowed to keep anything
}

/**
 * @param repo `org/name`
 * @param options `token: true` and `cache_dir` have no meaning here
 * @param local what is asked before the hub: the same model on the page's own server
 * @throws MobileNetError ARG for a name or revision that cannot be; nothing is asked for yet
 */
export async function responseFolder(repo: string, options: HubOptions, host: string, local?: Folder): Promise<Folder> {
  const { revision = 'main', token, signal } = options;
  checkRevision(revision);
  const remote = makeRemote(repo, host, typeof token === 'string' ? token : undefined);
  const progress = new FileProgress(repo, options);
  const cache = await openCache();
  const offline = options.local_files_only === true || !env.allowRemoteModels;
  const missing = new Set<string>();
  let commit = isCommit(revision) ? revision : undefined;
  let listing: Promise<Listing | undefined> | undefined;

  /** What is kept of a file, if it is of the same commit as the others. */
  async function kept(file: string): Promise<Uint8Array | undefined> {
    const found = await cache?.match(fileUrl(remote, file, revision).href);
    const own = found?.headers.get(COMMIT) ?? undefined;
    if (found === undefined || (own !== undefined && own !== (commit ?? own))) return undefined;
    commit ??= own;
    const bytes = new Uint8Array(await found.arrayBuffer());
    await verify(
      remote,
      file,
      found.headers.get('etag') ?? '',
      bytes,
      'it is damaged in the cache; load with force_download: true',
    );
    progress.update(file, bytes.length, bytes.length);
    return bytes;
  }

  async function fetched(file: string, caller: AbortSignal | undefined, most: number): Promise<Uint8Array | undefined> {
    listing ??= list(remote, commit ?? revision, caller);
    listing.catch(() => {
      listing = undefined;
    });
    const known = await listing;
    commit ??= known?.commit;
    const facts = known?.files.get(file);
    if (known !== undefined && facts === undefined) return undefined;
    progress.step('download', file);
    const order = { remote, file, revision: commit ?? revision, progress, signal: caller, most };
    const bytes = await receive({ ...order, ...facts });
    if (bytes === undefined) return undefined;
    const { etag = '' } = facts ?? {};
    await verify(remote, file, etag, bytes, 'the hub, or a mirror of it, is at fault');
    const headers = { etag, 'content-length': String(bytes.length), ...(commit && { [COMMIT]: commit }) };
    // The model can be used even if a full disk keeps it from being stored.
    await cache?.put(fileUrl(remote, file, revision).href, new Response(bytes, { headers })).catch(() => {});
    return bytes;
  }

  return {
    name: repo,
    async read(file, caller = signal, most = mostBytes(file)) {
      checkFile(file);
      caller?.throwIfAborted();
      const own = await local?.read(file, caller, most).catch(() => undefined);
      if (own !== undefined) return own;
      progress.step('initiate', file);
      const bytes =
        (options.force_download ? undefined : await kept(file)) ??
        (offline ? undefined : await fetched(file, caller, most));
      if (bytes !== undefined) progress.step('done', file);
      else if (offline) missing.add(file);
      if (bytes === undefined && offline && !isOptional(file)) {
        const names = [...missing];
        throw new MobileNetError(
          'OFFLINE',
          `${repo}: not kept here, and requests are not allowed: ${listNames(names)}`,
          {
            names,
            file,
          },
        );
      }
      return bytes;
    },
    async alternative(caller = signal) {
      const found = offline || revision !== 'main' ? undefined : await conversionOf(remote, caller);
      return found === undefined ? undefined : responseFolder(repo, { ...options, revision: found }, host);
    },
  };
}

async function verify(remote: Remote, file: string, etag: string, bytes: Uint8Array, remedy: string): Promise<void> {
  const got = await hashLike(etag, bytes);
  if (got !== undefined && got !== etag) throw wrongHash(`${remote.repo}/${file}`, etag, got, remedy);
}

interface Order extends FileFacts {
  remote: Remote;
  file: string;
  revision: string;
  progress: FileProgress;
  signal: AbortSignal | undefined;
  /** Bytes that it may have. */
  most: number;
}

/** A file in memory. */
async function receive({ progress, ...order }: Order): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const sink = {
    get length() {
      return length;
    },
    async write(chunk: Uint8Array) {
      chunks.push(chunk as Uint8Array<ArrayBuffer>);
      length += chunk.length;
    },
    async restart() {
      chunks = [];
      length = 0;
    },
  };
  const onProgress = (loaded: number, total: number) => progress.update(order.file, loaded, total);
  if (!(await download({ ...order, sink, onProgress }))) return undefined;
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
