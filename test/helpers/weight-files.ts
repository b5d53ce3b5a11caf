/** What the tests of weight files share: malformed files made by code, and errors looked at whole. */

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { crc32, join } from '../../src/base/bytes.js';
import { type ErrorCode, MobileNetError } from '../../src/base/errors.js';
import type { Folder } from '../../src/base/folder.js';
import { cpuTime } from './cpu.js';
import { randomNumbers } from './random.js';

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => join(parts);

/** A little-endian integer of `size` bytes. */
export function int(value: number | bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  // Most are small, and a fuzzer makes millions.
  if (typeof value === 'number' && value === value >>> 0) view.setUint32(0, value, true);
  else view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  return bytes.subarray(0, size);
}

/** A safetensors file of this header, as text or as an object, and as many data bytes, which count 0, 1, 2, …. */
export function safetensors(header: string | object, dataBytes = 0): Uint8Array {
  const text = utf8(typeof header === 'string' ? header : JSON.stringify(header));
  const data = Uint8Array.from({ length: dataBytes }, (_, i) => i);
  return concat(int(text.length, 8), text, data);
}

/** Splits a safetensors file into its header and its data. */
export function split(file: Uint8Array): { header: Uint8Array; data: Uint8Array } {
  const dataStart = 8 + new DataView(file.buffer, file.byteOffset).getUint32(0, true);
  return { header: file.slice(8, dataStart), data: file.slice(dataStart) };
}

export interface ExpectedError {
  code: ErrorCode;
  file?: string;
  tensor?: string;
  offset?: number;
  /** Parts of the message. */
  says?: string[];
}

/** The call must throw (or reject with) our error, of this code, naming these places, in a message that fits a screen. */
export async function expectError(call: () => unknown, expected: ExpectedError): Promise<void> {
  let error: unknown;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  const { says = [], ...place } = expected;
  expect(error).toBeInstanceOf(MobileNetError);
  expect(error).toMatchObject(place);
  const { message } = error as MobileNetError;
  expect(message.length).toBeLessThan(500);
  for (const part of says) expect(message).toContain(part);
}

/** A folder in memory that remembers what was asked of it. */
export function memoryFolder(files: Record<string, Uint8Array>): Folder & { opened: string[] } {
  const opened: string[] = [];
  return {
    name: 'memory',
    opened,
    read: async (file) => {
      opened.push(file);
      return Object.hasOwn(files, file) ? files[file] : undefined;
    },
  };
}

export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../goldens/pytorch/${name}`, import.meta.url)));
}

/** A copy of a file, damaged at random in one to four places. */
function mutant(original: Uint8Array, next: () => number): Uint8Array {
  const below = (limit: number) => Math.floor(next() * limit);
  let bytes = original.slice();
  for (let edits = 1 + below(4); edits > 0; edits--) {
    const at = below(bytes.length);
    const kind = below(4);
    if (kind === 0) bytes[at] = below(256);
    else if (kind === 1) bytes[at]! ^= 1 << below(8);
    else if (kind === 2) bytes = bytes.slice(0, at + 1);
    else bytes.copyWithin(at, below(bytes.length), below(bytes.length));
  }
  return bytes;
}

/** An error of ours, in few words; whatever else was thrown ends the test. */
function checkThrown(error: unknown, where: string): void {
  if (!(error instanceof MobileNetError)) throw new Error(`${where}: ${error}`, { cause: error });
  if (error.message.length >= 500) throw new Error(`${where}: a message of ${error.message.length}`);
}

/** Damages `count` copies of a file at random; every call must succeed or throw our error, and quickly. */
export function fuzz(original: Uint8Array, count: number, seed: number, call: (bytes: Uint8Array) => unknown): void {
  const next = randomNumbers(seed);
  for (let i = 0; i < count; i++) {
    const bytes = mutant(original, next);
    const start = cpuTime();
    try {
      call(bytes);
    } catch (error) {
      checkThrown(error, `seed ${seed}, mutant ${i}`);
    }
    expect(cpuTime() - start).toBeLessThan(2000);
  }
}

/** The same for a call that takes its time. Returns how many succeeded. */
export async function fuzzAsync(
  original: Uint8Array,
  count: number,
  seed: number,
  call: (bytes: Uint8Array) => Promise<unknown>,
): Promise<number> {
  const next = randomNumbers(seed);
  let succeeded = 0;
  for (let i = 0; i < count; i++) {
    const bytes = mutant(original, next);
    const start = cpuTime();
    try {
      await call(bytes);
      succeeded++;
    } catch (error) {
      checkThrown(error, `seed ${seed}, mutant ${i}`);
    }
    expect(cpuTime() - start).toBeLessThan(2000);
  }
  return succeeded;
}

export interface ZipPart {
  name: string;
  data: Uint8Array;
  /** Fields to write instead of the true ones. */
  method?: number;
  flags?: number;
  crc?: number;
  size?: number;
  localName?: string;
}

/** A zip of stored entries, each field as it should be unless a part says otherwise. */
export function zip(parts: readonly ZipPart[], { count = parts.length, zip64 = false } = {}): Uint8Array {
  const files: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const part of parts) {
    const name = utf8(part.name);
    const localName = utf8(part.localName ?? part.name);
    const size = part.size ?? part.data.length;
    const common = concat(
      int(part.flags ?? 0x800, 2),
      int(part.method ?? 0, 2),
      int(0, 4),
      int(part.crc ?? crc32(part.data), 4),
    );
    const sizes = zip64 ? int(-1, 8) : concat(int(size, 4), int(size, 4));
    const extra = zip64 ? concat(int(1, 2), int(24, 2), int(size, 8), int(size, 8), int(offset, 8)) : new Uint8Array();
    files.push(
      concat(
        int(0x04034b50, 4),
        int(20, 2),
        common,
        int(0, 8),
        int(localName.length, 2),
        int(0, 2),
        localName,
        part.data,
      ),
    );
    directory.push(
      concat(int(0x02014b50, 4), int(20, 2), int(20, 2), common, sizes, int(name.length, 2), int(extra.length, 2)),
      concat(int(0, 2), int(0, 2), int(0, 2), int(0, 4), int(zip64 ? -1 : offset, 4), name, extra),
    );
    offset += files.at(-1)!.length;
  }
  const all = concat(...directory);
  const end64 = concat(
    concat(int(0x06064b50, 4), int(44, 8), int(45, 2), int(45, 2), int(0, 8), int(count, 8), int(count, 8)),
    concat(int(all.length, 8), int(offset, 8)),
    concat(int(0x07064b50, 4), int(0, 4), int(offset + all.length, 8), int(1, 4)),
  );
  const counts = zip64 ? int(-1, 4) : concat(int(count, 2), int(count, 2));
  const span = zip64 ? int(-1, 8) : concat(int(all.length, 4), int(offset, 4));
  const end = concat(int(0x06054b50, 4), int(0, 4), counts, span, int(0, 2));
  return concat(...files, all, zip64 ? end64 : new Uint8Array(), end);
}
