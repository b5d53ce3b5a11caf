/** Deflate by node:zlib, which stops at a given size. */
import { promisify } from 'node:util';
import { createInflate, inflateRaw, inflate as zlibInflate } from 'node:zlib';

const FORMATS = { deflate: promisify(zlibInflate), 'deflate-raw': promisify(inflateRaw) };

/** @throws the error of zlib: ERR_BUFFER_TOO_LARGE above `most` bytes, Z_DATA_ERROR and the like for damage */
export async function inflate(bytes: Uint8Array, format: keyof typeof FORMATS, most: number): Promise<Uint8Array> {
  const { buffer, byteOffset, length } = await FORMATS[format](bytes, { maxOutputLength: Math.max(1, most) });
  return new Uint8Array(buffer, byteOffset, length); // no Buffer, whose `slice` shares memory
}

/** Of 64 KiB each, the pieces of a 6 MB picture take 15 ms, of 256 KiB 12.5, which is what zlib itself takes. */
const PIECE = 1 << 18;

export async function* inflateInPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const stream = createInflate({ chunkSize: PIECE });
  stream.end(bytes);
  yield* stream;
  // zlib stops at the end of its stream, whatever follows.
  if (stream.bytesWritten < bytes.length) throw new RangeError(`the stream ends at byte ${stream.bytesWritten}`);
}
