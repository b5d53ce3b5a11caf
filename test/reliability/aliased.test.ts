/**
 * Files whose parts are repeated, nested, led to from many places and laid over each other (fast-check): a result or a
 * typed error, no byte read twice for a zip, and no more unpacked than weights may have. `FUZZ_SEED` repeats a run.
 */
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { crc32 } from '../../src/base/bytes.js';
import { env } from '../../src/base/env.js';
import { MobileNetError } from '../../src/base/errors.js';
import { Hdf5 } from '../../src/formats/hdf5.js';
import { readPytorch } from '../../src/formats/pytorch.js';
import { readSafetensors } from '../../src/formats/safetensors.js';
import { readTfjs } from '../../src/formats/tfjs.js';
import { Unpacking } from '../../src/formats/unpacking.js';
import { Zip } from '../../src/formats/zip.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { type Dataset, type Group, hdf5 } from '../helpers/hdf5-files.js';
import { SEED } from '../helpers/seed.js';
import { concat, fixture, int, memoryFolder, safetensors, utf8, zip } from '../helpers/weight-files.js';
import { Ledger, resident } from './ledger.js';

const SCALE = Number(process.env.FUZZ_SCALE ?? 1);
const ledger = new Ledger('aliased', `FUZZ_SEED=${SEED} npx vitest run test/reliability/aliased.test.ts`);
const LIMIT = 20_000;
const before = { ...env.limits };

beforeAll(() => {
  env.platform = nodePlatform;
});
beforeEach(() => {
  env.limits.weightsBytes = LIMIT;
});
afterEach(() => {
  Object.assign(env.limits, before);
});

/** Whether the call gave a result; anything but that or a typed error fails the test. */
async function succeeds(call: () => unknown): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (!(error instanceof MobileNetError)) throw error;
    expect(error.message.length).toBeLessThan(500);
    return false;
  }
}

/** Runs a property and writes down how many of its inputs were taken. */
async function holds<T>(what: string, input: fc.Arbitrary<T>, runs: number, check: (one: T) => Promise<boolean>) {
  let tried = 0;
  let accepted = 0;
  const property = fc.asyncProperty(input, async (one) => {
    tried++;
    if (await check(one)) accepted++;
  });
  await fc.assert(property, { numRuns: Math.ceil(runs * SCALE), seed: SEED });
  expect(accepted).toBeGreaterThan(0);
  expect(accepted).toBeLessThan(tried);
  ledger.add({ what, tried, accepted, rssMiB: resident(), seed: SEED });
}

const index = fc.nat({ max: 30 });

it('zip: entries at the place of others, into others, many of them', async () => {
  const data = new Uint8Array(5000);
  const packed = new Uint8Array(deflateRawSync(data));
  const entry = fc.record({
    deflated: fc.boolean(),
    at: fc.option(index, { freq: 9 }),
    more: fc.constantFrom(0, 0, 0, 1, 99),
  });
  await holds('Zip entries over each other', fc.array(entry, { minLength: 1, maxLength: 12 }), 3000, async (parts) => {
    const names = parts.map((_, i) => `${i}`);
    const bytes = zip(
      parts.map(({ deflated }, i) => ({
        ...{ name: names[i], method: deflated ? 8 : 0, crc: crc32(data) },
        data: deflated ? packed : data,
      })),
    );
    const view = new DataView(bytes.buffer);
    const heads: number[] = [];
    for (let at = 0; at < bytes.length - 4; at++) if (view.getUint32(at, true) === 0x02014b50) heads.push(at);
    const places = heads.map((at) => view.getUint32(at + 42, true));
    for (const [i, { deflated, at, more }] of parts.entries()) {
      view.setUint32(heads[i] + 20, (deflated ? packed.length : data.length) + more, true);
      view.setUint32(heads[i] + 24, data.length + (deflated ? 0 : more), true);
      if (at !== null) view.setUint32(heads[i] + 42, places[at % places.length], true);
    }
    let seen = 0;
    let archive: Zip | undefined;
    const good = await succeeds(async () => {
      archive = new Zip(bytes, 'm.zip');
      for (const one of archive.entries.values()) {
        const { length } = await archive.unpack(one);
        if (one.method === 0) seen += length;
      }
    });
    expect(seen).toBeLessThanOrEqual(bytes.length);
    if (good) expect(archive!.unpacking.made).toBeLessThanOrEqual(LIMIT);
    return good;
  });
});

