/** Encoded pictures wherever they are: from what a caller hands in to the bytes of a file. */
import { asBytes, brandOf, isBlob, isUrl } from '../base/brands.js';
import { join } from '../base/bytes.js';
import { env, requirePlatform } from '../base/env.js';
import { MobileNetError, show } from '../base/errors.js';

/**
 * An encoded picture: a path (Node), a URL (http, https, data, blob, file), a Request or its Response, a Blob or File, the
 * bytes, or a stream of them.
 */
export type EncodedInput =
  | string
  | URL
  | Request
  | Response
  | Blob
  | ArrayBuffer
  | Uint8Array
  | DataView
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** The bytes, and what errors call them. */
export interface EncodedFile {
  bytes: Uint8Array;
  file: string;
}

const LONGEST_NAME = 200;

/**
 * The bytes of an encoded picture; undefined for a value that is not one.
 * @throws MobileNetError NOT_FOUND or IO where it cannot be read, LIMIT above `env.limits.imageBytes`, ARG for a body that
 *   was read before
 */
export async function readEncoded(input: unknown): Promise<EncodedFile | undefined> {
  if (typeof input === 'string') return readAddress(input);
  if (typeof input !== 'object' || input === null) return undefined;
  if (isUrl(input)) return readAddress(input.href);
  const brand = brandOf(input);
  if (brand === 'ArrayBuffer' || brand === 'Uint8Array' || brand === 'DataView') {
    return { bytes: asBytes(input)!, file: 'image' };
  }
  if (isBlob(input)) return readBlob(input);
  if (brand === 'Response') return readResponse(input as Response);
  if (brand === 'Request') return readResponse(await get(input as Request), (input as Request).url);
  const stream = input as ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;
  if ('getReader' in stream || Symbol.asyncIterator in stream) {
    return { bytes: await readStream(stream, 'image', env.limits.imageBytes), file: 'image' };
  }
  return undefined;
}

const nameOf = (address: string): string =>
  address.length > LONGEST_NAME ? `${address.slice(0, LONGEST_NAME)}…` : address;

async function readAddress(address: string): Promise<EncodedFile> {
  const file = nameOf(address);
  if (/^data:/i.test(address)) return { bytes: dataOf(address, file), file };
  return { bytes: await requirePlatform('readFile', show(file))(address, env.limits.imageBytes), file };
}

/** RFC 2397. Not by `fetch`, which a page's policy may forbid. */
function dataOf(address: string, file: string): Uint8Array {
  const [, base64, text] = /^data:[^,]*?(;base64)?,(.*)$/is.exec(address.trim()) ?? [];
  try {
    const plain = decodeURIComponent(base64 === undefined ? text.replace(/%(?![0-9a-f]{2})/gi, '%25') : text);
    if (base64 === undefined) return new TextEncoder().encode(plain);
    checkBytes((plain.length / 4) * 3, file, env.limits.imageBytes);
    return Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
  } catch (cause) {
    if (cause instanceof MobileNetError) throw cause;
    throw new MobileNetError(
      'ARG',
      `${file.slice(0, 60)}: expected a data: URL, as in data:image/png;base64,iVBORw0…`,
      { cause },
    );
  }
}

async function readBlob(blob: Blob & { name?: string }): Promise<EncodedFile> {
  const file = typeof blob.name === 'string' ? blob.name : 'blob';
  checkBytes(blob.size, file, env.limits.imageBytes);
  try {
    return { bytes: new Uint8Array(await bufferOf(blob)), file };
  } catch (cause) {
    // A file that was changed or moved after it was chosen.
    throw new MobileNetError('IO', `${file}: ${(cause as Error)?.message ?? cause}`, { file, cause });
  }
}

/** jsdom's Blob has been without `arrayBuffer` for long. */
function bufferOf(blob: Blob): Promise<ArrayBuffer> {
  if (typeof blob.arrayBuffer === 'function') return blob.arrayBuffer();
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as ArrayBuffer);
    reader.onerror = () => reject(reader.error);
    reader.readAsArrayBuffer(blob);
  });
}

async function get(request: Request): Promise<Response> {
  return fetch(request).catch((cause) => {
    throw new MobileNetError('IO', `${request.url}: ${(cause as Error).message}`, { file: request.url, cause });
  });
}

async function readResponse(response: Response, address = response.url): Promise<EncodedFile> {
  const file = nameOf(address || 'response');
  if (!response.ok) {
    const code = response.status === 404 || response.status === 410 ? 'NOT_FOUND' : 'IO';
    throw new MobileNetError(code, `${file}: the server answers ${response.status} ${response.statusText}`, { file });
  }
  if (response.bodyUsed) {
    throw new MobileNetError('ARG', `${file}: the body of this Response was read already; pass response.clone()`, {
      file,
    });
  }
  const most = env.limits.imageBytes;
  // A stand-in for Response may lack a stream.
  const bytes = response.body
    ? await readStream(response.body, file, most)
    : new Uint8Array(await response.arrayBuffer());
  checkBytes(bytes.length, file, most);
  return { bytes, file };
}

function checkBytes(bytes: number, file: string, most: number, limit = 'imageBytes'): void {
  if (bytes <= most) return;
  throw new MobileNetError(
    'LIMIT',
    `${file}: more than ${most} bytes; raise env.limits.${limit} to read larger files`,
    { file },
  );
}

/**
 * All that a stream gives, given up as soon as it exceeds the limit.
 * @param limit the name of `most` in `env.limits`
 * @param options `onChunk` hears how many bytes have come
 * @throws MobileNetError LIMIT, IO where the stream fails; the signal's reason when it was aborted
 */
export async function readStream(
  stream: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>,
  file: string,
  most: number,
  limit?: string,
  { signal, onChunk }: { signal?: AbortSignal | undefined; onChunk?: (loaded: number) => void } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of 'getReader' in stream ? chunksOf(stream) : stream) {
      const bytes = asBytes(chunk);
      if (bytes === undefined)
        throw new MobileNetError('ARG', `${file}: expected a stream of bytes, got ${show(chunk)}`);
      size += bytes.length;
      checkBytes(size, file, most, limit);
      chunks.push(bytes);
      onChunk?.(size);
    }
  } catch (cause) {
    if (signal?.aborted || cause instanceof MobileNetError) throw cause;
    throw new MobileNetError('IO', `${file}: ${(cause as Error)?.message ?? cause}`, { file, cause });
  }
  return join(chunks);
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
