/** HDF5 as h5py writes it, and as nobody does. The files and their recipe are in test/goldens/convert. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { env } from '../../src/base/env.js';
import { Hdf5 } from '../../src/formats/hdf5.js';
import { toFloat32 } from '../../src/formats/stored.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { webPlatform } from '../../src/platforms/web.js';
import { hdf5 as fileOf } from '../helpers/hdf5-files.js';
import { concat, expectError, fuzzAsync, int, utf8 } from '../helpers/weight-files.js';

const file = 'model.h5';
const golden = (name: string) => new Uint8Array(readFileSync(new URL(`../goldens/convert/${name}`, import.meta.url)));
const [earliest, latest, dense] = ['earliest.h5', 'latest.h5', 'dense.h5'].map(golden);
const oneChunk = golden('one-chunk.h5');
const chunked = new Uint8Array(gunzipSync(golden('chunked.h5.gz')));
const keras = new Uint8Array(gunzipSync(golden('sequential.h5.gz')));
const open = (bytes: Uint8Array) => new Hdf5(bytes, { file });
const TEXTS = ['text', 'texts', 'variable', 'number', 'absent'];

/** Everything a caller can ask of a file. */
async function readAll(bytes: Uint8Array): Promise<void> {
  const hdf5 = open(bytes);
  for (const path of ['', 'group', 'group/inner', 'model_weights'])
    for (const name of TEXTS) hdf5.attribute(path, name);
  for (const dataset of hdf5.datasets.values()) {
    await hdf5.read(dataset).catch((error) => {
      if (error.code === undefined) throw error;
    });
  }
}

beforeAll(() => {
  env.platform = nodePlatform;
});

describe.each([
  ['superblock 0, groups of tables', earliest],
  ['superblock 3, groups of links', latest],
])('%s', (_, bytes) => {
  const hdf5 = open(bytes);
  const read = async (path: string) => hdf5.read(hdf5.datasets.get(path)!);

  test('finds every dataset', () => {
    const found = [...hdf5.datasets.values()].map(({ path, dtype, dims }) => `${path} ${dtype} [${dims}]`);
    expect(found.sort()).toEqual([
      'group/f16 F16 [2,3,4]',
      'group/f32 F32 [2,3,4]',
      'group/f64 F64 [2,3,4]',
      'group/i64 I64 []',
      'group/inner/empty F32 [0,3]',
      'group/inner/u8 U8 [7]',
    ]);
  });

  test('reads numbers of several types', async () => {
    const eighths = Array.from({ length: 24 }, (_, i) => i / 8);
    expect([...toFloat32(await read('group/f32')).data]).toEqual(eighths);
    expect([...toFloat32(await read('group/f16')).data]).toEqual(eighths);
    const doubles = await read('group/f64');
    expect([...new Float64Array(doubles.bytes.slice().buffer)]).toEqual(eighths);
    expect([...(await read('group/inner/u8')).bytes]).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect([...(await read('group/i64')).bytes]).toEqual([5, 0, 0, 0, 0, 0, 0, 0]);
    expect((await read('group/inner/empty')).bytes).toHaveLength(0);
  });

  test('gives the place of data in the file', async () => {
    const { offset, bytes: data } = await read('group/f32');
    expect([...bytes.subarray(offset, offset + data.length)]).toEqual([...data]);
  });

  test('reads attributes that are texts, of fixed and of variable length', () => {
    expect(hdf5.attribute('', 'text')).toBe('grüße');
    expect(hdf5.attribute('', 'texts')).toEqual(['one', 'three']);
    expect(hdf5.attribute('', 'variable')).toEqual(['a', '', 'longer than the others']);
    expect(hdf5.attribute('group', 'name')).toBe('a group');
    expect(hdf5.attribute('', 'number')).toBeUndefined();
    expect(hdf5.attribute('', 'absent')).toBeUndefined();
    expect(hdf5.attribute('nowhere', 'text')).toBeUndefined();
  });
});

