/** Damage to pictures that knows their parts, so that it gets past the first check: segments of a JPEG, chunks of a PNG. */
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import { join } from '../../src/base/bytes.js';
import { segment } from '../helpers/jpeg-files.js';
import { chunk, SIGNATURE } from '../helpers/png-files.js';
import { type Below, mutateBytes } from './mutate.js';

const oneOf = <T>(values: readonly T[], below: Below): T => values[below(values.length)];

/** Moves, doubles and leaves out; takes from another file. */
function shuffle(parts: Uint8Array[], others: readonly Uint8Array[], below: Below): void {
  const at = below(parts.length);
  switch (below(6)) {
    case 0:
      parts.splice(at, 1);
      break;
    case 1:
      parts.splice(below(parts.length), 0, parts[at]);
      break;
    case 2:
      parts.splice(at, 0, ...Array<Uint8Array>(1 + below(60)).fill(parts[at]));
      break;
    case 3: {
      const [moved] = parts.splice(at, 1);
      parts.splice(below(parts.length + 1), 0, moved);
      break;
    }
    case 4:
      if (others.length > 0) parts.splice(at, below(2), oneOf(others, below));
      break;
    default:
      parts[at] = mutateBytes(parts[at], below, parts[below(parts.length)]);
  }
}

/** What stands between SOI and EOI: segments, and the data of a scan as a part of their own. */
export function jpegPartsOf(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff || marker === 0xd9) break;
    const end = Math.min(bytes.length, at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]));
    parts.push(bytes.subarray(at, end));
    at = end;
    if (marker !== 0xda) continue;
    while (at < bytes.length && !(bytes[at] === 0xff && !isData(bytes[at + 1]))) at++;
    if (at > end) parts.push(bytes.subarray(end, at));
  }
  return parts;
}

/** A stuffed zero, or a restart marker. */
const isData = (next: number): boolean => next === 0 || (next >= 0xd0 && next <= 0xd7);
const markerOf = (part: Uint8Array): number => (part[0] === 0xff && !isData(part[1]) ? part[1] : -1);

const FACTORS = [0x11, 0x21, 0x12, 0x22, 0x41, 0x14, 0x42, 0x31, 0x44, 0x00, 0x13, 0x51];
const SIDES = [0, 1, 7, 8, 9, 16, 17, 33, 255, 256, 1024, 4096, 65535];
const FRAMES = [0xc0, 0xc1, 0xc2, 0xc9];

/** A field of a header, in the range of what it may hold or just beside. */
function changeSegment(part: Uint8Array, below: Below): Uint8Array {
  const out = part.slice();
  const view = new DataView(out.buffer);
  const marker = markerOf(part);
  if (marker >= 0xc0 && marker <= 0xc2 && part.length > 12) {
    const component = 10 + 3 * below((part.length - 10) / 3);
    const field = below(8);
    if (field < 2) out[1] = oneOf(FRAMES, below);
    else if (field < 4) view.setUint16(5 + 2 * below(2), oneOf(SIDES, below));
    else if (field < 6) out[component + 1] = oneOf(FACTORS, below);
    else out[component + 2 * below(2)] = below(5);
  } else if (marker === 0xda && part.length > 7) {
    // Its band, its bits, its tables or its components.
    const last = part.length - 3;
    const field = below(4);
    if (field < 2) out[last + below(2)] = oneOf([0, 1, 5, 6, 62, 63, 64], below);
    else if (field === 2) out[last + 2] = oneOf([0, 1, 0x10, 0x21, 0x32, 0xd0, 0x0d, 0xed, 0x20], below);
    else out[5 + below(part.length - 8)] = oneOf([0, 1, 2, 3, 4, 0x10, 0x11, 0x22, 0x33], below);
  } else if (marker === 0xdd && part.length >= 6) {
    view.setUint16(4, oneOf([0, 1, 2, 3, 7, 100, 65535], below));
  } else if (part.length > 4) {
    out[4 + below(part.length - 4)] = oneOf([0, 1, 2, 0x10, 0x11, 15, 16, 17, 127, 128, 255], below);
  }
  return out;
}

/** Restart markers come, go and change; bytes go; a marker stands where none should. */
function changeData(part: Uint8Array, below: Below): Uint8Array {
  const at = below(part.length + 1);
  const cut = (...middle: Uint8Array[]) => join([part.subarray(0, at), ...middle, part.subarray(at)]);
  switch (below(6)) {
    case 0:
      return cut(Uint8Array.of(0xff, 0xd0 + below(8)));
    case 1:
      return cut(Uint8Array.of(0xff, oneOf([0xd9, 0xd8, 0xfe, 0x01, 0xff, 0x00, 0xdc, 0xda], below)));
    case 2:
      return join([part.subarray(0, at), part.subarray(at + below(12))]);
    case 3:
      return cut(part.subarray(below(part.length + 1)));
    case 4:
      return part.map((byte, i) =>
        byte === 0xff && isData(part[i + 1]) ? 0xff : byte ^ (below(40) === 0 ? 1 << below(8) : 0),
      );
    default: {
      const out = part.slice();
      for (let i = 0; i + 1 < out.length; i++) {
        if (out[i] === 0xff && out[i + 1] >= 0xd0 && below(2) === 0) out[i + 1] = 0xd0 + below(8);
      }
      return out;
    }
  }
}