it('HDF5: groups and datasets led to from many places, and addresses that lead elsewhere', async () => {
  const dataset: fc.Arbitrary<Dataset> = fc.record(
    {
      dims: fc.tuple(fc.integer({ min: 1, max: 900 }), fc.integer({ min: 1, max: 3 })),
      chunk: fc.integer({ min: 1, max: 400 }),
    },
    { requiredKeys: ['dims'] },
  );
  const input = fc.record({
    datasets: fc.array(dataset, { minLength: 1, maxLength: 4 }),
    links: fc.array(fc.tuple(index, index), { minLength: 1, maxLength: 40 }),
    moved: fc.array(fc.tuple(index, index), { maxLength: 2 }),
  });
  await holds('HDF5 objects led to from many places', input, 2000, async ({ datasets, links, moved }) => {
    const groups: Group[] = Array.from({ length: 5 }, () => new Map());
    for (const [i, [from, to]] of links.entries()) {
      // Only down, as the writer could not end otherwise; `moved` makes circles.
      const below: (Group | Dataset)[] = [...groups.slice((from % 5) + 1), ...datasets];
      groups[from % 5].set(`${i}`, below[to % below.length]);
    }
    const bytes = hdf5(groups[0]);
    const view = new DataView(bytes.buffer);
    // Words that are addresses of parts with a signature: trees, heaps, tables.
    const words: number[] = [];
    for (let at = 96; at + 8 <= bytes.length; at++) {
      const to = Number(view.getBigUint64(at, true) & 0xffffffffn);
      if (
        view.getUint32(at + 4, true) === 0 &&
        /TREE|HEAP|SNOD/.test(Buffer.from(bytes.subarray(to, to + 4)).toString('latin1'))
      )
        words.push(at);
    }
    for (const [a, b] of words.length > 0 ? moved : []) {
      view.setBigUint64(words[a % words.length], view.getBigUint64(words[b % words.length], true), true);
    }
    const unpacking = new Unpacking('m.h5');
    const good = await succeeds(async () => {
      const file = new Hdf5(bytes, { file: 'm.h5', unpacking });
      for (const one of file.datasets.values()) await file.read(one);
    });
    if (good) expect(unpacking.made).toBeLessThanOrEqual(LIMIT);
    return good;
  });
});

it('TensorFlow.js: groups and shards that come again', async () => {
  const folder = memoryFolder({ a: new Uint8Array(3000), b: new Uint8Array(3000), c: new Uint8Array(0) });
  const quantization = { dtype: 'uint8', scale: 1, min: 0 };
  const weight = fc.record({
    name: fc.string({ maxLength: 2 }),
    size: fc.constantFrom(0, 3000, 3000, 6000),
    packed: fc.boolean(),
  });
  const paths = fc.array(fc.constantFrom('a', 'b', 'c', './a', 'x/../b', '.\\c'), { maxLength: 3 });
  const group = fc.record({ paths, weights: fc.array(weight, { maxLength: 2 }) });
  await holds('Shards that come again', fc.array(group, { maxLength: 4 }), 5000, async (groups) => {
    const weightsManifest = groups.map(({ paths: shards, weights }) => ({
      paths: shards,
      weights: weights.map(({ name, size, packed }) =>
        packed ? { name, shape: [size], dtype: 'float32', quantization } : { name, shape: [size], dtype: 'uint8' },
      ),
    }));
    const bytes = utf8(JSON.stringify({ modelTopology: { node: [] }, weightsManifest }));
    let size = 0;
    return succeeds(async () => {
      const { tensors } = await readTfjs(bytes, folder, { file: 'model.json' });
      for (const stored of tensors.values()) size += stored.bytes.length;
      expect(size).toBeLessThanOrEqual(LIMIT + 6000);
    });
  });
});

it('safetensors: entries that come again, nest and overlap', async () => {
  const place = fc.constantFrom(0, 4, 8, 12);
  const entry = fc.record({
    name: fc.constantFrom('a', 'b', 'c', '\\u0061', '__metadata__'),
    begin: place,
    end: place,
    deep: fc.constantFrom(0, 0, 0, 5, 70),
  });
  await holds('Headers with entries over each other', fc.array(entry, { maxLength: 4 }), 10_000, async (entries) => {
    const fields = entries.map(({ name, begin, end, deep }) => {
      const shape = [Math.max(0, end - begin) / 4];
      const nested = `${'['.repeat(deep)}${']'.repeat(deep)}` || '0';
      return `"${name}":{"dtype":"F32","shape":[${shape}],"data_offsets":[${begin},${end}],"x":${nested}}`;
    });
    const size = entries.reduce((most, { end }) => Math.max(most, end), 0);
    const bytes = safetensors(`{${fields.join(',')}}`, size);
    return succeeds(() => {
      const { tensors } = readSafetensors(bytes, { file: 'm' });
      const total = [...tensors.values()].reduce((sum, { bytes: { length } }) => sum + length, 0);
      expect(total).toBe(size); // side by side, each byte once
    });
  });
});

it('pickle: pieces of the program that come again, and values of the memo in each other', async () => {
  const archive = new Zip(fixture('zip.bin'), 'zip.bin');
  const parts = await Promise.all(
    [...archive.entries.values()].map(async (one) => ({ name: one.name, data: (await archive.read(one)).bytes })),
  );
  const at = parts.findIndex(({ name }) => name.endsWith('data.pkl'));
  const { data: pickle } = parts[at];
  const piece = fc.record({
    from: fc.nat({ max: pickle.length - 2 }),
    size: fc.nat({ max: 60 }),
    times: fc.integer({ min: 0, max: 200 }),
  });
  const recall = fc.record({ at: fc.nat({ max: pickle.length - 2 }), memo: fc.nat({ max: 40 }) });
  const input = fc.record({ pieces: fc.array(piece, { maxLength: 1 }), recalls: fc.array(recall, { maxLength: 1 }) });
  await holds('Pickles with pieces that come again', input, 5000, async ({ pieces, recalls }) => {
    let data = pickle;
    for (const { from, size, times } of pieces) {
      const again = data.subarray(from, from + size);
      data = concat(data.subarray(0, from), ...Array.from({ length: times }, () => again), data.subarray(from + size));
    }
    for (const { at: to, memo } of recalls) {
      // BINGET, then POP is not there: it stays on the stack, or becomes a part of what is being made.
      data = concat(data.subarray(0, to), utf8('h'), int(memo, 1), data.subarray(to));
    }
    const bytes = zip(parts.map((part, i) => (i === at ? { ...part, data } : part)));
    return succeeds(() => readPytorch(bytes, { file: 'm.bin' }));
  });
});
