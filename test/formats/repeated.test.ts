/** Structure repeated, nested and overlapped inside the limits: what it costs, by counts and not by the clock. */
import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { crc32 } from '../../src/base/bytes.js';
import { env } from '../../src/base/env.js';
import { Hdf5 } from '../../src/formats/hdf5.js';
import { withoutPrefix } from '../../src/formats/prefixes.js';
import { toFloat32 } from '../../src/formats/stored.js';
import { readTfjs } from '../../src/formats/tfjs.js';
import { Unpacking } from '../../src/formats/unpacking.js';
import { Zip } from '../../src/formats/zip.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { hdf5 } from '../helpers/hdf5-files.js';
import { concat, expectError, int, memoryFolder, utf8, zip } from '../helpers/weight-files.js';

const before = { ...env.limits };
beforeAll(() => {
  env.platform = nodePlatform;
});
afterEach(() => {
  Object.assign(env.limits, before);
});

describe('zip', () => {
  /** A directory of `count` entries, whose places and sizes are what `place` says, after one stored entry of zeros. */
  function overlapping(count: number, place: (i: number, whole: number) => { at: number; size: number }): Uint8Array {
    const data = new Uint8Array(4096);
    const header = concat(int(0x04034b50, 4), int(20, 2), new Uint8Array(20), int(1, 2), int(0, 2), utf8('a'));
    const directory = Array.from({ length: count }, (_, i) => {
      const { at, size } = place(i, data.length);
      const name = utf8(`${i}`);
      const sizes = concat(int(crc32(data.subarray(0, size)), 4), int(size, 4), int(size, 4), int(name.length, 2));
      return concat(int(0x02014b50, 4), int(20, 2), int(20, 2), int(0, 8), sizes, new Uint8Array(12), int(at, 4), name);
    });
    const all = concat(...directory);
    const start = header.length + data.length;
    const end = concat(int(0x06054b50, 4), int(0, 4), int(count, 2), int(count, 2), int(all.length, 4), int(start, 4));
    return concat(header, data, all, end, int(0, 2));
  }

  test('entries at one place are refused by name', () =>
    expectError(
      () =>
        new Zip(
          overlapping(3, (_, size) => ({ at: 0, size })),
          'm.zip',
        ),
      {
        code: 'LAYOUT',
        file: 'm.zip',
        offset: 0,
        says: ['"0" and "1" lie at one place'],
      },
    ));

  test('an entry that reaches into the next is refused before its bytes are looked at', async () => {
    const bytes = zip([
      { name: 'a', data: utf8('four'), size: 40 },
      { name: 'b', data: new Uint8Array(100) },
    ]);
    const { entries } = new Zip(bytes, 'm.zip');
    await expectError(() => new Zip(bytes, 'm.zip').read(entries.get('a')!), { code: 'LAYOUT', says: ['40 bytes'] });
  });

  test('an abort is heard while a checksum is computed', async () => {
    const data = new Uint8Array(64 << 20);
    const archive = new Zip(zip([{ name: 'a', data }]), 'm.zip');
    const stop = new AbortController();
    setImmediate(() => stop.abort(new Error('enough')));
    await expect(archive.read(archive.entries.get('a')!, stop.signal)).rejects.toThrow('enough');
    expect((await archive.read(archive.entries.get('a')!)).bytes).toHaveLength(data.length);
  });

  test('is not unpacked past the limit, all entries together', async () => {
    const packed = new Uint8Array(deflateRawSync(new Uint8Array(1000)));
    const entry = (name: string) => ({ name, data: packed, method: 8, crc: crc32(new Uint8Array(1000)) });
    const bytes = zip(['a', 'b', 'c'].map(entry));
    // The helper writes one size for both; the directory has to say what comes out.
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length - 4; at++) {
      if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 24, 1000, true);
    }
    env.limits.weightsBytes = 2500;
    const archive = new Zip(bytes, 'm.zip');
    expect(await archive.unpack(archive.entries.get('a')!)).toHaveLength(1000);
    expect(await archive.unpack(archive.entries.get('b')!)).toHaveLength(1000);
    const third = () => archive.unpack(archive.entries.get('c')!);
    await expectError(third, { code: 'LIMIT', file: 'm.zip', says: ['"c"', 'weightsBytes'] });
    await expectError(() => archive.unpack(archive.entries.get('a')!, 999), { code: 'LIMIT', says: ['999'] });
  });
});

