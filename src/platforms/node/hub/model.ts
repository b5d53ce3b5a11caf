/** A model of the hub in the cache: where a file of it lies, downloaded if it must be. */

import { listNames, MobileNetError } from '../../../base/errors.js';
import { mostBytes } from '../../../base/folder.js';
import type { HubOptions } from '../../../base/hub-options.js';
import { isJsonObject, parseJson } from '../../../base/json.js';
import { FileProgress } from '../../../base/progress.js';
import { factsOf, hashLike, type Listing, list, PLAIN, wrongHash } from '../../../hub/download.js';
import {
  checkFile,
  checkRevision,
  fileUrl,
  isCommit,
  isOptional,
  makeRemote,
  type Remote,
} from '../../../hub/names.js';
import { accept, discard, get, withTries } from '../../../hub/request.js';
import { systemError } from '../files.js';
import { readWhole } from '../reading.js';
import { fetchBlob } from './blob.js';
import { cacheFolder, endpoint, tokenOf, whyOffline } from './environment.js';
import { etagOf, isFile, RepoCache } from './layout.js';
import { withLock } from './lock.js';

/** What the hub says of a file, its commit known. */
interface Answer {
  /** Undefined: no such file. */
  etag: string | undefined;
  size: number | undefined;
  response: Response | undefined;
}

/** A name that can be a file's: whatever a server sends, it is to become a path. */
const ETAG = /^[A-Za-z0-9_-]{1,128}$/;

export class HubModel {
  readonly repo: string;
  readonly revision: string;
  readonly remote: Remote;
  readonly cache: RepoCache;
  readonly #options: HubOptions;
  readonly #progress: FileProgress;
  /** Files are of one commit: the one at which the revision stood for the first of them. */
  #commit: string | undefined;
  #opening: Promise<unknown> | undefined;
  #offline: string | undefined;
  /** Downloaded by us, and not again, whatever `force_download` says; checked while they came. */
  readonly #fresh = new Set<string>();

