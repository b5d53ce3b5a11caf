/** Encoded pictures wherever they are: from what a caller hands in to the bytes of a file. */
import { asBytes, brandOf, copyOf, isBlob, isShared, isUrl } from '../base/brands.js';
import { env, requirePlatform } from '../base/env.js';
import { MobileNetError, show } from '../base/errors.js';
import { checkAnswer, checkBytes, nameOf, readStream, requestFile } from '../base/fetcher.js';

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

/**
 * The bytes of an encoded picture; undefined for a value that is not one.
 * @throws MobileNetError NOT_FOUND or IO where it cannot be read, LIMIT above `env.limits.imageBytes`, ARG for a body that
 *   was read before; the signal's reason
 */
export async function readEncoded(input: unknown, signal?: AbortSignal): Promise<EncodedFile | undefined> {
  if (typeof input === 'string') return readAddress(input, signal);
  if (typeof input !== 'object' || input === null) return undefined;
  if (isUrl(input)) return readAddress(input.href, signal);
  if (isBytes(input)) return { bytes: asBytes(input)!, file: 'image' };
  if (isBlob(input)) return readBlob(input);
  const brand = brandOf(input);
  const { url } = input as { url?: unknown };
  if (brand === 'Response' && typeof url === 'string') return readResponse(input as Response);
  if (brand === 'Request' && typeof url === 'string') return readRequest(input as Request, signal);
  const stream = input as ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;
  if ('getReader' in stream || Symbol.asyncIterator in stream) {
    return { bytes: await readStream(stream, 'image', env.limits.imageBytes), file: 'image' };
  }
  return undefined;
}

const isBytes = (input: unknown): boolean => ['ArrayBuffer', 'Uint8Array', 'DataView'].includes(brandOf(input));

/**
 * Bytes in memory of their own, so that the caller may fill theirs with the next picture; what is not bytes as it is. So is
 * what will be refused, shared memory and files above the limit.
 */
export function ownBytes<T>(input: T): T | Uint8Array {
  const bytes = isBytes(input) ? asBytes(input)! : undefined;
  if (bytes === undefined || isShared(bytes.buffer) || bytes.length > env.limits.imageBytes) return input;
  return copyOf(bytes);
}

async function readAddress(address: string, signal?: AbortSignal): Promise<EncodedFile> {
  const file = nameOf(address);
  if (/^data:/i.test(address)) return { bytes: dataOf(address, file), file };
  return { bytes: await requirePlatform('readFile', show(file))(address, env.limits.imageBytes, signal), file };
}

/** RFC 2397. Not by `fetch`, which a page's policy may forbid. */
function dataOf(address: string, file: string): Uint8Array {
  const [, base64, text] = /^data:[^,]*?(;base64)?,(.*)$/is.exec(address.trim()) ?? [];
  try {
    const plain = decodeURIComponent(base64 === undefined ? text.replace(/%(?![0-9a-f]{2})/gi, '%25') : text);
    if (base64 === undefined) return new TextEncoder().encode(plain);
    checkBytes((plain.length / 4) * 3, file, env.limits.imageBytes);
    const characters = atob(plain);
    return new Uint8Array(characters.length).map((_, i) => characters.charCodeAt(i));
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

async function readRequest(request: Request, signal?: AbortSignal): Promise<EncodedFile> {
  return readResponse(await requestFile(request, nameOf(request.url), signal), request.url);
}

async function readResponse(response: Response, address = response.url): Promise<EncodedFile> {
  const file = nameOf(address || 'response');
  checkAnswer(response, file);
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
