/** Cases of whole numbers beside those of i16-cases.ts: depthwise convolutions, and the operations that are no convolutions. */
import type {
  AddI16Spec,
  ArgmaxI16Spec,
  AveragePoolI16Spec,
  ConcatI16Spec,
  DepthwiseI16Spec,
  I16Spec,
  RequantizeI16Spec,
  ResizeI16Spec,
} from '../../src/layers/spec.js';
import { DEPTHWISE } from './cases.js';
import { depthwiseI16, storeOf } from './i16-cases.js';

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

/** Fewer than four channels are left to js, so such cases come once more with four more. */
const wide = <S extends { channels: number }>(spec: S): S[] =>
  spec.channels < 4 ? [spec, { ...spec, channels: spec.channels + 4 }] : [spec];

const DEPTHWISE_I16: readonly DepthwiseI16Spec[] = [
  ...DEPTHWISE.flatMap(({ activation, ...spec }, i) => wide({ ...spec, ...storeOf(i) } as DepthwiseI16Spec)),
  ...upTo(33).flatMap((size) =>
    ([1, 2] as const).flatMap((stride, i) => [
      depthwiseI16(size + i, size, 34 - size, 5, stride),
      depthwiseI16(size + i, 3, size, 8, stride, 1, true),
    ]),
  ),
  // Paddings and outputs that no network asks for: none, uneven, and outputs cut short or far outside the picture.
  ...[1, 2, 3, 4, 7].flatMap((inWidth) =>
    [0, 1, 2].flatMap((padLeft) =>
      [1, 2, 4, 9].flatMap((outWidth, i) =>
        (
          [
            [1, 1],
            [2, 1],
            [1, 2],
            [1, 3],
          ] as const
        ).map(([stride, dilation]) =>
          depthwiseI16(i, 5, inWidth, 4, stride, dilation, false, {
            ...{ padTop: 2 - padLeft, padLeft, outHeight: 3, outWidth },
          }),
        ),
      ),
    ),
  ),
  // Rows that are done in strips, and channels in blocks.
  ...[64, 65, 128, 129, 131, 257].flatMap((W) => [1, 2, 4].map((d) => depthwiseI16(W, 5, W, 4, 1, d))),
  ...[127, 128, 131, 255, 256, 259].flatMap((W) => [false, true].map((same) => depthwiseI16(W, 5, W, 4, 2, 1, same))),
  ...[31, 32, 33, 63, 65, 70].flatMap((C) => ([1, 2] as const).map((stride) => depthwiseI16(C, 4, 20, C, stride))),
];

const POOL_I16: readonly AveragePoolI16Spec[] = [null, 1 / 3, 1 / 4, 0.0204, 1, 1e6].flatMap((multiplier, i) => [
  ...upTo(21).map((channels) => poolI16(i, 1, 3, 2, channels, 3, 2, multiplier)),
  ...[1, 2, 3].flatMap((R) => [1, 2, 5].map((S) => poolI16(i + R, 2, 3, 5, 6, R, S, multiplier))),
  ...[31, 32, 33, 65].map((channels) => poolI16(i, 1, 7, 7, channels, 7, 7, multiplier)),
]);

export function poolI16(
  i: number,
  batch: number,
  inHeight: number,
  inWidth: number,
  channels: number,
  kernelHeight: number,
  kernelWidth: number,
  multiplier: number | null,
): AveragePoolI16Spec {
  const { lo, hi } = storeOf(i);
  const sizes = { batch, inHeight, inWidth, channels, kernelHeight, kernelWidth };
  return { op: 'average_pool', dtype: 'i16', ...sizes, multiplier: multiplier && Math.fround(multiplier), lo, hi };
}

export const resizeI16 = (
  inHeight: number,
  inWidth: number,
  channels: number,
  outHeight: number,
  outWidth: number,
  alignCorners: boolean,
  min = -128,
): ResizeI16Spec => ({
  ...{ op: 'resize_bilinear', dtype: 'i16', batch: 2, inHeight, inWidth, channels },
  ...{ outHeight, outWidth, alignCorners, min },
});

const RESIZE_I16: readonly ResizeI16Spec[] = [false, true].flatMap((alignCorners) => [
  ...upTo(21).map((C) => resizeI16(3, 4, C, 10, 9, alignCorners, -127 - C)),
  ...[1, 2, 7].flatMap((H) => [1, 3].flatMap((OH) => [1, 4].map((W) => resizeI16(H, 3, 5, OH, W, alignCorners)))),
  resizeI16(33, 1, 4, 65, 33, alignCorners),
  resizeI16(9, 8, 6, 4, 3, alignCorners, -2048 - 2047),
]);

/** Multipliers as XNNPACK has them, of 21 bits at most, and as large as they may be; shifts from none to many. */
const ADD_I16: readonly AddI16Spec[] = [
  ...Array.from({ length: 35 }, (_, size) => addI16(size, size, 1048576, 734003, 20)),
  addI16(1000, 1, 2097151, 1, 21),
  addI16(1000, 2, 123456, 2000000, 24),
  addI16(1000, 3, 32767, 32768, 15),
  addI16(1000, 4, 0, 1, 1),
  addI16(1000, 5, 1048575, 1048577, 12),
  addI16(1000, 6, 2 ** 29 + 12345, 2 ** 30 - 1, 19),
];

function addI16(size: number, i: number, xMultiplier: number, otherMultiplier: number, shift: number): AddI16Spec {
  const { lo, hi } = storeOf(i);
  return { op: 'add', dtype: 'i16', size, xMultiplier, otherMultiplier, shift, lo, hi };
}

const CONCAT_I16: readonly ConcatI16Spec[] = [1, 3, 4, 7, 8, 9, 17].flatMap((channels1) =>
  [1, 4, 5, 8, 16].map((channels2) => ({ op: 'concat', dtype: 'i16', pixels: 7, channels1, channels2 })),
);

const REQUANTIZE_I16: readonly RequantizeI16Spec[] = [
  ...Array.from({ length: 19 }, (_, size) => requantizeI16(size, size, 200)),
  ...[0, 1, 127, 128, 255, 256, 257, 12345, 70000].map((multiplier, i) => requantizeI16(100, i, multiplier)),
];

function requantizeI16(size: number, i: number, multiplier: number): RequantizeI16Spec {
  const { lo, hi } = storeOf(i);
  return { op: 'requantize', dtype: 'i16', size, multiplier, lo, hi };
}

const ARGMAX_I16: readonly ArgmaxI16Spec[] = upTo(40).flatMap((channels) =>
  [1, 7].map((pixels) => ({ op: 'argmax', dtype: 'i16', pixels, channels })),
);

export const OTHER_CASES_I16: readonly I16Spec[] = [
  ...DEPTHWISE_I16,
  ...POOL_I16,
  ...RESIZE_I16,
  ...ADD_I16,
  ...CONCAT_I16,
  ...REQUANTIZE_I16,
  ...ARGMAX_I16,
];