describe('chunks', () => {
  const hdf5 = open(chunked);
  const expected = Array.from({ length: 50 * 70 }, (_, i) => i % 251);

  test.each(['plain', 'gzip', 'all', 'many'])('%s', async (name) => {
    expect([...toFloat32(await hdf5.read(hdf5.datasets.get(name)!)).data]).toEqual(expected);
  });

  test.each(['plain', 'gzip'])('%s, one that is the whole dataset', async (name) => {
    const one = open(oneChunk);
    const eighths = Array.from({ length: 24 }, (_, i) => i / 8);
    expect([...toFloat32(await one.read(one.datasets.get(name)!)).data]).toEqual(eighths);
  });

  test('are unpacked by a browser too', async () => {
    env.platform = { ...webPlatform };
    try {
      expect([...toFloat32(await hdf5.read(hdf5.datasets.get('all')!)).data]).toEqual(expected);
    } finally {
      env.platform = nodePlatform;
    }
  });

  test('a group of forty links keeps their order', () => {
    const links = [...hdf5.datasets.keys()].filter((path) => path.startsWith('many links/'));
    expect(links).toEqual(Array.from({ length: 40 }, (_, i) => `many links/${String(i).padStart(2, '0')}`));
  });

  test.each([
    ['lzf', 'UNSUPPORTED', 'filter 32000'],
    ['text', 'DTYPE', 'variable text'],
    ['big-endian', 'DTYPE', 'big-endian'],
    ['nothing', 'LAYOUT', 'has no data'],
  ] as const)('refuses %s by name', (name, code, says) =>
    expectError(() => hdf5.read(hdf5.datasets.get(name)!), { code, file, tensor: name, says: [says] }),
  );
});

describe('refuses', () => {
  const refuses = (name: string, bytes: () => Uint8Array, expected: Parameters<typeof expectError>[1]) =>
    test(name, () => expectError(() => open(bytes()), { file, ...expected }));
  /** A copy with other bytes from `at` on. */
  const patched = (bytes: Uint8Array, at: number, ...values: Uint8Array[]) => {
    const copy = bytes.slice();
    copy.set(concat(...values), at);
    return copy;
  };
  const find = (bytes: Uint8Array, text: string, from = 0) => Buffer.from(bytes).indexOf(text, from, 'latin1');

  refuses('another file', () => utf8('PK is no HDF5'), { code: 'BAD_HEADER', offset: 0 });
  refuses('a version of the superblock that is not there yet', () => patched(earliest, 8, int(9, 1)), {
    code: 'UNSUPPORTED',
    offset: 8,
  });
  refuses('addresses of 3 bytes', () => patched(earliest, 13, int(3, 1)), { code: 'UNSUPPORTED' });
  refuses('a file after something else', () => patched(earliest, 24, int(512, 8)), { code: 'UNSUPPORTED' });
  refuses('a file that was cut', () => earliest.slice(0, -1), { code: 'TRUNCATED', says: ['download it again'] });
  refuses('a root that is nowhere', () => patched(earliest, 64, int(2n ** 63n, 8)), { code: 'LAYOUT' });
  refuses('a root without an address', () => patched(earliest, 64, int(-1n, 8)), { code: 'LAYOUT' });
  refuses('links in a fractal heap', () => dense, { code: 'UNSUPPORTED', says: ['libver'] });
  refuses(
    'a tree that leads back to itself',
    () => {
      // The root's tree: a node of level 1 whose only child is the node itself.
      const at = find(earliest, 'TREE');
      return patched(
        patched(earliest, at + 5, int(0, 1), int(1, 2)),
        at + 5,
        int(1, 1),
        int(1, 2),
        int(-1n, 8),
        int(-1n, 8),
        int(0, 8),
        int(at, 8),
      );
    },
    { code: 'LAYOUT' },
  );
  refuses(
    'a header that goes on in itself',
    () => {
      // The first message of the root (object header version 1) becomes a continuation at that very message.
      const root = Number(new DataView(earliest.buffer, earliest.byteOffset).getBigUint64(64, true));
      const message = root + 16;
      return patched(
        patched(earliest, root + 2, int(0xffff, 2)),
        message,
        int(0x10, 2),
        int(16, 2),
        int(0, 4),
        int(message, 8),
        int(24, 8),
      );
    },
    { code: 'LIMIT' },
  );

  test('dims too large to count', async () => {
    const at = find(earliest, 'TREE');
    expect(at).toBeGreaterThan(0);
    const hdf5 = open(earliest);
    const { offset } = hdf5.datasets.get('group/f32')!;
    // The dataspace message: version 1, rank 3, flags 1, then dims.
    const space = find(earliest, '\x01\x03\x01\0\0\0\0\0', offset);
    const wild = open(patched(earliest, space + 8, int(2n ** 62n, 8), int(2n ** 62n, 8)));
    const { code } = await wild.read(wild.datasets.get('group/f32')!).catch((error) => error);
    expect(code).toBe('SHAPE');
  });

  test('more data than the file has, without taking memory for it', async () => {
    const { offset } = open(earliest).datasets.get('group/f32')!;
    const space = find(earliest, '\x01\x03\x01\0\0\0\0\0', offset);
    const wild = open(patched(earliest, space + 8, int(50_000, 8), int(50_000, 8)));
    await expectError(() => wild.read(wild.datasets.get('group/f32')!), { code: 'LAYOUT', tensor: 'group/f32' });
  });

  test('chunks that unpack to more than a file can hold', async () => {
    const { offset } = open(chunked).datasets.get('gzip')!;
    // Chunks of 16×32 elements, and the element's 4 bytes, as the layout message ends.
    const layout = find(chunked, String.fromCharCode(16, 0, 0, 0, 32, 0, 0, 0, 4), offset);
    const wild = open(patched(chunked, layout, int(60_000, 4), int(60_000, 4)));
    await expectError(() => wild.read(wild.datasets.get('gzip')!), { code: 'LAYOUT', tensor: 'gzip' });
  });
});

