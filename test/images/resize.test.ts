import { expect, test, vi } from 'vitest';
import { env } from '../../src/base/env.js';
import { MobileNetError } from '../../src/base/errors.js';
import type { Pixels } from '../../src/base/pixels.js';
import { Resampling, type ResamplingNumber, resamplingNumber } from '../../src/images/resize/filters.js';
import { jsPasses } from '../../src/images/resize/js.js';
import { resize } from '../../src/images/resize/resize.js';
import { resizeRows } from '../../src/images/resize/rows.js';
import { wasmPasses } from '../../src/images/resize/wasm.js';
import { makePixels } from '../helpers/processor-inputs.js';

// That the pixels are Pillow's is held by the goldens of image-processor.test.ts, for every filter.

const FILTERS = Object.values(Resampling);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof MobileNetError) return error.code;
  }
  return 'no MobileNetError';
}

test.each(FILTERS)('filter %i: a window holds the same bytes as the whole, cropped', (filter) => {
  for (const channels of [1, 3, 4]) {
    const image = makePixels('noise', 37, 53, channels);
    for (const [width, height] of [
      [20, 70],
      [70, 20],
      [90, 91],
      [11, 9],
      [37, 53],
    ] as const) {
      const whole = resize(image, width, height, filter);
      const window = { left: 3, top: 2, width: width - 5, height: height - 4 };
      const part = resize(image, width, height, filter, window);
      const cropped = [];
      for (let y = 0; y < window.height; y++) {
        const from = ((y + window.top) * width + window.left) * channels;
        cropped.push(...whole.data.subarray(from, from + window.width * channels));
      }
      expect([...part.data]).toEqual(cropped);
      expect([part.width, part.height, part.channels]).toEqual([window.width, window.height, channels]);
    }
  }
});

test.each(FILTERS)('filter %i: a flat picture stays flat, and the same size stays the same', (filter) => {
  const flat = { data: new Uint8Array(7 * 5 * 3).fill(201), width: 7, height: 5, channels: 3 };
  expect(new Set(resize(flat, 13, 3, filter).data)).toEqual(new Set([201]));
  const rgba = makePixels('noise', 9, 8, 4);
  expect([...resize(rgba, 9, 8, filter).data]).toEqual([...rgba.data]);
});

test('invisible colours do not bleed into visible ones', () => {
  // Left half: red but fully transparent; right half: opaque blue.
  const data = Uint8Array.from(
    { length: 8 * 4 },
    (_, i) => [255, 0, 0, 0, 0, 0, 255, 255][(i % 4) + (i < 16 ? 0 : 4)]!,
  );
  const { data: small } = resize({ data, width: 8, height: 1, channels: 4 }, 3, 1);
  for (let i = 0; i < small.length; i += 4) expect(small[i]).toBe(0);
});

test('the source is left alone', () => {
  for (const channels of [1, 3, 4]) {
    const image = makePixels('noise', 12, 10, channels);
    const before = [...image.data];
    for (const filter of FILTERS) resize(image, 5, 20, filter);
    expect([...image.data]).toEqual(before);
  }
});

test('filters have numbers and names', () => {
  expect(resamplingNumber('BILINEAR')).toBe(2);
  expect(resamplingNumber(3)).toBe(3);
  for (const unknown of [6, -1, 2.5, '2', 'cubic', 'toString', null, undefined, true]) {
    expect(resamplingNumber(unknown)).toBeUndefined();
  }
  const image = makePixels('noise', 5, 5);
  expect(resize(image, 3, 3, 'bicubic').data).toEqual(resize(image, 3, 3, 3).data);
});

test('a 1×10000 picture to 256×2560000 costs only its window', () => {
  const image = makePixels('noise', 1, 10_000);
  const part = resize(image, 256, 2_560_000, 2, { left: 16, top: 1_279_888, width: 224, height: 224 });
  expect(part.data.length).toBe(224 * 224 * 3);
});

/** `toEqual` takes minutes for so many bytes. */
function expectSame(a: Pick<Pixels, 'data'>, b: Pick<Pixels, 'data'>, what?: string): void {
  const [bytes, wanted] = [a, b].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.length));
  expect(Buffer.compare(bytes!, wanted!), what).toBe(0);
}

/** Sizes, and windows in them: all edges of both, larger and smaller, rows first and columns first. */
const SHAPES = [1, 2, 5, 17, 64, 83].flatMap((width) =>
  [1, 3, 16, 61, 150].flatMap((height) =>
    [
      [1, 1],
      [3, 2],
      [16, 16],
      [29, 61],
      [100, 7],
      [5, 160],
    ].map(([toWidth, toHeight], i) => {
      const left = i % 3 === 0 ? 0 : Math.floor(toWidth! / 3);
      const top = i % 2 === 0 ? 0 : Math.floor(toHeight! / 4);
      const window = { left, top, width: Math.ceil((toWidth! - left) / 2), height: toHeight! - top };
      return { width, height, toWidth: toWidth!, toHeight: toHeight!, window };
    }),
  ),
);

test.each(FILTERS)('filter %i: emitted code makes the same bytes as JavaScript', (filter) => {
  for (const { width, height, toWidth, toHeight, window } of SHAPES) {
    for (const channels of [1, 3, 4]) {
      // Black and white make sums overshoot most.
      const image = makePixels('noise', width, height, channels, width + height);
      const extreme = { ...image, data: image.data.map((value) => (value < 128 ? 0 : 255)) };
      for (const source of [image, extreme]) {
        const [js, wasm] = [jsPasses, wasmPasses].map((make) =>
          resize(source, toWidth, toHeight, filter, window, make),
        );
        expectSame(wasm!, js!, `${width}×${height}×${channels} to ${toWidth}×${toHeight}`);
      }
    }
  }
});