/** One to five changes to the segments and scans of a JPEG; half of the time bytes on top. */
export function mutateJpeg(bytes: Uint8Array, below: Below, other: Uint8Array): Uint8Array {
  const parts = jpegPartsOf(bytes);
  const others = jpegPartsOf(other);
  for (let n = 1 + below(5); n > 0 && parts.length > 0; n--) {
    const at = below(parts.length);
    const part = parts[at];
    switch (below(5)) {
      case 0:
        shuffle(parts, others, below);
        break;
      case 1: // one in the other
        if (markerOf(part) > 0)
          parts[at] = segment(markerOf(part), join([part.subarray(4), ...parts.slice(at + 1, at + 2 + below(2))]));
        break;
      case 2: // one over the other
        if (markerOf(part) > 0 && part.length > 3) {
          parts[at] = part.slice();
          new DataView(parts[at].buffer).setUint16(2, Math.max(0, part.length - 2 + below(64) - 32));
        }
        break;
      default:
        parts[at] = markerOf(part) > 0 ? changeSegment(part, below) : changeData(part, below);
    }
  }
  const file = join([Uint8Array.of(0xff, 0xd8), ...parts, Uint8Array.of(0xff, 0xd9).subarray(below(8) === 0 ? 2 : 0)]);
  return below(4) === 0 ? mutateBytes(file, below, other) : file;
}

interface Chunk {
  type: string;
  data: Uint8Array;
}

export function chunksOf(bytes: Uint8Array): Chunk[] {
  const chunks: Chunk[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > bytes.length) break;
    chunks.push({
      type: Buffer.from(bytes.subarray(at + 4, at + 8)).toString('latin1'),
      data: bytes.subarray(at + 8, end),
    });
    at = end + 4;
  }
  return chunks;
}

const MOST_ROWS = 100_000;

/** Rows and their filters, changed and compressed anew, in one chunk or several. */
function changeRows(chunks: Chunk[], below: Below): Chunk[] {
  const first = chunks.findIndex(({ type }) => type === 'IDAT');
  if (first < 0) return chunks;
  let rows: Uint8Array;
  try {
    const data = join(chunks.filter(({ type }) => type === 'IDAT').map((one) => one.data));
    rows = inflateSync(data, { maxOutputLength: MOST_ROWS });
  } catch {
    return chunks;
  }
  const changed = below(4) === 0 ? rows.map((byte) => (below(9) === 0 ? below(6) : byte)) : mutateBytes(rows, below);
  const data = deflateSync(changed, { level: below(10), strategy: below(5), windowBits: 9 + below(7) });
  const at = below(data.length + 1);
  const pieces = below(2) === 0 ? [data] : [data.subarray(0, at), new Uint8Array(0), data.subarray(at)];
  const rest = chunks.filter(({ type }) => type !== 'IDAT');
  rest.splice(first, 0, ...pieces.map((piece) => ({ type: 'IDAT', data: piece })));
  return rest;
}

const TYPES = ['IHDR', 'PLTE', 'IDAT', 'IEND', 'tRNS', 'gAMA', 'eXIf', 'acTL', 'fcTL', 'fdAT', 'sPLT', 'ABCD', 'abcd'];

/** A header of other sizes, depths, colours; a palette that is longer or shorter. */
function changeChunk({ type, data }: Chunk, below: Below): Chunk {
  const out = data.slice();
  if (type === 'IHDR' && data.length === 13) {
    const field = below(6);
    if (field < 2) new DataView(out.buffer).setUint32(4 * field, oneOf([0, 1, 2, 5, 8, 9, 33, 5000, 2 ** 31], below));
    else out[8 + below(5)] = oneOf([0, 1, 2, 3, 4, 6, 8, 16], below);
    return { type, data: out };
  }
  if (below(4) === 0) return { type: oneOf(TYPES, below), data };
  return { type, data: below(2) === 0 ? out.slice(0, below(out.length + 1)) : mutateBytes(out, below) };
}

/** One to four changes to the chunks of a PNG, whose checksums are right. */
export function mutatePng(bytes: Uint8Array, below: Below, other: Uint8Array): Uint8Array {
  let chunks = chunksOf(bytes);
  const others = chunksOf(other);
  for (let n = 1 + below(4); n > 0 && chunks.length > 0; n--) {
    const at = below(chunks.length);
    switch (below(6)) {
      case 0:
        chunks.splice(below(chunks.length + 1), below(2), chunks[at]);
        break;
      case 1:
        chunks.splice(at, 1);
        break;
      case 2:
        if (others.length > 0) chunks.splice(at, below(2), oneOf(others, below));
        break;
      case 3:
        chunks = changeRows(chunks, below);
        break;
      default:
        chunks[at] = changeChunk(chunks[at], below);
    }
  }
  return join([SIGNATURE, ...chunks.map(({ type, data }) => chunk(type, data))]);
}

/** Corrects the CRC of every chunk, so that a mutation reaches what is read after that check. */
export function withPngCrcs(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > bytes.length) break;
    view.setUint32(end, crc32(bytes.subarray(at + 4, end)));
    at = end + 4;
  }
  return bytes;
}
