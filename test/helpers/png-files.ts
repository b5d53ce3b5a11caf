/** PNG files made by hand, right or wrong on purpose. The CRC is zlib's, not ours. */
import { crc32, deflateSync } from 'node:zlib';

export const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

export function bytesOf(...parts: ArrayLike<number>[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

export function uint32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

/** A chunk; `length` and `crc` can be made to lie. */
export function chunk(
  type: string,
  data: ArrayLike<number> = [],
  lies: { length?: number; crc?: number } = {},
): Uint8Array {
  const typed = bytesOf(Buffer.from(type, 'latin1'), data);
  return bytesOf(uint32(lies.length ?? data.length), typed, uint32(lies.crc ?? crc32(typed)));
}

export interface Header {
  width?: number;
  height?: number;
  depth?: number;
  colourType?: number;
  compression?: number;
  filter?: number;
  interlace?: number;
}

export function ihdr(header: Header = {}): Uint8Array {
  const { width = 1, height = 1, depth = 8, colourType = 0, compression = 0, filter = 0, interlace = 0 } = header;
  return chunk('IHDR', [...uint32(width), ...uint32(height), depth, colourType, compression, filter, interlace]);
}

/** Rows with their filter bytes, compressed. */
export const idat = (rows: ArrayLike<number>): Uint8Array => chunk('IDAT', deflateSync(Uint8Array.from(rows)));

export const IEND = chunk('IEND');

/** Signature and chunks. */
export const png = (...chunks: Uint8Array[]): Uint8Array => bytesOf(SIGNATURE, ...chunks);

/** A sound file: rows without filter bytes, one list each. */
export function simplePng(header: Header, rows: readonly ArrayLike<number>[], ...before: Uint8Array[]): Uint8Array {
  const data = rows.flatMap((row) => [0, ...Array.from(row)]);
  return png(ihdr({ height: rows.length, ...header }), ...before, idat(data), IEND);
}
