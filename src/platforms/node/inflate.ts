/** Deflate by node:zlib, which stops at a given size. */
import { promisify } from 'node:util';
import { inflateRaw, inflate as zlibInflate } from 'node:zlib';

const FORMATS = { deflate: promisify(zlibInflate), 'deflate-raw': promisify(inflateRaw) };

/** @throws the error of zlib: ERR_BUFFER_TOO_LARGE above `most` bytes, Z_DATA_ERROR and the like for damage */
export async function inflate(bytes: Uint8Array, format: keyof typeof FORMATS, most: number): Promise<Uint8Array> {
  const { buffer, byteOffset, length } = await FORMATS[format](bytes, { maxOutputLength: Math.max(1, most) });
  return new Uint8Array(buffer, byteOffset, length); // no Buffer, whose `slice` shares memory
}
