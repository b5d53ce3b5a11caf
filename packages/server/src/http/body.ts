/** Bodies that come packed. Unpacked they are held to the same limit, so that a kilobyte cannot become a gigabyte. */
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip, inflate, inflateRaw, type ZlibOptions } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { ServeError } from '../errors.js';

type Unpack = (packed: Buffer, options: ZlibOptions) => Promise<Buffer>;
const fromGzip = promisify<Buffer, ZlibOptions, Buffer>(gunzip);
const fromZlib = promisify<Buffer, ZlibOptions, Buffer>(inflate);
const fromDeflate = promisify<Buffer, ZlibOptions, Buffer>(inflateRaw);

const ENCODINGS: Record<string, Unpack> = {
  gzip: fromGzip,
  'x-gzip': fromGzip,
  // The standard means zlib's format. Some send the stream without its header.
  deflate: (packed, options) => ((packed[0] & 15) === 8 ? fromZlib : fromDeflate)(packed, options),
};

const tooLarge = (limit: number) => new ServeError('TOO_LARGE', `the body has more than ${limit} bytes`);

/** All bytes of a stream, which may have no more than a limit. */
async function readAll(stream: AsyncIterable<Buffer>, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

async function unpacked(packed: Buffer, encoding: string, limit: number): Promise<Buffer> {
  try {
    return await ENCODINGS[encoding](packed, { maxOutputLength: limit });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit);
    throw new ServeError('BAD_REQUEST', `the body is not ${encoding}`, error);
  }
}

/** Unpacks what comes with a `Content-Encoding`, for every route. */
export function unpackBodies(app: FastifyInstance, limit: number): void {
  app.addHook('preParsing', async (request, _reply, payload) => {
    const encoding = request.headers['content-encoding']?.trim().toLowerCase();
    if (encoding === undefined || encoding === 'identity') return payload;
    if (!Object.hasOwn(ENCODINGS, encoding)) {
      throw new ServeError(
        'UNSUPPORTED',
        `content-encoding: expected gzip or deflate, got ${JSON.stringify(encoding.slice(0, 80))}`,
      );
    }
    if (request.headers['content-type']?.startsWith('multipart/')) {
      throw new ServeError('UNSUPPORTED', 'content-encoding: a form must not be packed, its pictures are');
    }
    const packed = await readAll(payload as unknown as AsyncIterable<Buffer>, limit);
    const bytes = await unpacked(packed, encoding, limit);
    return Object.assign(Readable.from([bytes], { objectMode: false }), { receivedEncodedLength: packed.length });
  });
}
