/** From bits to coefficients: look-up tables against codes written out, real files against the slow reader, damaged ones. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MobileNetError } from '../../../src/base/errors.js';
import { decodeJpeg } from '../../../src/codecs/jpeg/decode.js';
import {
  END_OF_BLOCK,
  LOOK_BITS,
  SIXTEEN_ZEROS,
  TABLE,
  TABLE_BYTES,
  writeTable,
} from '../../../src/codecs/jpeg/entropy/lookup.js';
import { NATURAL_ORDER } from '../../../src/codecs/jpeg/entropy/state.js';
import { readJpeg } from '../../../src/codecs/jpeg/header.js';
import { withDecoder } from '../../../src/codecs/jpeg/module.js';
import { Scans } from '../../../src/codecs/jpeg/scans.js';
import { difference } from '../../helpers/difference.js';
import { randomNumbers } from '../../helpers/random.js';
import { lastOf } from './rebuilt.js';
import { readSlowly, ZIGZAG } from './slow-reader.js';

const golden = (name: string) => readFileSync(new URL(`../../goldens/images/${name}`, import.meta.url));
const matrix: Record<string, { at: number; bytes: number; kind: string; sha256?: string }> = JSON.parse(
  golden('jpeg_matrix.json').toString(),
);
const all = golden('jpeg_matrix.bin');
const files = Object.entries(matrix).map(([name, { at, bytes, ...seen }]) => ({
  name,
  ...seen,
  file: all.subarray(at, at + bytes),
}));

it('the order of coefficients is that of the standard', () => {
  expect([...NATURAL_ORDER.subarray(0, 64)]).toEqual(ZIGZAG);
  expect([...NATURAL_ORDER.subarray(64)]).toEqual(new Array(16).fill(63)); // where libjpeg writes what is beyond
});

describe('tables', () => {
  /** A table as DHT has it, of codes of random lengths, none of ones alone. */
  function randomTable(random: () => number, long: boolean): Uint8Array {
    const counts = new Uint8Array(16);
    const symbols: number[] = [];
    let free = 1;
    for (let length = 1; length <= 16; length++) {
      free *= 2;
      const most = Math.min(free - 1, 256 - symbols.length);
      counts[length - 1] =
        long && length < 9 ? Number(random() < 0.3 && most > 0) : Math.floor(random() ** 3 * (most + 1));
      free -= counts[length - 1];
      for (let i = 0; i < counts[length - 1]; i++) symbols.push(Math.floor(random() * 256));
    }
    return Uint8Array.from([0, ...counts, ...symbols]);
  }

  /** Symbol and length of the code that 16 bits begin with; undefined where there is none. */
  function find(table: Uint8Array, bits: number): { symbol: number; length: number } | undefined {
    let code = 0;
    let at = 17;
    for (let length = 1; length <= 16; length++) {
      const place = (bits >> (16 - length)) - code;
      if (place < table[length]) return { symbol: table[at + place], length };
      at += table[length];
      code = (code + table[length]) * 2;
    }
    return undefined;
  }

  it.each(['values', 'plain'] as const)('%s: every 16 bits are read as the codes say', (kind) => {
    const random = randomNumbers(7);
    const memory = new Uint8Array(TABLE_BYTES);
    const view = new DataView(memory.buffer);
    for (let n = 0; n < 12; n++) {
      const table = randomTable(random, n % 2 === 1);
      memory.fill(0xaa);
      writeTable(table, kind, memory, 0);
      const wrong: number[] = [];
      for (let bits = 0; bits < 65536; bits++) {
        const wanted = find(table, bits);
        const read = readBy(view, bits, kind);
        const right = wanted && (read.length === 3 ? codeAndValue(wanted, bits) : [wanted.length, wanted.symbol]);
        if (read.join() !== (right ?? []).join()) wrong.push(bits);
      }
      expect(wrong).toEqual([]);
    }
  });

  /** What the emitted loops make of 16 bits: length and symbol of the code, the same with the value where that fits, or nothing. */
  function readBy(view: DataView, bits: number, kind: string): number[] {
    const entry = view.getInt32(TABLE.entries + 4 * (bits >> (16 - LOOK_BITS)), true);
    const [taken, second, upper] = [entry & 255, (entry >> 8) & 255, entry >> 16];
    if (taken > 0) return kind === 'plain' ? [taken, upper & 255] : [taken, second, upper];
    if (second > 0) return [second, upper & 255];
    let length = LOOK_BITS + 1;
    while (bits >= view.getUint32(TABLE.limits + 4 * length, true)) length++;
    if (length > 16) return [];
    const place = (bits >> (16 - length)) + view.getInt32(TABLE.offsets + 4 * length, true);
    return [length, view.getUint8(TABLE.symbols + place)];
  }

  /** Bits, coefficients skipped, and the value of a code with what follows it (T.81, F.1.2.2). */
  function codeAndValue({ symbol, length }: { symbol: number; length: number }, bits: number): number[] {
    const [run, size] = [symbol >> 4, symbol & 15];
    if (size === 0) return run === 15 ? [length, SIXTEEN_ZEROS, 0] : [length, END_OF_BLOCK, run];
    const value = (bits >> (16 - length - size)) & (2 ** size - 1);
    return [length + size, run, value < 2 ** (size - 1) ? value - 2 ** size + 1 : value];
  }
});

