/** Against Pillow and torchvision (test/goldens/train/augment.py), and what random crops have to be. */
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { describe, expect, it, test } from 'vitest';
import type { Pixels } from '../../src/base/pixels.js';
import { jsPasses } from '../../src/images/resize/js.js';
import { resize } from '../../src/images/resize/resize.js';
import { wasmPasses } from '../../src/images/resize/wasm.js';
import { type Augmentation, applyChange, COLOR_CHANGES, drawChange } from '../../src/train/data/augment.js';
import { Random } from '../../src/train/random.js';
import { makePixels } from '../helpers/processor-inputs.js';

const { boxes, colors } = JSON.parse(readFileSync(new URL('../goldens/train/augment.json', import.meta.url), 'utf8'));

const PLAIN: Augmentation = {
  scale: [0.08, 1],
  ratio: [3 / 4, 4 / 3],
  flip: 0,
  brightness: 0,
  contrast: 0,
  saturation: 0,
};
const sizeOf = (width: number, height: number) => ({ width, height });

describe.each([
  ['js', jsPasses],
  ['wasm', wasmPasses],
])('%s', (_, make) => {
  it('resizes a part of a picture as Pillow does', () => {
    expect(boxes).toHaveLength(120);
    for (const { width, height, channels, box, size, resample, crc } of boxes) {
      const image = makePixels('noise', width, height, channels);
      const { data } = resize(image, size[0], size[1], resample, undefined, make, box);
      expect(crc32(data), JSON.stringify({ width, height, channels, box, size, resample })).toBe(crc);
    }
  });
});

test('a box that leaves the picture is refused', () => {
  const box = { left: 3, top: 0, width: 8, height: 5 };
  expect(() => resize(makePixels('noise', 10, 10), 4, 4, 2, undefined, undefined, box)).toThrow(
    'resize: box 8×5 at (3, 0) is not inside 10×10',
  );
});

test('colors change as in torchvision', () => {
  expect(colors).toHaveLength(60);
  for (const { width, height, seed, name, factor, crc } of colors) {
    const { data } = makePixels('noise', width, height, 3, seed);
    COLOR_CHANGES[name as 'contrast'](data, factor);
    expect(crc32(data), `${name} ${factor}`).toBe(crc);
  }
});

describe('drawChange', () => {
  it('crops parts of the asked area and shape, all over the picture', () => {
    const shapes: number[] = [];
    const shares: number[] = [];
    const reached = { left: false, top: false, right: false, bottom: false };
    for (let i = 0; i < 4000; i++) {
      const { crop } = drawChange(PLAIN, sizeOf(100, 80), Random.at(1, 0, i));
      expect(crop.left + crop.width).toBeLessThanOrEqual(100);
      expect(crop.top + crop.height).toBeLessThanOrEqual(80);
      shares.push((crop.width * crop.height) / 8000);
      shapes.push(crop.width / crop.height);
      reached.left ||= crop.left === 0;
      reached.top ||= crop.top === 0;
      reached.right ||= crop.left + crop.width === 100;
      reached.bottom ||= crop.top + crop.height === 80;
    }
    expect(reached).toEqual({ left: true, top: true, right: true, bottom: true });
    // A pixel of rounding: the smallest crops are 28 wide.
    expect(Math.min(...shares)).toBeGreaterThan(0.075);
    expect(Math.max(...shares)).toBeGreaterThan(0.95);
    expect(Math.min(...shapes)).toBeGreaterThan(0.72);
    expect(Math.max(...shapes)).toBeLessThan(1.38);
    // Of a square picture, as many are upright as lie: the standard deviation is 16 of 2000.
    const square = Array.from({ length: 4000 }, (_, i) => drawChange(PLAIN, sizeOf(400, 400), Random.at(2, 0, i)).crop);
    expect(Math.abs(square.filter(({ width, height }) => width < height).length - 2000)).toBeLessThan(100);
  });

  it('takes the middle where no crop fits', () => {
    const { crop } = drawChange({ ...PLAIN, scale: [1, 1] }, sizeOf(300, 10), Random.at(1));
    expect(crop).toEqual({ left: 143, top: 0, width: 13, height: 10 });
    const tall = drawChange({ ...PLAIN, scale: [1, 1] }, sizeOf(10, 300), Random.at(1));
    expect(tall.crop).toEqual({ left: 0, top: 143, width: 10, height: 13 });
  });

  it('depends on the seed, the epoch and the picture alone', () => {
    const jitter = { ...PLAIN, flip: 0.5, brightness: 0.4, contrast: 0.4, saturation: 0.4 };
    const draw = (...key: number[]) => drawChange(jitter, sizeOf(640, 480), Random.at(...key));
    expect(draw(1, 2, 3)).toEqual(draw(1, 2, 3));
    const all = new Set(
      [draw(1, 2, 3), draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4)].map((each) => JSON.stringify(each)),
    );
    expect(all.size).toBe(4);
    const orders = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const { colors } = draw(1, 0, i);
      orders.add(colors.map(([name]) => name).join());
      for (const [, factor] of colors) expect(Math.abs(factor - 1)).toBeLessThanOrEqual(0.4);
    }
    expect(orders.size).toBe(6);
  });

  it('leaves colors alone that are not to change', () => {
    const { colors, flip } = drawChange(PLAIN, sizeOf(9, 9), Random.at(1));
    expect([colors, flip]).toEqual([[], false]);
  });
});

test('a mask goes along with its picture', () => {
  // Every pixel's red is its class times ten: after the same change a class is where its color is.
  const mask = makePixels('labels', 40, 30, 1);
  const image: Pixels = { ...mask, channels: 3, data: new Uint8Array(40 * 30 * 3) };
  for (let i = 0; i < mask.data.length; i++) image.data.fill(mask.data[i]! % 7, 3 * i, 3 * i + 3);
  const crop = { left: 5, top: 4, width: 20, height: 10 };
  for (const flip of [false, true]) {
    const change = { crop, flip, colors: [] };
    const small = applyChange(image, change, 20, 10, 0);
    const classes = applyChange(mask, change, 20, 10, 0);
    expect([...classes.data].map((id) => id % 7)).toEqual([...small.data].filter((_, i) => i % 3 === 0));
    expect(classes.data[flip ? 19 : 0]).toBe(mask.data[4 * 40 + 5]);
  }
});