describe('HDF5', () => {
  test('a group of 131,070 links to one dataset', () => {
    const one = { dims: [2] };
    const bytes = hdf5(new Map(Array.from({ length: 131_070 }, (_, i) => [`${i}`, one])));
    expect([...new Hdf5(bytes, { file: 'm.h5' }).datasets.keys()]).toEqual(['0']);
  });

  test('more datasets than a checkpoint may have tensors', () => {
    env.limits.tensors = 99;
    const bytes = hdf5(new Map(Array.from({ length: 100 }, (_, i) => [`${i}`, { dims: [0] }])));
    return expectError(() => new Hdf5(bytes, { file: 'm.h5' }), { code: 'LIMIT', says: ['100 tensors'] });
  });

  test('nothing is unpacked before it is asked for, and all together no more than weights may have', async () => {
    const data = new Uint8Array(Float32Array.from({ length: 1000 }, (_, i) => i).buffer);
    const names = ['a', 'b', 'c'];
    const bytes = hdf5(new Map(names.map((name) => [name, { dims: [1000], data, chunk: 300 }])));
    const unpacking = new Unpacking('m.h5');
    env.limits.weightsBytes = 10_000;
    const file = new Hdf5(bytes, { file: 'm.h5', unpacking });
    const [a, b, c] = names.map((name) => file.tensor(file.datasets.get(name)!));
    expect(unpacking.made).toBe(0);
    await a.unpack!();
    await a.unpack!();
    expect(unpacking.made).toBe(4 * 1200);
    expect(toFloat32(a).data.at(-1)).toBe(999);
    await b.unpack!();
    await expectError(() => c.unpack!(), { code: 'LIMIT', file: 'm.h5', says: ['"c"', '10000 bytes'] });
  });
});

test('HDF5 that is compressed twice is refused: each pass makes all bytes anew', async () => {
  const read = (deflated: number) => {
    const file = new Hdf5(hdf5(new Map([['a', { dims: [1000], chunk: 300, deflated }]])), { file: 'm.h5' });
    return file.read(file.datasets.get('a')!);
  };
  expect((await read(1)).dims).toEqual([1000]);
  await expectError(() => read(2), { code: 'UNSUPPORTED', file: 'm.h5', tensor: 'a', says: ['twice'] });
});

describe('TensorFlow.js', () => {
  const weight = (name: string, count: number) => ({
    name,
    shape: [count],
    dtype: 'float32',
    quantization: { dtype: 'uint8', scale: 1, min: 0 },
  });
  const model = (manifest: unknown) => utf8(JSON.stringify({ modelTopology: { node: [] }, weightsManifest: manifest }));
  const folder = memoryFolder({ 'a.bin': new Uint8Array(100), 'b.bin': new Uint8Array(100) });
  const group = (path: string, name: string) => ({ paths: [path], weights: [weight(name, 100)] });
  const read = (...groups: object[]) => readTfjs(model(groups), folder, { file: 'model.json' });

  test.each(['a.bin', './a.bin', 'x/../a.bin'])('a shard that comes a second time, as %s', (path) =>
    expectError(() => read(group('a.bin', 'one'), group(path, 'two')), {
      code: 'DUPLICATE_KEY',
      file: 'model.json',
      says: ['"a.bin" twice'],
    }),
  );

  test('all groups together keep the limit on bytes and on tensors', async () => {
    env.limits.weightsBytes = 150;
    await expectError(() => read(group('a.bin', 'one'), group('b.bin', 'two')), { code: 'LIMIT', file: 'b.bin' });
    Object.assign(env.limits, before, { tensors: 1 });
    await expectError(() => read(group('a.bin', 'one'), group('b.bin', 'two')), { code: 'LIMIT', says: ['2 tensors'] });
  });

  test('quantised weights are unpacked when they are looked at, within the limit', async () => {
    env.limits.weightsBytes = 700;
    const { tensors } = await read(group('a.bin', 'one'), group('b.bin', 'two'));
    expect(toFloat32(tensors.get('one')!).data).toHaveLength(100);
    expect(toFloat32(tensors.get('one')!).data).toHaveLength(100);
    await expectError(() => toFloat32(tensors.get('two')!), { code: 'LIMIT', says: ['"two"', '700'] });
  });
});

describe('names with what training puts before them', () => {
  const FIRST = /^((?:.*\.)?)first$/;
  const prefixOf = (name: string) => FIRST.exec(name)?.[1];

  test('of 50,000 copies of a network one is taken', () => {
    const names = Array.from({ length: 50_000 }, (_, i) => [`${i}.first`, `${i}.second`]).flat();
    const { named, note } = withoutPrefix(new Map(names.map((name) => [name, name])), prefixOf);
    expect([...named]).toEqual([
      ['first', '0.first'],
      ['second', '0.second'],
    ]);
    expect(note).toContain('50000 times');
  });

  test('one within another, and one around it', () => {
    const names = ['a.b.first', 'a.first', 'a.b.c.first', 'a.b.second', 'a.second', 'b.first', 'ab.second', 'other'];
    const { named } = withoutPrefix(new Map(names.map((name) => [name, name])), prefixOf);
    expect([...named]).toEqual([
      ['first', 'a.b.first'],
      ['second', 'a.b.second'],
      ['ab.second', 'ab.second'],
      ['other', 'other'],
    ]);
  });
});
