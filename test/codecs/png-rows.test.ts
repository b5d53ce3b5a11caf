/**
 * Rows of every kind against pngjs: random bytes after random filters are a sound PNG, and nothing in it is tame. By both
 * kernels, WebAssembly and plain JavaScript, with every inflater, in shapes that are all width or all height, and damaged.
 */
import { crc32, deflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { inflatedBytes, pngPasses, readPng } from '../../src/codecs/png/header.js';
import { bytesOf, chunk, type Header, IEND, ihdr, png } from '../helpers/png-files.js';
import { randomNumbers } from '../helpers/random.js';

const KINDS: readonly (readonly [colourType: number, depth: number])[] = [
  [0, 1], [0, 2], [0, 4], [0, 8], [0, 16], [2, 8], [2, 16], [3, 1], [3, 2], [3, 4], [3, 8], [4, 8], [4, 16], [6, 8], [6, 16],
]; // biome-ignore format: a table

interface Size {
  width: number;
  height: number;
  interlace?: number;
}

/** Random filters and random filtered bytes. */
function randomPng(header: Header & Size, seed: number): Uint8Array {
  const random = randomNumbers(seed);
  const { depth = 8, colourType = 0 } = header;
  const colours = Uint8Array.from({ length: 3 << depth }, () => random() * 256);
  const start = png(ihdr(header), ...(colourType === 3 ? [chunk('PLTE', colours)] : []));
  const layout = readPng(bytesOf(start, chunk('IDAT', [0]), IEND), 'made');
  const data = new Uint8Array(inflatedBytes(layout));
  let at = 0;
  for (const { rows, rowBytes } of pngPasses(layout)) {
    for (let y = 0; y < rows; y++) {
      data[at++] = random() * 5;
      const end = at + rowBytes;
      for (let i = at; i < end; i++) data[i] = random() * 256;
      at = end;
    }
  }
  return Buffer.concat([start, idatOf(deflateSync(data, { level: 1 })), IEND]);
}

/** As `chunk`, which is made for few bytes. */
function idatOf(data: Uint8Array): Buffer {
  const out = Buffer.concat([Buffer.from('\0\0\0\0IDAT'), data, Buffer.alloc(4)]);
  out.writeUInt32BE(data.length, 0);
  out.writeUInt32BE(crc32(out.subarray(4, -4)), out.length - 4);
  return out;
}

/** What pngjs makes of it, without alpha and lower bytes. */
function oracle(bytes: Uint8Array, colourType: number, depth: number): Uint8Array {
  const { data } = PNG.sync.read(Buffer.from(bytes), { skipRescale: depth === 16 } as object);
  const channels = colourType === 0 || colourType === 4 ? 1 : 3;
  const out = new Uint8Array((data.length / 4) * channels);
  for (let i = 0, to = 0; i < data.length; i += 4) {
    for (let c = 0; c < channels; c++) out[to++] = depth === 16 ? data[i + c] >> 8 : data[i + c];
  }
  return out;
}

/** `toEqual` takes seconds for megabytes. */
const same = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
  Buffer.from(a as Uint8Array).equals(Buffer.from(b as Uint8Array));

const PLACES = {
  'zlib and WebAssembly': { wasm: true, inflate: 'node' },
  'DecompressionStream and plain JavaScript': { wasm: false, inflate: 'edge' },
  'our inflater and WebAssembly': { wasm: true, inflate: 'none' },
} as const;

describe.each(Object.entries(PLACES))('%s', (_, { wasm, inflate }) => {
  let decodePng: typeof import('../../src/codecs/png/decode.js').decodePng;

  // A module anew, since one keeps the memory of an earlier picture, and so its kernel.
  beforeAll(async () => {
    if (!wasm) vi.stubGlobal('WebAssembly', undefined);
    vi.resetModules();
    const { env } = await import('../../src/base/env.js');
    const { nodePlatform } = await import('../../src/platforms/node/platform.js');
    const { edgePlatform } = await import('../../src/platforms/edge.js');
    env.platform = { node: nodePlatform, edge: edgePlatform, none: {} }[inflate];
    ({ decodePng } = await import('../../src/codecs/png/decode.js'));
  });
  afterAll(() => void vi.unstubAllGlobals());

  async function expectSame(bytes: Uint8Array, colourType: number, depth: number, what: string): Promise<void> {
    const { data, warnings } = await decodePng(bytes, what);
    expect(same(data, oracle(bytes, colourType, depth)), what).toBe(true);
    expect(warnings).toEqual([]);
  }

  it.each(KINDS)('color type %i of %i bits, in small sizes', async (colourType, depth) => {
    for (const width of [...Array(18).keys(), 32].map((w) => w + 1)) {
      for (const height of [1, 2, 9]) {
        for (const interlace of [0, 1]) {
          const bytes = randomPng({ width, height, depth, colourType, interlace }, width * 100 + height);
          await expectSame(bytes, colourType, depth, `${width}×${height}, interlace ${interlace}`);
        }
      }
    }
  });

  it.each(KINDS)('color type %i of %i bits, wider than is done at once', async (colourType, depth) => {
    const sizes: Size[] = [
      { width: 8192, height: 3 },
      { width: 8193, height: 3 },
      { width: 20_011, height: 1 },
      { width: 16_385, height: 2 },
      { width: 66_000, height: 3, interlace: 1 },
      { width: 700, height: 100 },
    ];
    for (const [seed, size] of sizes.entries()) {
      const bytes = randomPng({ ...size, depth, colourType }, seed);
      await expectSame(bytes, colourType, depth, `${size.width}×${size.height}`);
    }
  });

  it('as thin as they come', async () => {
    for (const [colourType, depth] of [
      [0, 1],
      [0, 8],
      [2, 8],
      [6, 16],
    ] as const) {
      for (const interlace of [0, 1]) {
        const bytes = randomPng({ width: 1, height: 70_000, depth, colourType, interlace }, depth);
        await expectSame(bytes, colourType, depth, `type ${colourType}, ${depth} bits, interlace ${interlace}`);
      }
    }
  });

  it('damage within megabytes: refused, or the pixels are those of the file', async () => {
    const random = randomNumbers(14);
    const good = randomPng({ width: 300, height: 200, colourType: 2 }, 5);
    const { data } = await decodePng(good, 'good');
    const end = good.length - 12 - 4;
    for (let round = 0; round < 30; round++) {
      const bytes = Buffer.from(good);
      bytes[33 + 8 + Math.floor(random() * (end - 41))] ^= 1 << Math.floor(random() * 8);
      bytes.writeUInt32BE(crc32(bytes.subarray(37, end)), end); // so that it is the stream that tells
      const got = await decodePng(bytes, 'damaged').catch((error) => error);
      if ('code' in got) expect(got.code).toBe('IMAGE');
      else expect(same(got.data, data)).toBe(true);
    }
    const cut = Buffer.concat([good.subarray(0, good.length >> 1)]);
    await expect(decodePng(cut, 'cut')).rejects.toMatchObject({ code: 'IMAGE' });
    await expectSame(good, 2, 8, 'the good one, after all of them');
  });

  it('a picture that would need more bytes than its data can become is refused at once', async () => {
    const bytes = bytesOf(png(ihdr({ width: 7000, height: 7000 }), chunk('IDAT', new Uint8Array(40_000)), IEND));
    await expect(decodePng(bytes, 'bomb')).rejects.toThrow(/expected 49007000 bytes .*, got 40000 compressed ones/);
  });

  it('many at once', async () => {
    const files = KINDS.map(([colourType, depth], i) =>
      randomPng({ width: 500 + i, height: 300, colourType, depth, interlace: i & 1 }, i),
    );
    const images = await Promise.all(files.map((bytes) => decodePng(bytes, 'one of many')));
    for (const [i, { data }] of images.entries()) expect(same(data, oracle(files[i], ...KINDS[i]))).toBe(true);
  });
});