test.each(FILTERS)('filter %i: rows may come a few at a time, and alpha may be dropped on the way', (filter) => {
  for (const { width, height, toWidth, toHeight, window } of SHAPES) {
    const rgba = makePixels('noise', width, height, 4);
    const rgb = { ...makePixels('noise', width, height, 3), data: rgba.data.filter((_, i) => i % 4 < 3) };
    const wanted = resize(rgb, toWidth, toHeight, filter, window);
    for (const { source, step, make } of [
      { source: rgba, step: 1, make: wasmPasses },
      { source: rgba, step: 16, make: jsPasses },
      { source: rgb, step: 7, make: wasmPasses },
      { source: rgb, step: height, make: jsPasses },
    ]) {
      const rows: number[][] = [];
      const plan = { source, width: toWidth, height: toHeight, filter, window, channels: 3 };
      const resizer = resizeRows(plan, (row, y) => expect(rows.push([...row])).toBe(y + 1), make);
      for (let row = 0; row < height; row += step) {
        const count = Math.min(step, height - row);
        const bytes = width * source.channels;
        const data = source.data.slice(row * bytes, (row + count) * bytes);
        resizer.rows(data, row, count);
        data.fill(0); // it was not kept
      }
      resizer.close();
      expectSame({ data: Uint8Array.from(rows.flat()) }, wanted);
    }
  }
});

test('where WebAssembly is refused JavaScript does it all, and nothing is said', async () => {
  vi.resetModules();
  function refused(): never {
    throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder');
  }
  const refuse = vi.spyOn(WebAssembly, 'Module').mockImplementation(refused);
  try {
    const fresh = await import('../../src/images/resize/resize.js');
    const image = makePixels('noise', 600, 500);
    const wanted = resize(image, 256, 256, 2, undefined, jsPasses);
    for (let i = 0; i < 3; i++) expectSame(fresh.resize(image, 256, 256), wanted);
    expect(refuse).toHaveBeenCalledOnce();
  } finally {
    refuse.mockRestore();
  }
});

test('pictures that are resized side by side do not share memory', () => {
  const images = [1, 2, 3].map((seed) => makePixels('noise', 64, 64, 3, seed));
  const window = { left: 0, top: 0, width: 20, height: 20 };
  const results = images.map(() => [] as number[]);
  const resizers = images.map((source, i) =>
    resizeRows(
      { source, width: 20, height: 20, filter: 2, window, channels: 3 },
      (row) => results[i]!.push(...row),
      wasmPasses,
    ),
  );
  for (let row = 0; row < 64; row++) {
    for (const [i, image] of images.entries()) resizers[i]!.rows(image.data.subarray(row * 192), row, 1);
  }
  for (const resizer of resizers) resizer.close();
  for (const [i, image] of images.entries()) expect(results[i]).toEqual([...resize(image, 20, 20).data]);
});

test('a large picture takes little memory, and the next one the same again', () => {
  const image = { data: new Uint8Array(3000 * 2000 * 3).fill(9), width: 3000, height: 2000, channels: 3 };
  const memories = new Set<ArrayBufferLike>();
  const make: typeof wasmPasses = (spec) => {
    const passes = wasmPasses(spec);
    memories.add(passes.memory.buffer);
    return passes;
  };
  for (let i = 0; i < 3; i++) resize(image, 384, 256, 2, { left: 80, top: 16, width: 224, height: 224 }, make);
  expect(memories.size).toBe(1);
  for (const { byteLength } of memories) expect(byteLength).toBeLessThan(2 ** 20);
});

test('impossible sizes are refused before memory is taken', () => {
  const image = makePixels('noise', 4, 4);
  for (const size of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(codeOf(() => resize(image, size, 3))).toBe('ARG');
    expect(codeOf(() => resize(image, 3, size))).toBe('ARG');
  }
  expect(codeOf(() => resize(image, 1e9, 1e9))).toBe('LIMIT');
  expect(codeOf(() => resize(image, 1, 1e9))).toBe('LIMIT');
  expect(codeOf(() => resize(image, 3, 3, 7 as ResamplingNumber))).toBe('ARG');
  expect(codeOf(() => resize(image, 3, 3, 2, { left: 1, top: 0, width: 3, height: 3 }))).toBe('ARG');
  const { imagePixels } = env.limits;
  env.limits.imagePixels = 99;
  try {
    expect(codeOf(() => resize(image, 10, 10))).toBe('LIMIT');
    expect(resize(image, 11, 9).width).toBe(11);
  } finally {
    env.limits.imagePixels = imagePixels;
  }
});

test('pictures whose parts do not fit are refused', () => {
  const image = makePixels('noise', 4, 4);
  const detached = makePixels('noise', 4, 4);
  structuredClone(detached.data, { transfer: [detached.data.buffer as ArrayBuffer] });
  for (const broken of [
    null,
    'cat.png',
    {},
    { ...image, width: 5 },
    { ...image, width: 0 },
    { ...image, height: -4 },
    { ...image, width: 1e9, height: 1e9 },
    { ...image, channels: 2 },
    { ...image, channels: undefined },
    { ...image, data: [...image.data] },
    { ...image, data: new Float32Array(48) },
    detached,
  ]) {
    expect(codeOf(() => resize(broken as typeof image, 3, 3))).toBe('ARG');
  }
});
