/**
 * Just enough ZIP for what `torch.save` and Keras write: entries stored without compression, or deflated where the caller
 * can wait, found by the central directory, with or without ZIP64 records. Source: PKWARE APPNOTE 6.3.10, sections 4.3.7,
 * 4.3.12 and 4.3.14 to 4.3.16.
 */
import { yieldToEvents } from '../base/abort.js';
import { crc32 } from '../base/bytes.js';
import { requirePlatform } from '../base/env.js';
import { type ErrorCode, MobileNetError, show } from '../base/errors.js';
import { Unpacking } from './unpacking.js';

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;

const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const END_64_BYTES = 56;
const LOCATOR_64_BYTES = 20;
const LONGEST_COMMENT = 0xffff;
const STORED = 0;
const DEFLATED = 8;
/** Deflate makes at most 1032 bytes of one (RFC 1951: 258 bytes of two bits). */
export const LARGEST_RATIO = 1032;
/** Bytes whose checksum is computed at a time: 3 ms, after which an abort is heard. */
const CHECKED_AT_ONCE = 1 << 22;
/** Stands for "see the ZIP64 field". */
const SEE_64 = 0xffffffff;

export interface ZipEntry {
  name: string;
  /** Where the local header begins. */
  headerOffset: number;
  size: number;
  storedSize: number;
  method: number;
  flags: number;
  crc: number;
}

export class Zip {
  readonly entries = new Map<string, ZipEntry>();
  /** What its compressed entries, and what is in them, unpack to. */
  readonly unpacking: Unpacking;
  /** Where the entry ends at the latest whose header begins there. */
  readonly #ends = new Map<number, number>();
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #file: string;

