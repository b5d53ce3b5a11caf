/** One file of a hub, whole and verified or not at all. */
import { unlessAborted } from '../base/abort.js';
import { env } from '../base/env.js';
import { MobileNetError, show } from '../base/errors.js';
import type { IdleTimeout } from '../base/idle.js';
import { isJsonObject, type JsonValue, parseJson } from '../base/json.js';
import { checkFileBytes } from '../base/limits.js';
import { fileUrl, isCommit, type Remote } from './names.js';
import { accept, discard, failed, get, RetryableError, withTries } from './request.js';

/** What is known of a file before its first byte. */
export interface FileFacts {
  /** SHA-256 of a large file, git's SHA-1 of a small one; on other servers any name of the content. */
  etag?: string | undefined;
  /** In bytes. */
  size?: number | undefined;
}

/** What the hub's own answer says in its headers, also where it is a redirect. */
export function factsOf({ headers }: Response): FileFacts & { commit?: string } {
  const commit = headers.get('x-repo-commit') ?? '';
  const linked = headers.get('x-linked-etag');
  const etag = (linked ?? headers.get('etag'))?.replace(/^W\//, '').replaceAll('"', '');
  const plain = headers.has('location') || headers.has('content-encoding') ? null : headers.get('content-length');
  const size = headers.get('x-linked-size') ?? plain;
  return { ...(isCommit(commit) && { commit }), etag, size: size === null ? undefined : Number(size) };
}

/** Where bytes go. */
export interface Sink {
  /** Bytes it has, also from an earlier attempt. */
  readonly length: number;
  write(chunk: Uint8Array): Promise<void>;
  /** Forgets all of them. */
  restart(): Promise<void>;
}

interface Download extends FileFacts {
  remote: Remote;
  file: string;
  revision: string;
  sink: Sink;
  /** An answer that has begun already. */
  first?: Response | undefined;
  onProgress?(loaded: number, total: number): void;
  signal?: AbortSignal | undefined;
  /** Bytes the file may have, whatever its size is said to be. */
  most: number;
}

/**
 * Fills the sink. What breaks off is continued where it ended, by a request for the rest.
 * @returns false where the model has no such file
 * @throws MobileNetError IO, AUTH, NOT_FOUND, LIMIT, HASH (longer or shorter than its size)
 */
export async function download({
  remote,
  file,
  revision,
  sink,
  first,
  size,
  onProgress,
  signal,
  most,
}: Download): Promise<boolean> {
  const what = `${remote.repo}/${file}`;
  if (size !== undefined && size > most) {
    discard(first);
    checkFileBytes(size, most, what);
  }
  let begun = first;
  return withTries(what, signal, async (timer) => {
    const from = begun === undefined ? sink.length : 0;
    const range: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    const response = begun ?? (await get(remote, fileUrl(remote, file, revision), what, timer, { ...PLAIN, ...range }));
    begun = undefined;
    if (response.status === 416) await startAgain(response, sink);
    if (!accept(response, remote, what, revision)) return false;
    if (sink.length > 0 && !continues(response, sink.length)) await sink.restart();
    const left = Number(response.headers.get('content-length') ?? Number.NaN);
    const total = size ?? (response.headers.has('content-encoding') ? Number.NaN : sink.length + left);
    for await (const chunk of chunksOf(response, timer)) {
      checkFileBytes(sink.length + chunk.length, most, what); // leaving the loop ends the answer
      await sink.write(chunk);
      if (size !== undefined && sink.length > size) {
        discard(response);
        throw new MobileNetError('HASH', `${what}: expected ${size} bytes, got more`, { file: what });
      }
      onProgress?.(sink.length, total);
    }
    if (size !== undefined && sink.length < size)
      throw new RetryableError(`ended after ${sink.length} of ${size} bytes`);
    return true;
  });
}

/** Compression would hide the size. A browser ignores this and says the size it unpacked nowhere. */
export const PLAIN = { 'accept-encoding': 'identity' };

async function startAgain(response: Response, sink: Sink): Promise<never> {
  discard(response);
  await sink.restart();
  throw new RetryableError('the server does not give the rest');
}

const continues = (response: Response, from: number): boolean =>
  response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${from}-`) === true;

async function* chunksOf(response: Response, timer: IdleTimeout): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  try {
    while (reader !== undefined) {
      // By hand, as the body may belong to a request that another try began.
      const { done, value } = await unlessAborted(reader.read(), timer.signal).catch((cause) => failed(cause, timer));
      if (done) return;
      timer.touch();
      yield value;
    }
  } finally {
    reader?.cancel().catch(() => {});
  }
}

/** The hash of that kind; undefined where an etag is not a hash, or where a page without https cannot compute one. */
export async function hashLike(etag: string, bytes: Uint8Array): Promise<string | undefined> {
  const length = /^[0-9a-f]+$/.test(etag) ? etag.length : 0;
  const { subtle } = globalThis.crypto ?? {};
  if (subtle === undefined || (length !== 40 && length !== 64)) return undefined;
  const content = length === 64 ? bytes : gitBlob(bytes);
  const hash = await subtle.digest(length === 64 ? 'SHA-256' : 'SHA-1', content as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What git hashes of a file. */
function gitBlob(bytes: Uint8Array): Uint8Array {
  const header = new TextEncoder().encode(`blob ${bytes.length}\0`);
  const blob = new Uint8Array(header.length + bytes.length);
  blob.set(header);
  blob.set(bytes, header.length);
  return blob;
}

export function wrongHash(what: string, expected: string, got: string, remedy: string): MobileNetError {
  return new MobileNetError('HASH', `${what}: expected the hash ${expected}, got ${got}; ${remedy}`, { file: what });
}

/** What a model holds. */
export interface Listing {
  commit: string;
  files: Map<string, FileFacts>;
}

/**
 * All files of a model. Undefined on a server that has files and no such service.
 * @throws MobileNetError IO, AUTH, NOT_FOUND, BAD_HEADER
 */
export async function list(remote: Remote, revision: string, signal?: AbortSignal): Promise<Listing | undefined> {
  const path = `revision/${encodeURIComponent(revision)}?blobs=true`;
  const answer = await ask(remote, path, revision, signal);
  if (answer === undefined) return undefined;
  const { sha, siblings } = isJsonObject(answer) ? answer : {};
  if (typeof sha !== 'string' || !isCommit(sha) || !Array.isArray(siblings)) {
    throw new MobileNetError(
      'BAD_HEADER',
      `${remote.repo}: ${remote.host.host} is not a hub: it does not list the model's files`,
    );
  }
  const files = new Map<string, FileFacts>();
  for (const entry of siblings) {
    if (!isJsonObject(entry) || typeof entry.rfilename !== 'string') continue;
    const { rfilename, size, blobId, lfs } = entry;
    const etag = isJsonObject(lfs) ? (lfs.sha256 ?? lfs.oid) : blobId;
    files.set(rfilename, { etag: textOf(etag), size: typeof size === 'number' ? size : undefined });
  }
  return { commit: sha, files };
}

