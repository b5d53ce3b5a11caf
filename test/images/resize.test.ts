import { expect, test } from 'vitest';
import { env } from '../../src/base/env.js';
import { MobileNetError } from '../../src/base/errors.js';
import { Resampling, type ResamplingNumber, resamplingNumber, resize } from '../../src/images/resize.js';
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