  /** @throws MobileNetError ARG for a name or revision that cannot be; nothing is asked for yet */
  constructor(repo: string, options: HubOptions) {
    const { revision = 'main' } = options;
    checkRevision(revision);
    this.#offline = whyOffline(options);
    this.remote = makeRemote(repo, endpoint(), this.#offline === undefined ? tokenOf(options) : undefined);
    if (this.#offline !== undefined && options.force_download) {
      throw new MobileNetError('ARG', `force_download: ${this.#offline}`);
    }
    this.repo = repo;
    this.revision = revision;
    if (isCommit(revision)) this.#commit = revision;
    this.cache = new RepoCache(cacheFolder(options), repo);
    this.#options = options;
    this.#progress = new FileProgress(repo, options);
  }

  /** The commit, once a file has been asked for. */
  get commit(): string | undefined {
    return this.#commit;
  }

  /** Why nobody is asked; undefined while the hub is. */
  get offline(): string | undefined {
    return this.#offline;
  }

  /**
   * The path of a file; undefined where the model has none, or where nobody can be asked.
   * @throws MobileNetError PATH_ESCAPE, NOT_FOUND, AUTH, IO, HASH
   */
  async locate(file: string, signal = this.#options.signal, most = mostBytes(file)): Promise<string | undefined> {
    checkFile(file);
    signal?.throwIfAborted();
    this.#progress.step('initiate', file);
    const path = await this.#locate(file, signal, most).catch((cause) => {
      throw isSystemError(cause) ? systemError(cause, `${this.repo}/${file} in ${this.cache.root}`) : cause;
    });
    if (path !== undefined) this.#progress.step('done', file);
    return path;
  }

  /** The content of a file, checked against its hash. @throws as `locate` */
  async read(file: string, signal = this.#options.signal, most?: number): Promise<Uint8Array | undefined> {
    const path = await this.locate(file, signal, most);
    if (path === undefined) {
      if (this.#offline !== undefined && !isOptional(file)) await this.#refuseMissing(file);
      return undefined;
    }
    const bytes = await readWhole(path, signal, most).catch((cause) => {
      throw signal?.aborted || cause instanceof MobileNetError ? cause : systemError(cause, path);
    });
    if (!this.#fresh.has(file)) {
      await checkKept(path, `${this.repo}/${file}`, bytes);
      this.#progress.update(file, bytes.length, bytes.length);
    }
    return bytes;
  }

  async #locate(file: string, signal: AbortSignal | undefined, most: number): Promise<string | undefined> {
    let answer: Answer | undefined;
    while (this.#commit === undefined && this.#offline === undefined) {
      if (this.#opening === undefined) {
        // Of several readers one asks where the revision stands, the others wait for the headers of its answer.
        const asked = this.#ask(file, signal);
        this.#opening = asked.catch(() => {});
        try {
          answer = await asked;
        } finally {
          this.#opening = undefined;
        }
      } else await this.#opening;
    }
    this.#commit ??= await this.cache.commitOf(this.revision);
    if (this.#commit === undefined) return undefined; // offline, and never seen
    const commit = this.#commit;
    const force = this.#options.force_download === true && !this.#fresh.has(file);
    const kept = force ? undefined : await this.cache.find(commit, file);
    if (kept !== undefined) {
      discard(answer?.response);
      // A cache that cannot be written to serves all the same.
      if (answer !== undefined) await this.cache.note(this.revision, commit).catch(() => {});
      return kept;
    }
    if (!force && answer === undefined && (await this.cache.isKnownAbsent(commit, file))) return undefined;
    if (this.#offline !== undefined) return undefined;
    answer ??= await this.#ask(file, signal);
    if (answer.etag === undefined) {
      await this.#noteAbsent(commit, file);
      return undefined;
    }
    return this.#fetch(file, commit, answer as Answer & { etag: string }, { force, signal, most });
  }

  /** One request: of a large file the redirect alone, of a small one the answer, whose body has not been read. */
  async #ask(file: string, signal: AbortSignal | undefined): Promise<Answer> {
    const revision = this.#commit ?? this.revision;
    const what = `${this.repo}/${file}`;
    const known = await this.cache.commitOf(revision);
    const spare = known !== undefined && (await this.cache.find(known, file)) !== undefined;
    try {
      // With a file at hand that will do, a hub that does not answer is not asked twice.
      return await withTries(
        what,
        signal,
        (watch) => this.#request(file, revision, what, watch),
        spare ? 1 : undefined,
      );
    } catch (error) {
      if (!spare || signal?.aborted || !(error instanceof MobileNetError) || error.code !== 'IO') throw error;
      this.#offline = error.message;
      return { etag: undefined, size: undefined, response: undefined };
    }
  }

  async #request(
    file: string,
    revision: string,
    what: string,
    watch: Parameters<Parameters<typeof withTries>[2]>[0],
  ): Promise<Answer> {
    const url = fileUrl(this.remote, file, revision);
    let facts: ReturnType<typeof factsOf> = {};
    const response = await get(this.remote, url, what, watch, PLAIN, (redirect) => {
      facts = factsOf(redirect);
      return facts.commit !== undefined && facts.etag !== undefined;
    });
    const redirected = facts.commit !== undefined && facts.etag !== undefined;
    const found = redirected || accept(response, this.remote, what, revision);
    if (redirected) discard(response);
    else facts = factsOf(response);
    const { commit, etag, size } = facts;
    if (commit === undefined || (found && (etag === undefined || !ETAG.test(etag)))) {
      discard(response);
      if (!found && this.#commit !== undefined) return { etag: undefined, size: undefined, response: undefined };
      const missing = commit === undefined ? 'X-Repo-Commit' : 'ETag';
      throw new MobileNetError(
        'IO',
        `${what}: ${this.remote.host.host} answers without ${missing}, so it is not a hub; env.useFSCache = false does without`,
        { file: what },
      );
    }
    this.#commit ??= commit;
    return { etag: found ? etag : undefined, size, response: redirected || !found ? undefined : response };
  }

  async #noteAbsent(commit: string, file: string): Promise<void> {
    try {
      await this.cache.prepare(this.revision, commit);
      await this.cache.noteAbsent(commit, file);
    } catch {
      // It spares a request next time, no more.
    }
  }

  async #fetch(
    file: string,
    commit: string,
    { etag, size, response }: Answer & { etag: string },
    { force, signal, most }: { force: boolean; signal: AbortSignal | undefined; most: number },
  ): Promise<string> {
    const { cache, remote } = this;
    try {
      await cache.prepare(this.revision, commit);
      if (force || !(await isFile(cache.blob(etag)))) {
        await withLock(cache.lock(etag), signal, async (waited) => {
          if (!force && (await isFile(cache.blob(etag)))) return;
          if (waited) discard(response);
          this.#progress.step('download', file);
          const onProgress = (loaded: number, total: number) => this.#progress.update(file, loaded, total);
          const first = waited ? undefined : response;
          const order = { remote, cache, file, revision: commit, etag, size, first, most, onProgress, signal };
          if (!(await fetchBlob(order))) {
            throw new MobileNetError(
              'NOT_FOUND',
              `${this.repo}/${file}: the hub had it a moment ago, and now says that it has not`,
              { file },
            );
          }
          this.#fresh.add(file);
        });
      }
      await cache.link(etag, commit, file);
      return cache.snapshot(commit, file);
    } finally {
      discard(response);
    }
  }

  /** All files of the revision: by the hub, or offline by what is kept. Undefined where neither is to be had. */
  async list(signal = this.#options.signal): Promise<Listing | undefined> {
    if (this.#offline !== undefined) return undefined;
    const listing = await list(this.remote, this.#commit ?? this.revision, signal);
    this.#commit ??= listing?.commit;
    return listing;
  }

  /** Offline: throws unless the file is absent by the hub's own word. Lists what else the model lacks. */
  async #refuseMissing(file: string): Promise<void> {
    const commit = await this.cache.commitOf(this.revision);
    const missing = new Set<string>();
    const look = async (name: string): Promise<boolean> => {
      const kept = commit !== undefined && (await this.cache.find(commit, name)) !== undefined;
      const absent = commit !== undefined && (await this.cache.isKnownAbsent(commit, name));
      if (!kept && !absent) missing.add(name);
      return kept;
    };
    await look(file);
    if (missing.size === 0) return;
    const folder = file.slice(0, file.lastIndexOf('/') + 1);
    for (const name of ['config.json', 'preprocessor_config.json']) await look(folder + name);
    const shards = await this.#shards(commit, folder);
    for (const name of shards) await look(name);
    const pickle = commit !== undefined && (await this.cache.find(commit, `${folder}pytorch_model.bin`)) !== undefined;
    if (!pickle && shards.length === 0) await look(`${folder}model.safetensors`);
    throw this.missing([...missing]);
  }

  /** The files that an index which is kept names. */
  async #shards(commit: string | undefined, folder: string): Promise<string[]> {
    for (const name of ['model.safetensors.index.json', 'pytorch_model.bin.index.json']) {
      const path = commit === undefined ? undefined : await this.cache.find(commit, folder + name);
      if (path === undefined) continue;
      const index = parseJson(await readWhole(path, undefined, mostBytes(name)), { file: name, code: 'BAD_HEADER' });
      const map = isJsonObject(index) && isJsonObject(index.weight_map) ? Object.values(index.weight_map) : [];
      return [...new Set(map.filter((each) => typeof each === 'string'))].map((shard) => folder + shard);
    }
    return [];
  }

  /** The error for files that are not kept, while nobody can be asked. */
  missing(names: readonly string[]): MobileNetError {
    return new MobileNetError(
      'OFFLINE',
      `${this.repo}: not in ${this.cache.root}: ${listNames(names, 20, 150)}; ${this.#offline}. With a connection: mobilenet-v2 download ${this.repo}`,
      { file: names[0], names },
    );
  }
}

const isSystemError = (cause: unknown): boolean => cause instanceof Error && 'syscall' in cause;

/** @throws MobileNetError HASH for a file that is not what its blob's name says */
async function checkKept(path: string, what: string, bytes: Uint8Array): Promise<void> {
  const etag = await etagOf(path);
  const got = etag && (await hashLike(etag, bytes));
  if (!etag || !got || got === etag) return;
  const repo = what.split('/').slice(0, -1).join('/');
  throw wrongHash(
    what,
    etag,
    got,
    `${path} is damaged: load with force_download: true, or mobilenet-v2 cache remove ${repo}`,
  );
}