const textOf = (value: JsonValue | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

/** Title and author of the pull requests by which the hub offers a conversion, as transformers looks for them. */
const CONVERSION = 'Adding `safetensors` variant of this model';
const CONVERTER = 'SFconvertbot';

/** The revision with the hub's own conversion to safetensors; undefined where there is none. */
export async function conversionOf(remote: Remote, signal?: AbortSignal): Promise<string | undefined> {
  const answer = await ask(remote, 'discussions', 'main', signal);
  const discussions = isJsonObject(answer) && Array.isArray(answer.discussions) ? answer.discussions : [];
  for (const entry of discussions) {
    if (!isJsonObject(entry) || entry.title !== CONVERSION || entry.status !== 'open' || !entry.isPullRequest) continue;
    const author = isJsonObject(entry.author) ? entry.author.name : undefined;
    if (author === CONVERTER && Number.isSafeInteger(entry.num)) return `refs/pr/${entry.num}`;
  }
  return undefined;
}

async function ask(
  remote: Remote,
  path: string,
  revision: string,
  signal?: AbortSignal,
): Promise<JsonValue | undefined> {
  const what = `${remote.repo} (${show(path.replace(/\?.*/, ''))})`;
  const url = new URL(`api/models/${remote.repo}/${path}`, remote.host);
  return withTries(what, signal, async (timer) => {
    const response = await get(remote, url, what, timer);
    // A static server answers with its own page where there is nothing.
    if (response.ok && !/json/.test(response.headers.get('content-type') ?? '')) return void discard(response);
    if (!accept(response, remote, what, revision)) return undefined;
    let size = 0;
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of chunksOf(response, timer)) {
      size += chunk.length;
      if (size > env.limits.jsonBytes)
        throw new MobileNetError('LIMIT', `${what}: more than ${env.limits.jsonBytes} bytes`);
      chunks.push(chunk as Uint8Array<ArrayBuffer>);
    }
    return parseJson(new Uint8Array(await new Blob(chunks).arrayBuffer()), { file: what, code: 'BAD_HEADER' });
  });
}
