/**
 * Files by URL: how they are asked for, what an answer means, and their bytes within a limit. The hub asks by `env.fetch`, with
 * tokens and several tries (src/hub/request.ts).
 */
import { asBytes } from './brands.js';
import { join } from './bytes.js';
import { env } from './env.js';
import { expected, MobileNetError } from './errors.js';
import { IdleTimeout } from './idle.js';

const LONGEST_NAME = 200;

/** An address in messages: one of data: holds the whole file. */
export const nameOf = (address: string): string =>
  address.length > LONGEST_NAME ? `${address.slice(0, LONGEST_NAME)}…` : address;

/**
 * The answer, whatever it says.
 * @param file what errors call it
 * @throws MobileNetError IO where there is no connection; the signal's reason when it was aborted
 */
export async function requestFile(
  target: string | URL | Request,
  file: string,
  signal?: AbortSignal,
): Promise<Response> {
  const ask = env.platform.fetch ?? fetch;
  try {
    return await ask(target, signal ? { signal } : {});
  } catch (cause) {
    return fail(cause, file, signal);
  }
}

/** Whether the server says that it has no such file. */
export const isMissing = ({ status }: Response): boolean => status === 404 || status === 410;

/** @throws MobileNetError NOT_FOUND, or IO for what else a server refuses with */
export function checkAnswer(response: Response, file: string): Response {
  if (response.ok) return response;
  const { status, statusText } = response;
  const code = isMissing(response) ? 'NOT_FOUND' : 'IO';
  throw new MobileNetError(code, `${file}: the server answers ${status} ${statusText}`, { file });
}

interface ReadOptions {
  signal?: AbortSignal | undefined;
  /** Hears how many bytes have come. */
  onChunk?: (loaded: number) => void;
}

/** The bytes of a picture by URL; errors call it by the address. @throws MobileNetError NOT_FOUND, IO, LIMIT; the signal's reason */
export async function readUrl(
  url: string | URL,
  address: string,
  most: number,
  caller?: AbortSignal,
): Promise<Uint8Array> {
  const file = nameOf(address);
  const idle = new IdleTimeout(
    caller,
    (message) => new MobileNetError('IO', `${file}: ${message}; env.network.timeout can be raised`, { file }),
  );
  const { signal } = idle;
  try {
    const { body, headers } = checkAnswer(await requestFile(url, file, signal), file);
    try {
      checkBytes(Number(headers.get('content-length')), file, most);
    } catch (error) {
      body?.cancel().catch(() => {}); // gives back the connection
      throw error;
    }
    return await readStream(body ?? [], file, most, undefined, { signal, onChunk: () => idle.touch() });
  } finally {
    idle.close();
  }
}

/** Throws LIMIT for more bytes than the limit of a name allows. */
export function checkBytes(bytes: number, file: string, most: number, limit = 'imageBytes'): void {
  if (!(bytes > most)) return; // also where a server says no number
  throw new MobileNetError(
    'LIMIT',
    `${file}: more than ${most} bytes; raise env.limits.${limit} to read larger files`,
    { file },
  );
}

/**
 * All that a stream gives, given up as soon as it exceeds the limit: it may be longer than it said.
 * @param limit the name of `most` in `env.limits`
 * @throws MobileNetError LIMIT, IO where the stream fails; the signal's reason when it was aborted
 */
export async function readStream(
  stream: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  file: string,
  most: number,
  limit?: string,
  { signal, onChunk }: ReadOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let telling = false; // what a listener throws is its own error, not the stream's
  try {
    for await (const chunk of 'getReader' in stream ? chunksOf(stream) : stream) {
      const bytes = asBytes(chunk);
      if (bytes === undefined) throw expected(file, 'a stream of bytes', chunk);
      size += bytes.length;
      checkBytes(size, file, most, limit);
      chunks.push(bytes);
      telling = true;
      onChunk?.(size);
      telling = false;
    }
  } catch (cause) {
    if (telling) throw cause;
    fail(cause, file, signal);
  }
  return join(chunks);
}

/** Node's fetch says "fetch failed" and hides the reason in its cause. */
function fail(cause: unknown, file: string, signal: AbortSignal | undefined): never {
  if (signal?.aborted || cause instanceof MobileNetError) throw cause;
  const { message, cause: reason } = Object(cause);
  throw new MobileNetError('IO', `${file}: ${reason?.message || message || cause}`, { file, cause });
}

/** Not every browser can iterate over a stream. Leaving the loop cancels it. */
async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let done = false;
  try {
    for (;;) {
      const next = await reader.read();
      done = next.done;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    if (!done) reader.cancel().catch(() => {}); // of a stream that has failed already
  }
}
