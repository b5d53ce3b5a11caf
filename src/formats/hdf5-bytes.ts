/**
 * A cursor over an HDF5 file. All numbers are little-endian; addresses and lengths have the widths the superblock gives.
 * Nothing is read outside the file, and every step takes from one budget, so that no file, however its parts point at
 * each other, keeps us busy for longer than its size allows.
 */
import { type ErrorCode, MobileNetError } from '../base/errors.js';

/** Steps (a message, an entry of a tree, a byte of text) for each byte of the file; honest files take far less than one. */
const STEPS_PER_BYTE = 4;
/** So that a small file may be read at all. */
const LEAST_STEPS = 100_000;

/** The file, the widths of its addresses and lengths, and what work it may still cost. */
export class Hdf5Bytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly file: string;
  /** Bytes of an address and of a length: 2, 4 or 8. */
  offsetBytes = 8;
  lengthBytes = 8;
  #steps: number;

  constructor(bytes: Uint8Array, file: string) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.file = file;
    this.#steps = bytes.length * STEPS_PER_BYTE + LEAST_STEPS;
  }

  /** @param limit where the region ends that may be read; the file's end unless given */
  at(address: number, limit = this.bytes.length): Cursor {
    if (!(address <= limit)) this.fail('LAYOUT', address, `expected something at byte ${address}, got the end`);
    return new Cursor(this, address, Math.min(limit, this.bytes.length));
  }

  /** Pays for work. @throws MobileNetError LIMIT for a file that costs more than any honest one of its size */
  spend(steps: number, at: number): void {
    this.#steps -= steps;
    if (this.#steps < 0) this.fail('LIMIT', at, 'its parts refer to each other without end');
  }

  fail(code: ErrorCode, offset: number, message: string, tensor?: string): never {
    const place = { file: this.file, tensor, offset };
    throw new MobileNetError(code, `${this.file}: ${message} (byte ${offset}, HDF5)`, place);
  }
}

export class Cursor {
  readonly source: Hdf5Bytes;
  readonly limit: number;
  /** Where the next read begins, in the file. */
  position: number;

  constructor(source: Hdf5Bytes, position: number, limit: number) {
    this.source = source;
    this.position = position;
    this.limit = limit;
  }

  get left(): number {
    return this.limit - this.position;
  }

  /** Moves past `size` bytes and returns where they begin. */
  take(size: number): number {
    const start = this.position;
    if (!(size <= this.limit - start)) {
      const code = this.limit === this.source.bytes.length ? 'TRUNCATED' : 'LAYOUT';
      this.source.fail(code, start, `expected ${size} bytes, got ${this.limit - start}; cut short?`);
    }
    this.position = start + size;
    return start;
  }

  uint8(): number {
    return this.source.bytes[this.take(1)];
  }

  uint16(): number {
    return this.source.view.getUint16(this.take(2), true);
  }

  uint32(): number {
    return this.source.view.getUint32(this.take(4), true);
  }

  /** An unsigned number of 1, 2, 4 or 8 bytes; Infinity where a number cannot hold it, which fails every bound. */
  uint(size: number): number {
    if (size === 1) return this.uint8();
    if (size === 2) return this.uint16();
    if (size === 4) return this.uint32();
    const value = this.source.view.getBigUint64(this.take(8), true);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
  }

  /** An address; undefined where all bits are set, which means "none". */
  address(): number | undefined {
    const size = this.source.offsetBytes;
    const start = this.position;
    const value = this.uint(size);
    return this.source.bytes.subarray(start, start + size).every((byte) => byte === 0xff) ? undefined : value;
  }

  length(): number {
    return this.uint(this.source.lengthBytes);
  }

  /** Takes four letters. @throws MobileNetError LAYOUT when they are others */
  signature(expected: string, what: string): void {
    const start = this.take(4);
    const got = String.fromCharCode(...this.source.bytes.subarray(start, start + 4));
    if (got !== expected)
      this.source.fail('LAYOUT', start, `expected ${what} (${expected}), got ${JSON.stringify(got)}`);
  }

  /** @throws MobileNetError UNSUPPORTED for a version that is not among the `known` */
  version(known: readonly number[], what: string): number {
    const start = this.position;
    const version = this.uint8();
    if (!known.includes(version)) {
      this.source.fail('UNSUPPORTED', start, `expected ${what} of version ${known.join(' or ')}, got ${version}`);
    }
    return version;
  }

  /** Text of `size` bytes, up to the first NUL if it has one. */
  text(size: number): string {
    const start = this.take(size);
    this.source.spend(size, start);
    let bytes = this.source.bytes.subarray(start, start + size);
    const end = bytes.indexOf(0);
    if (end >= 0) bytes = bytes.subarray(0, end);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.source.fail('BAD_HEADER', start, 'expected text in UTF-8');
    }
  }

  /** Moves to the next multiple of 8 after `start`. */
  align8(start: number): void {
    const over = (this.position - start) % 8;
    if (over > 0) this.take(8 - over);
  }
}
