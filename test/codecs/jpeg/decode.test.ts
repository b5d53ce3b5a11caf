/** The decoder as platforms call it: rows, sizes, memory, and places without WebAssembly. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { OpenRows, RowSink } from '../../../src/base/pixels.js';
import { decodeJpeg } from '../../../src/codecs/jpeg/decode.js';
import * as jpegJs from '../../../src/codecs/jpeg/jpeg-js.js';
import { DECODER_FILE, emitDecoder, withDecoder } from '../../../src/codecs/jpeg/module.js';
import { difference } from '../../helpers/difference.js';
import { jpeg } from '../../helpers/jpeg-files.js';
import { expectRefusal } from '../../helpers/pictures.js';

const dog = readFileSync(new URL('../../../examples/dog.jpg', import.meta.url));
const MB = 1024 * 1024;
const kept = () => withDecoder(({ memory }) => memory.bytes.length);

describe('rows', () => {
  it('come from the top down, each once, and are those of the picture', async () => {
    const whole = await decodeJpeg(dog, 'dog.jpg');
    const row = whole.width * whole.channels;
    let next = 0;
    let calls = 0;
    const open: OpenRows = (ahead) => {
      expect(ahead).toEqual({ width: whole.width, height: whole.height, channels: 3 });
      return {
        rows(data, first, count) {
          expect(first).toBe(next);
          expect(difference(data, whole.data.subarray(first * row, (first + count) * row)).max).toBe(0);
          next += count;
          calls++;
        },
      };
    };
    expect(await decodeJpeg(dog, 'dog.jpg', { open })).toEqual({ warnings: [] });
    expect(next).toBe(whole.height);
    expect(calls).toBeGreaterThan(whole.height / 20);
  });

  it('that nobody can take end the decoding, and the next picture is sound', async () => {
    const open: OpenRows = () => ({
      rows(_, first) {
        if (first > 50) throw new Error('no more');
      },
    });
    await expectRefusal(() => decodeJpeg(dog, 'dog.jpg', { open }), 'IMAGE', /dog\.jpg.*no more/);
    expect(
      difference((await decodeJpeg(dog, 'dog.jpg')).data, (await jpegJs.decodeJpeg(dog, 'dog.jpg')).data).mean,
    ).toBeLessThan(1);
  });

  it('are fewer at a scale, as Pillow’s draft rounds', async () => {
    const { width, height } = await decodeJpeg(dog, 'dog.jpg');
    for (const scale of [2, 4, 8] as const) {
      const small = await decodeJpeg(dog, 'dog.jpg', { scale });
      expect([small.width, small.height]).toEqual([Math.ceil(width / scale), Math.ceil(height / scale)]);
      expect(small.data.length).toBe(small.width * small.height * 3);
    }
  });
});

it('the file of the package holds what is emitted', () => {
  const file = readFileSync(new URL(`../../../dist/${DECODER_FILE}`, import.meta.url));
  expect(difference(file, emitDecoder()).max).toBe(0);
});

describe('memory', () => {
  const components = [1, 2, 3].map((id) => ({ id, value: 60 * id }));

  it('of a picture in one scan is the file and a few rows of it', async () => {
    const file = jpeg({ width: 4000, height: 3000, components });
    let rows = 0;
    const count: RowSink['rows'] = (_, __, more) => {
      rows += more;
    };
    await decodeJpeg(file, 'large', { open: () => ({ rows: count }) });
    expect(rows).toBe(3000);
    expect(await kept()).toBeLessThan(file.length + 2 * MB);
  });

  it('of a progressive one is all of its coefficients, and is not kept', async () => {
    const file = jpeg({ width: 4000, height: 3000, components, progressive: true });
    const open: OpenRows = () => ({ rows: () => {} });
    await decodeJpeg(file, 'large', { open });
    expect(await kept()).toBeLessThan(MB); // a decoder of its own, just made
    const small = jpeg({ width: 400, height: 300, components, progressive: true });
    await decodeJpeg(small, 'small', { open });
    expect(await kept()).toBeGreaterThan(400 * 300 * 3 * 2); // and that of a small one is
  });
});

describe('without WebAssembly', () => {
  const { Memory, compile } = WebAssembly;
  const COMPILING = { Memory, compile };
  function refusing(): never {
    throw new Error('CSP');
  }

  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  it.each([
    ['there is none', undefined],
    ['it may not be compiled', { compile: () => Promise.reject(new Error('CSP')) }],
    ['it may be compiled and not be used, as in WebKit', { ...COMPILING, Instance: refusing }],
  ])('where %s, jpeg-js decodes', async (_, replacement) => {
    const ours = await decodeJpeg(dog, 'dog.jpg');
    vi.resetModules();
    vi.stubGlobal('WebAssembly', replacement);
    const { decodeJpeg: anew } = await import('../../../src/codecs/jpeg/decode.js');
    await expect(anew(dog, 'dog.jpg')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    const plain = async () => jpegJs;
    const theirs = await anew(dog, 'dog.jpg', { plain });
    expect(difference(theirs.data, (await jpegJs.decodeJpeg(dog, 'dog.jpg')).data).max).toBe(0);
    expect(difference(theirs.data, ours.data).mean).toBeLessThan(1);
    const rows: number[] = [];
    const sink: RowSink = { rows: (_data, first, count) => rows.push(first, count) };
    await anew(dog, 'dog.jpg', { plain, open: () => sink });
    expect(rows).toEqual([0, theirs.height]);
  });
});
