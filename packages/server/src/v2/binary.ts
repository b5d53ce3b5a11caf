/**
 * Bodies of the binary tensor extension: JSON, and after it the values of tensors as bytes, little-endian, in the order of
 * the tensors. The header `Inference-Header-Content-Length` says where the JSON ends.
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
 */
import { refuse, refuseAs } from './refuse.js';

/** The header that says how many bytes of a body, once unpacked, are JSON. */
export const HEADER = 'inference-header-content-length';

/** Reads that header. @throws ServeError BAD_REQUEST */
export function headerLength(text: string | undefined, body: number): number | undefined {
  if (text === undefined) return undefined;
  const length = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (length <= body) return length;
  throw refuse('Inference-Header-Content-Length', `a whole number up to the body's ${body} bytes`, text);
}

/** JSON and bytes as one body. */
export function joinBody(json: unknown, parts: readonly Uint8Array[]): { body: Uint8Array; header: number } {
  const text = new TextEncoder().encode(JSON.stringify(json));
  const body = new Uint8Array(parts.reduce((sum, { length }) => sum + length, text.length));
  body.set(text);
  let at = text.length;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return { body, header: text.length };
}

/** The bytes of numbers as this machine has them, which is little-endian wherever Node runs. */
export const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** Bytes as float32: a view where they lie at a multiple of four, else a copy. */
export function floatsOf(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, length } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(buffer as ArrayBuffer, byteOffset, length >>> 2);
}

/** Elements of BYTES: each is its length, a u32, and its bytes. */
export function packElements(elements: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(elements.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.length, true);
    packed.set(element, at + 4);
    at += 4 + element.length;
  }
  return packed;
}

/** The elements again, as views. @throws ServeError BAD_REQUEST unless there are just `count` of them */
export function unpackElements(bytes: Uint8Array, count: number, where: string): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const elements: Uint8Array[] = [];
  let at = 0;
  while (elements.length < count) {
    if (at + 4 > bytes.length)
      throw refuseAs(where, `${count} elements`, `${elements.length} in ${bytes.length} bytes`);
    const length = view.getUint32(at, true);
    at += 4;
    if (length > bytes.length - at) {
      throw refuse(`${where}[${elements.length}]`, `at most the ${bytes.length - at} bytes that are left`, length);
    }
    elements.push(bytes.subarray(at, at + length));
    at += length;
  }
  if (at < bytes.length) throw refuseAs(where, `${count} elements in ${at} bytes`, `${bytes.length} bytes`);
  return elements;
}
