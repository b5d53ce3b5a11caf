/** EXIF orientation: reading it from sound and broken blocks, and turning pictures, with ndarray as the oracle. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyOrientation, exifOrientation, type Orientation } from '../../src/images/exif.js';
import { fromNdarray, hwcView, type NdArray } from '../../src/tensor/ndarray.js';
import { exifBlock } from '../helpers/jpeg-files.js';
import { bytesOf } from '../helpers/png-files.js';

describe('exifOrientation', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('%i in both byte orders, as SHORT and as LONG', (value) => {
    for (const little of [true, false]) {
      for (const type of [3, 4]) expect(exifOrientation(exifBlock(value, { little, type }))).toBe(value);
    }
  });

  it('is found after other entries and at an odd place', () => {
    const block = exifBlock(6);
    const entries = bytesOf([2, 0], exifBlock(9, { tag: 0x010f }).subarray(10, 22), block.subarray(10, 22));
    expect(exifOrientation(bytesOf(block.subarray(0, 4), [11, 0, 0, 0], [0, 0, 0], entries))).toBe(6);
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['7 bytes', exifBlock(6).subarray(0, 7)],
    ['another byte order', exifBlock(6).fill(0x41, 0, 2)],
    ['another magic number', exifBlock(6, { magic: 43 })],
    ['a directory outside', exifBlock(6, { at: 0xffffffff })],
    ['a directory at the last byte', exifBlock(6, { at: 25 })],
    ['a directory cut short', exifBlock(6).subarray(0, 20)],
    ['no such tag', exifBlock(6, { tag: 0x0111 })],
    ['another type', exifBlock(6, { type: 2 })],
    ['two values', exifBlock(6, { count: 2 })],
    ['0', exifBlock(0)],
    ['9', exifBlock(9)],
    ['65536 + 6 as LONG', exifBlock(65542, { type: 4 })],
    ['65535 entries', exifBlock(6, { tag: 1 }).fill(0xff, 8, 10)],
  ])('%s is 1', (_, block) => {
    expect(exifOrientation(block)).toBe(1);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (junk, little) => {
        const block = bytesOf(exifBlock(6, { little }).subarray(0, 4), junk);
        expect(exifOrientation(block)).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});

/** What each orientation does to [H,W,C], in ndarray's terms: transpose, and step backwards along rows or columns. */
const ORACLE: Record<Orientation, (view: NdArray) => NdArray> = {
  1: (view) => view,
  2: (view) => view.step(1, -1),
  3: (view) => view.step(-1, -1),
  4: (view) => view.step(-1, 1),
  5: (view) => view.transpose(1, 0, 2),
  6: (view) => view.transpose(1, 0, 2).step(1, -1),
  7: (view) => view.transpose(1, 0, 2).step(-1, -1),
  8: (view) => view.transpose(1, 0, 2).step(-1, 1),
};

describe('applyOrientation', () => {
  it('agrees with ndarray for all sizes and channels', () => {
    const size = fc.integer({ min: 1, max: 7 });
    fc.assert(
      fc.property(
        size,
        size,
        fc.constantFrom(1, 3, 4),
        fc.integer({ min: 1, max: 8 }),
        (width, height, channels, n) => {
          const data = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 31) % 256);
          const image = { data, width, height, channels };
          const turned = applyOrientation(image, n as Orientation);
          const expected = fromNdarray(ORACLE[n as Orientation](hwcView(image)), 'uint8');
          expect([turned.height, turned.width, turned.channels]).toEqual(expected.dims);
          expect(Array.from(turned.data)).toEqual(Array.from(expected.data));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('turns clockwise for 6', () => {
    const image = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), width: 3, height: 2, channels: 1 } as const;
    expect(applyOrientation(image, 6)).toEqual({
      data: Uint8Array.of(4, 1, 5, 2, 6, 3),
      width: 2,
      height: 3,
      channels: 1,
    });
  });
});
