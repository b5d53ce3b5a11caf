/** Requests to a hub: redirects, tokens, timeouts and retries. What an answer means for a file is in download.ts. */
import { unlessAborted } from '../base/abort.js';
import { env } from '../base/env.js';
import { MobileNetError } from '../base/errors.js';
import { IdleTimeout } from '../base/idle.js';
import type { Remote } from './names.js';

/** A failure that may not happen again: worth another try. */
export class RetryableError extends Error {
  /** Milliseconds the server asks us to wait. */
  readonly after: number | undefined;

  constructor(message: string, { after, cause }: { after?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause });
    this.after = after;
  }
}

/** A server that asks for more than this is not waited for. */
const LONGEST_WAIT_MS = 60_000;

/**
 * Tries again after a RetryableError, with growing pauses.
 * @throws MobileNetError IO after the last try; the caller's reason when it aborts
 */
export async function withTries<T>(
  what: string,
  caller: AbortSignal | undefined,
  work: (timer: IdleTimeout) => Promise<T>,
  attempts = env.network.attempts,
): Promise<T> {
  for (let n = 1; ; n++) {
    const timer = new IdleTimeout(caller, (message) => new RetryableError(message));
    try {
      return await work(timer);
    } catch (error) {
      caller?.throwIfAborted();
      if (!(error instanceof RetryableError)) throw error;
      const pause = error.after ?? env.network.backoff * 2 ** (n - 1) * (0.75 + Math.random() / 2);
      if (n >= attempts || pause > LONGEST_WAIT_MS) {
        const wait = error.after === undefined ? '' : `; it asks to wait ${Math.ceil(error.after / 1000)} s`;
        throw new MobileNetError('IO', `${what}: ${error.message}${wait} (${n} ${n === 1 ? 'try' : 'tries'})`, {
          file: what,
          cause: error.cause,
        });
      }
      timer.close();
      await sleep(pause, caller);
    } finally {
      timer.close();
    }
  }
}

export function sleep(milliseconds: number, caller: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      caller?.removeEventListener('abort', end);
      if (caller?.aborted) reject(caller.reason);
      else resolve();
    };
    const timer = setTimeout(end, milliseconds);
    caller?.addEventListener('abort', end);
    if (caller?.aborted) end();
  });
}

const MOST_REDIRECTS = 10;

/**
 * The answer to a GET, redirects followed by hand: the token goes to the hub itself and to no other host, and a
 * redirect of the hub carries the hash and size of what it leads to. A browser does not show redirects; it follows them,
 * and drops the token at another host, by itself.
 * @param enough says of a redirect that it has told all; it is then the answer
 */
export async function get(
  { host, token }: Remote,
  start: URL,
  what: string,
  timer: IdleTimeout,
  headers: Record<string, string> = {},
  enough: (redirect: Response) => boolean = () => false,
): Promise<Response> {
  const seen = new Set<string>();
  let redirect: RequestRedirect = 'manual';
  for (let url = start; ; ) {
    if (seen.has(url.href) || seen.size > MOST_REDIRECTS) refuse(what, 'redirects that lead nowhere');
    seen.add(url.href);
    const own: Record<string, string> = { ...headers };
    if (token !== undefined && url.origin === host.origin) own.authorization = `Bearer ${token}`;
    const { signal } = timer;
    const asked = env.fetch(url.href, { headers: own, redirect, signal });
    const response = await unlessAborted(asked, signal).catch((cause) => failed(cause, timer, url));
    timer.touch();
    if (response.type === 'opaqueredirect') {
      redirect = 'follow';
      seen.clear();
      continue;
    }
    const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (location === null || enough(response)) return response;
    discard(response);
    const next: URL = URL.canParse(location, url.href)
      ? new URL(location, url)
      : refuse(what, 'a redirect to text that is not a URL');
    if (next.protocol !== 'https:' && next.protocol !== url.protocol) refuse(what, `a redirect to ${next.protocol}`);
    url = next;
  }
}

function refuse(what: string, got: string): never {
  throw new MobileNetError('IO', `${what}: the hub answers with ${got}`, { file: what });
}

/** What a failed fetch or read throws: only the host is named, as the rest of an address may be secret. */
export function failed(cause: unknown, timer: IdleTimeout, url?: URL): never {
  if (timer.signal.aborted) throw timer.signal.reason;
  if (cause instanceof MobileNetError) throw cause;
  const { message, cause: reason } = cause as Error;
  const why = reason instanceof Error ? reason.message || (reason as { code?: string }).code : message;
  throw new RetryableError(`${url === undefined ? '' : `${url.host}: `}${why}`, { cause });
}

/** Gives back the connection of an answer that is not wanted. */
export function discard(response: Response | undefined): void {
  response?.body?.cancel().catch(() => {});
}

/** Answers that may be different a moment later. */
const RETRYABLE_STATUS = new Set([408, 429, 500, 502, 503, 504]);

/** Milliseconds of a Retry-After: seconds, or the time at which to come again; undefined for anything else. */
function waitOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\s*\d+\s*$/.test(text)) return Number(text) * 1000;
  // A date begins with the day of the week. Other text may be a date for this function, such as "-1".
  const time = /^\s*[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : Math.max(0, time - Date.now());
}

/**
 * Whether the answer holds what was asked for; false where the model has no such file.
 * @throws MobileNetError AUTH, NOT_FOUND (no such model or revision), IO; RetryableError
 */
export function accept(response: Response, { repo, host, token }: Remote, what: string, revision: string): boolean {
  const { status, headers } = response;
  const page = headers.get('content-type')?.startsWith('text/html') && !what.endsWith('.html');
  if (response.ok && !page) return true;
  discard(response);
  if (response.ok) refuse(what, 'a web page in place of the file; is this network behind a login?');
  const error = headers.get('x-error-code');
  if (RETRYABLE_STATUS.has(status)) {
    throw new RetryableError(`the hub answers ${status}`, { after: waitOf(headers.get('retry-after')) });
  }
  const remedy =
    token === undefined ? 'a private or gated model needs a token (HF_TOKEN)' : 'or the token may not read it';
  if (error === 'RepoNotFound' || error === 'RevisionNotFound') {
    const missing = error === 'RepoNotFound' ? `no model ${repo}` : `${repo} has no revision ${revision}`;
    throw new MobileNetError('NOT_FOUND', `${missing} on ${host.host}; ${remedy}`, { file: what });
  }
  if (status === 401 || status === 403) {
    const gated = error === 'GatedRepo' ? `; ask for access at ${host.host}/${repo}` : '';
    throw new MobileNetError('AUTH', `${what}: ${host.host} answers ${status}; ${remedy}${gated}`, { file: what });
  }
  if (status === 404) return false;
  throw new MobileNetError('IO', `${what}: the hub answers ${status}`, { file: what });
}
