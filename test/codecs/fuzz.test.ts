/**
 * Mutated files: nothing may come out but pixels or a typed error, and nothing may take long. `FUZZ_RUNS` says how many of
 * each kind, `FUZZ_SEED` repeats a run; both are printed.
 */
import { crc32, deflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { MobileNetError } from '../../src/base/errors.js';
import { decodeImage } from '../../src/processors/decode.js';
import './helpers.js';
import { exifBlock, jpeg } from './jpeg-files.js';
import { bytesOf, chunk, IEND, ihdr, png, simplePng } from './png-files.js';

const RUNS = Number(process.env.FUZZ_RUNS ?? 10_000);
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 32);

/** Numerical Recipes' generator. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const EDGES = [0, 1, 0x7f, 0x80, 0xd8, 0xd9, 0xda, 0xff];

function mutate(file: Uint8Array, random: (below: number) => number): Uint8Array {
  let bytes: Uint8Array = file.slice();
  for (let n = 1 + random(3); n > 0; n--) {
    const at = random(bytes.length);
    const kind = random(10);
    if (kind < 4) bytes[at] = random(256);
    else if (kind < 7) bytes[at] = EDGES[random(EDGES.length)];
    else if (kind === 7) bytes = bytes.slice(0, at + 1);
    else if (kind === 8) bytes = bytesOf(bytes.subarray(0, at), bytes.subarray(at + 1 + random(8)));
    else bytes = bytesOf(bytes.subarray(0, at), bytes.subarray(random(at + 1), at), bytes.subarray(at));
    if (bytes.length === 0) bytes = file.slice();
  }
  return bytes;
}

/** Corrects the CRC of every chunk, so that a mutation reaches what lies behind that check. */
function withCrcs(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > bytes.length) break;
    view.setUint32(end, crc32(bytes.subarray(at + 4, end)));
    at = end + 4;
  }
  return bytes;
}

const row = (length: number) => Uint8Array.from({ length }, (_, i) => i * 29);
const adam7 = deflateSync(new Uint8Array(5 * 6).map((_, i) => (i % 6 === 0 ? i % 5 : i * 7)));
const PNGS = [
  simplePng({ width: 9 }, [row(9), row(9), row(9)]),
  simplePng({ width: 3, depth: 16, colourType: 6 }, [row(24), row(24)]),
  simplePng(
    { width: 8, depth: 2, colourType: 3 },
    [row(2), row(2)],
    chunk('PLTE', row(12)),
    chunk('eXIf', exifBlock(6)),
  ),
  png(ihdr({ width: 5, height: 5, interlace: 1 }), chunk('IDAT', adam7), IEND),
];
const components = [
  { id: 1, value: 90, h: 2, v: 2 },
  { id: 2, value: 100 },
  { id: 3, value: 200 },
];
const JPEGS = [
  jpeg(),
  jpeg({ width: 20, height: 20, components, jfif: true, exif: exifBlock(5) }),
  jpeg({ width: 20, height: 20, components, progressive: true }),
  jpeg({ components: [...components, { id: 4, value: 50 }], adobe: 2 }),
];

it.each([
  ['PNG', PNGS, (bytes: Uint8Array) => bytes],
  ['PNG with right CRCs', PNGS, withCrcs],
  ['JPEG', JPEGS, (bytes: Uint8Array) => bytes],
] as const)('%s', async (kind, files, repair) => {
  console.log(`fuzz ${kind}: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`);
  const random = randomOf(SEED);
  let decoded = 0;
  for (let run = 0; run < RUNS; run++) {
    const bytes = repair(mutate(files[random(files.length)], random));
    const start = performance.now();
    try {
      await decodeImage(bytes, { file: 'mutant' });
      decoded++;
    } catch (error) {
      if (!(error instanceof MobileNetError)) throw error;
      expect(['IMAGE', 'UNSUPPORTED', 'LIMIT']).toContain(error.code);
      expect(error.file).toBe('mutant');
      expect(error.message.length).toBeLessThan(500);
    }
    expect(performance.now() - start).toBeLessThan(2000);
  }
  // Else the mutations would be too coarse to get anywhere.
  expect(decoded).toBeGreaterThan(0);
});