describe('a file whose parts do not agree', () => {
  const little = fileOf(new Map([['w', { dims: [1000], chunk: 1000 }]]));
  /** Every 1000 in `little` becomes another number: those of its dims and of its chunk. */
  const withLength = (length: number) => {
    const copy = Buffer.from(little);
    for (let at = copy.indexOf(int(1000, 4)); at >= 0; at = copy.indexOf(int(1000, 4), at + 1))
      copy.writeUInt32LE(length, at);
    return new Uint8Array(copy);
  };
  const read = (bytes: Uint8Array) => {
    const hdf5 = open(bytes);
    return hdf5.read(hdf5.datasets.get('w')!);
  };

  test('a chunk of which far too little is stored, without taking memory for it', async () => {
    expect((await read(little)).bytes.length).toBe(1000 * 4);
    const says = ['a chunk takes 1200000000 bytes'];
    await expectError(() => read(withLength(300_000_000)), { code: 'LAYOUT', tensor: 'w', says });
  });

  test.each([0, 40])('chunks of %i dims', async (rank) => {
    const copy = Buffer.from(little);
    // The layout message: version 3, chunked, dims and one for the element.
    const at = copy.indexOf(Uint8Array.of(3, 2, 2));
    expect(at).toBeGreaterThan(0);
    copy[at + 2] = rank + 1;
    await expectError(() => open(new Uint8Array(copy)), { code: 'SHAPE', says: ['chunks of 1 to', `got ${rank}`] });
  });

  test('a message that is shorter than it says is no file that was cut', async () => {
    const copy = Buffer.from(little);
    // The dataspace message: version 1, rank 1.
    const at = copy.indexOf(Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0, 0xe8, 3));
    expect(at).toBeGreaterThan(0);
    copy[at + 1] = 30;
    await expectError(() => open(new Uint8Array(copy)), { code: 'LAYOUT' });
  });
});

describe('damage', () => {
  test.each([
    ['earliest', earliest],
    ['latest', latest],
    ['chunked', chunked],
  ])('%s cut at every place', async (_, bytes) => {
    const step = Math.max(1, Math.floor(bytes.length / 3000));
    for (let length = 0; length < bytes.length; length += step) {
      const cut = bytes.slice(0, length);
      await expectError(() => readAll(cut), { code: length < 8 ? 'BAD_HEADER' : 'TRUNCATED', file });
    }
  });

  test('places that the superblock does not count are still checked', async () => {
    // With the end of file in the superblock lowered too, every later read has to notice by itself.
    const results = new Set<string>();
    for (let length = 100; length < earliest.length; length += 97) {
      const cut = earliest.slice(0, length);
      cut.set(int(length, 8), 40);
      results.add(
        await readAll(cut).then(
          () => 'read',
          (error) => error.code,
        ),
      );
    }
    expect([...results].every((code) => ['TRUNCATED', 'LAYOUT', 'read'].includes(code))).toBe(true);
    expect(results).toContain('TRUNCATED');
  });

  test.each([
    ['10,000 small files', earliest, 10_000, 21],
    ['10,000 small files of the new format', latest, 10_000, 22],
    ['1,000 with chunks', chunked, 1_000, 23],
    ['100 models', keras, 100, 24],
  ] as const)('%s', async (_, bytes, count, seed) => {
    const survived = await fuzzAsync(bytes, count, seed, readAll);
    // Else the mutations would be too coarse to get anywhere.
    expect(survived).toBeGreaterThan(0);
  });
});