  /** Reads the directory; no entry is looked at before `read`. @throws MobileNetError TRUNCATED, LAYOUT, DUPLICATE_KEY */
  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#file = file;
    this.unpacking = new Unpacking(file);
    const directory = this.#findDirectory();
    let at = directory.begin;
    for (let i = 0; i < directory.count; i++) at = this.#readCentral(at, directory.end);
    if (at !== directory.end)
      this.#fail('LAYOUT', at, `the zip directory has more than its ${directory.count} entries`);
    this.#checkPlaces(directory.begin);
  }

  /**
   * An entry's bytes (a view) and where they begin in the file, checked against its checksum.
   * @throws MobileNetError UNSUPPORTED when compressed or encrypted, LAYOUT outside the file, IO for a wrong checksum
   */
  async read(entry: ZipEntry, signal?: AbortSignal): Promise<{ bytes: Uint8Array; offset: number }> {
    const { name, headerOffset, size } = entry;
    if (entry.method !== STORED || (entry.flags & 1) !== 0 || entry.storedSize !== size) {
      const got = (entry.flags & 1) !== 0 ? 'encryption' : `compression method ${entry.method}`;
      this.#fail(
        'UNSUPPORTED',
        headerOffset,
        `expected ${show(name)} stored as it is, got ${got}; save with torch.save`,
      );
    }
    const { bytes, offset } = this.#stored(entry);
    await this.#checkSum(entry, bytes, offset, signal);
    return { bytes, offset };
  }

  /**
   * The same for an entry that may be deflated: then its bytes are unpacked, to the size that the directory gives.
   * @param most bytes that it may have
   * @throws MobileNetError as `read` does, IO for damaged data, LIMIT before more is unpacked than may be
   */
  async unpack(entry: ZipEntry, most = Number.POSITIVE_INFINITY, signal?: AbortSignal): Promise<Uint8Array> {
    if (entry.size > most) {
      this.#fail('LIMIT', entry.headerOffset, `${show(entry.name)} has ${entry.size} bytes, ${most} are allowed`);
    }
    if (entry.method !== DEFLATED || (entry.flags & 1) !== 0) return (await this.read(entry, signal)).bytes;
    const { name, size } = entry;
    const { bytes: packed, offset } = this.#stored(entry);
    if (size > packed.length * LARGEST_RATIO) {
      this.#fail('LAYOUT', offset, `${show(name)} cannot unpack from ${packed.length} bytes to ${size}`);
    }
    this.unpacking.take(size, show(name), offset);
    const inflate = requirePlatform('inflate', 'a compressed zip');
    const bytes = await inflate(packed, 'deflate-raw', size).catch((cause: Error) =>
      this.#fail('IO', offset, `${show(name)} is damaged (${cause.message}); download it again`),
    );
    if (bytes.length !== size) {
      this.#fail('IO', offset, `${show(name)} unpacks to ${bytes.length} bytes, not ${size}; download it again`);
    }
    signal?.throwIfAborted();
    await this.#checkSum(entry, bytes, offset, signal);
    return bytes;
  }

  /** The bytes of an entry as they lie in the file. */
  #stored({ name, headerOffset, storedSize }: ZipEntry): { bytes: Uint8Array; offset: number } {
    this.#need(headerOffset, LOCAL_BYTES, this.#bytes.length);
    if (this.#view.getUint32(headerOffset, true) !== LOCAL_HEADER) {
      this.#fail('LAYOUT', headerOffset, `expected the zip header of ${show(name)}`);
    }
    const nameBytes = this.#view.getUint16(headerOffset + 26, true);
    const offset = headerOffset + LOCAL_BYTES + nameBytes + this.#view.getUint16(headerOffset + 28, true);
    this.#need(offset, storedSize, this.#ends.get(headerOffset)!);
    const localName = this.#text(headerOffset + LOCAL_BYTES, nameBytes);
    if (localName !== name) {
      this.#fail('LAYOUT', headerOffset, `the zip directory says ${show(name)}, the entry says ${show(localName)}`);
    }
    return { bytes: this.#bytes.subarray(offset, offset + storedSize), offset };
  }

  /** No byte belongs to two entries: else a small file could have as many as it likes, each as large as the file. */
  #checkPlaces(directory: number): void {
    const inOrder = [...this.entries.values()].sort((a, b) => a.headerOffset - b.headerOffset);
    for (const [i, { name, headerOffset }] of inOrder.entries()) {
      const next = inOrder[i + 1];
      if (next?.headerOffset === headerOffset) {
        this.#fail('LAYOUT', headerOffset, `${show(name)} and ${show(next.name)} lie at one place in the zip`);
      }
      this.#ends.set(headerOffset, next?.headerOffset ?? Math.max(directory, headerOffset));
    }
  }

  async #checkSum(
    { name, crc }: ZipEntry,
    bytes: Uint8Array,
    offset: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let sum = 0;
    for (let at = 0; at < bytes.length; at += CHECKED_AT_ONCE) {
      if (signal !== undefined) await yieldToEvents(signal);
      sum = crc32(bytes.subarray(at, at + CHECKED_AT_ONCE), sum);
    }
    if (sum === crc) return;
    this.#fail('IO', offset, `the checksum of ${show(name)} is wrong, so its bytes are damaged; download it again`);
  }

  #findDirectory(): { begin: number; end: number; count: number } {
    const last = this.#bytes.length - END_BYTES;
    let at = last;
    while (at >= 0 && !(this.#view.getUint32(at, true) === END && this.#view.getUint16(at + 20, true) === last - at)) {
      at--;
      if (last - at > LONGEST_COMMENT) at = -1;
    }
    if (at < 0)
      this.#fail('TRUNCATED', this.#bytes.length, 'expected a zip directory at the end, got none; cut short?');
    const locator = at - LOCATOR_64_BYTES;
    if (locator >= 0 && this.#view.getUint32(locator, true) === LOCATOR_64) {
      const record = this.#uint64(locator + 8);
      this.#need(record, END_64_BYTES, locator);
      if (this.#view.getUint32(record, true) !== END_64) this.#fail('LAYOUT', record, 'expected a ZIP64 end record');
      return this.#directory(this.#uint64(record + 48), this.#uint64(record + 40), this.#uint64(record + 32), record);
    }
    const u32 = (offset: number) => this.#view.getUint32(at + offset, true);
    return this.#directory(u32(16), u32(12), this.#view.getUint16(at + 10, true), at);
  }

  #directory(begin: number, size: number, count: number, limit: number): { begin: number; end: number; count: number } {
    this.#need(begin, size, limit);
    return { begin, end: begin + size, count };
  }

  /** Reads one entry of the directory and returns where the next begins. */
  #readCentral(at: number, end: number): number {
    this.#need(at, CENTRAL_BYTES, end);
    if (this.#view.getUint32(at, true) !== CENTRAL_HEADER)
      this.#fail('LAYOUT', at, 'expected an entry of the directory');
    const u16 = (offset: number) => this.#view.getUint16(at + offset, true);
    const u32 = (offset: number) => this.#view.getUint32(at + offset, true);
    const nameBytes = u16(28);
    const extra = at + CENTRAL_BYTES + nameBytes;
    const next = extra + u16(30) + u16(32);
    this.#need(at, next - at, end);

    const name = this.#text(at + CENTRAL_BYTES, nameBytes);
    if (this.entries.has(name)) {
      throw new MobileNetError(
        'DUPLICATE_KEY',
        `${this.#file}: expected every zip entry once, got ${show(name)} twice`,
        {
          file: this.#file,
          offset: at,
        },
      );
    }
    const [size, storedSize, headerOffset] = this.#wide([u32(24), u32(20), u32(42)], extra, extra + u16(30));
    this.entries.set(name, {
      name,
      headerOffset,
      size,
      storedSize,
      method: u16(10),
      flags: u16(8),
      crc: u32(16),
    });
    return next;
  }

  /** Replaces the fields that say "see the ZIP64 field" by that field's values, which stand in the same order. */
  #wide(fields: number[], begin: number, end: number): number[] {
    if (!fields.includes(SEE_64)) return fields;
    let at = begin;
    while (at + 4 <= end && this.#view.getUint16(at, true) !== 1) at += 4 + this.#view.getUint16(at + 2, true);
    at += 4;
    return fields.map((field) => {
      if (field !== SEE_64) return field;
      this.#need(at, 8, end);
      at += 8;
      return this.#uint64(at - 8);
    });
  }

  #uint64(at: number): number {
    const value = this.#view.getBigUint64(at, true);
    // Whatever lies past the file is refused by #need; here only the conversion must not round.
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
  }

  #text(at: number, length: number): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#bytes.subarray(at, at + length));
    } catch {
      return this.#fail('BAD_HEADER', at, 'expected the name of a zip entry in UTF-8');
    }
  }

  #need(at: number, size: number, limit: number): void {
    if (at + size > limit) {
      this.#fail(
        'LAYOUT',
        at,
        `the zip says ${size} bytes at byte ${at}, but that region ends at ${limit}; cut short?`,
      );
    }
  }

  #fail(code: ErrorCode, offset: number, message: string): never {
    throw new MobileNetError(code, `${this.#file}: ${message}`, { file: this.#file, offset });
  }
}