describe('coefficients', () => {
  const sequential = files.filter(
    ({ name, kind, sha256, file }) =>
      sha256 !== undefined &&
      !['damaged', 'others'].includes(kind) &&
      !/missing|between/.test(name) &&
      !readJpeg(file, name).frame.progressive,
  );

  it.each(sequential)('$name', async ({ name, file }) => {
    const layout = readJpeg(file, name);
    const slow = readSlowly(file, layout.colours);
    let rows = 0;
    await withDecoder((decoder) => {
      const scans = new Scans(decoder, file, layout);
      const iMcuRow = (coefficients: readonly number[], lastNonZero: readonly number[]) => {
        for (const [c, { v, blocksWide, blocksHigh, quant }] of scans.frame.components.entries()) {
          const { buffer } = decoder.memory.bytes;
          const wanted = slow.components[c];
          expect(new Uint16Array(buffer, quant, 64)).toEqual(wanted.quant);
          const held = Math.min(v, blocksHigh - rows * v) * blocksWide;
          const blocks = new Int16Array(buffer, coefficients[c], held * 64);
          expect(blocks.join()).toBe(
            wanted.coefficients
              .subarray(rows * v * blocksWide * 64)
              .subarray(0, held * 64)
              .join(),
          );
          const last = new Uint8Array(buffer, lastNonZero[c], held);
          for (let i = 0; i < held; i++) {
            expect(last[i]).toBeGreaterThanOrEqual(lastOf(blocks.subarray(64 * i, 64 * i + 64)));
            expect(last[i]).toBeLessThan(64);
          }
        }
        rows++;
      };
      expect(scans.decode({ iMcuRow, finish: () => {} })).toBe(false);
    });
    expect(rows).toBe(Math.ceil(layout.height / (8 * layout.frame.maxV)));
  });
});

it('damaged files end in a picture or an error with a code, and leave nothing for the next', async () => {
  const random = randomNumbers(11);
  const small = files.filter(({ file, sha256 }) => file.length < 2000 && sha256 !== undefined);
  const sound = small.find(({ kind }) => kind === 'samplings')!;
  const pixels = (await decodeJpeg(sound.file, sound.name)).data;
  let pictures = 0;
  for (let n = 0; n < 1500; n++) {
    const { name, file } = small[Math.floor(random() * small.length)];
    const damaged = Uint8Array.from(file);
    const from = n % 3 === 0 ? 2 : Math.max(2, Buffer.from(file).indexOf(Uint8Array.of(0xff, 0xda)));
    for (let changes = 1 + Math.floor(random() * 4); changes > 0; changes--) {
      const at = from + Math.floor(random() * (damaged.length - from));
      damaged[at] = random() < 0.3 ? 0xff : Math.floor(random() * 256);
    }
    try {
      const { data, width, height, channels } = await decodeJpeg(damaged, name);
      expect(data.length).toBe(width * height * channels);
      pictures++;
    } catch (error) {
      expect(error, `${name}, change ${n}: ${(error as Error).stack}`).toBeInstanceOf(MobileNetError);
      expect((error as Error).message).not.toMatch(/out of bounds|unreachable|undefined/);
    }
    if (n % 50 === 0) expect(difference((await decodeJpeg(sound.file, sound.name)).data, pixels).max).toBe(0);
  }
  expect(pictures).toBeGreaterThan(300);
});
