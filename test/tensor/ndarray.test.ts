/** The bridge to ndarray: what shares memory, what is copied, what is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MobileNetError } from '../../src/base/errors.js';
import { chwView, fromNdarray, hwcView, type NdArray, ndarray, ops, toNdarray } from '../../src/tensor/ndarray.js';
import { Tensor, type TensorType } from '../../src/tensor/tensor.js';

function expectArg(call: () => unknown, message: RegExp): void {
  let error: unknown;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ code: 'ARG' });
  expect((error as MobileNetError).message).toMatch(message);
}

const counting = (length: number) => Float32Array.from({ length }, (_, i) => i);

describe('toNdarray', () => {
  it.each(['float32', 'float64', 'float16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'] as const)(
    'shares the memory of %s',
    (type) => {
      const tensor = new Tensor(type, [1, 0, 1, 1, 0, 1], [2, 3]);
      const array = toNdarray(tensor);
      expect(array.data).toBe(tensor.data);
      expect([array.shape, array.stride, array.offset]).toEqual([[2, 3], [3, 1], 0]);
      expect(array.get(1, 2)).toBe(tensor.data[5]);
    },
  );

  it('is a value where there are no dimensions', () => {
    expect(toNdarray(new Tensor('float32', [7], [])).get()).toBe(7);
    expect(toNdarray(new Tensor('float32', [], [0, 3])).shape).toEqual([0, 3]);
  });

  it('lets ndarray-ops write into a tensor', () => {
    const tensor = new Tensor('float32', counting(4), [2, 2]);
    ops.mulseq(toNdarray(tensor).pick(1, null), 10);
    expect(tensor.tolist()).toEqual([
      [0, 1],
      [20, 30],
    ]);
  });
});

describe('fromNdarray', () => {
  it('shares memory where elements lie as a tensor’s do', () => {
    const data = counting(24);
    for (const [view, dims, offset] of [
      [ndarray(data, [2, 3, 4]), [2, 3, 4], 0],
      [ndarray(data, [2, 3], [3, 1], 5), [2, 3], 5],
      [ndarray(data, [4, 6]).lo(2, 0), [2, 6], 12],
      [ndarray(data, [4, 6]).pick(3, null), [6], 18],
      [ndarray(data, [1, 6], [99, 1], 6), [1, 6], 6],
      [ndarray(data, [6, 1], [1, -5]), [6, 1], 0],
      [ndarray(data, [], [], 7), [], 7],
    ] as [NdArray, number[], number][]) {
      const tensor = fromNdarray(view);
      expect(tensor.type).toBe('float32');
      expect(tensor.dims).toEqual(dims);
      expect(tensor.data.buffer).toBe(data.buffer);
      expect(tensor.data.byteOffset).toBe(offset * 4);
    }
  });

  it('copies every other view', () => {
    const slicing = fc.record({
      order: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
      low: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1)),
      step: fc.tuple(...[0, 1, 2].map(() => fc.constantFrom(1, 2, -1, -2))),
    });
    fc.assert(
      fc.property(slicing, ({ order, low, step }) => {
        const view = ndarray(counting(24), [2, 3, 4])
          .transpose(...order)
          .lo(...low)
          .step(...step);
        const tensor = fromNdarray(view);
        expect(tensor.dims).toEqual(view.shape);
        const [a, b, c] = view.shape;
        for (let i = 0; i < a; i++) {
          for (let j = 0; j < b; j++) {
            for (let k = 0; k < c; k++) expect(tensor.data[(i * b + j) * c + k]).toBe(view.get(i, j, k));
          }
        }
      }),
    );
    const data = counting(4);
    expect(fromNdarray(ndarray(data, [2, 2]).transpose(1, 0)).data.buffer).not.toBe(data.buffer);
    expect(fromNdarray(ndarray(data, [4]).step(-1)).tolist()).toEqual([3, 2, 1, 0]);
    expect(fromNdarray(ndarray(data, [3], [0])).tolist()).toEqual([0, 0, 0]);
    expect(fromNdarray(ndarray(data, [2, 0], [0, 1], 99)).dims).toEqual([2, 0]);
  });

  it.each([
    ['float64', new Float64Array([1, 2])],
    ['int32', new Int32Array([1, 2])],
    ['int16', new Int16Array([1, -2])],
    ['int8', new Int8Array([1, -2])],
    ['uint8', new Uint8Array([1, 2])],
    ['int64', new BigInt64Array([1n, 2n])],
  ] as const)('knows %s, in order and reversed', (type, data) => {
    const array = ndarray(data as Int32Array);
    expect(fromNdarray(array)).toMatchObject({ type, data });
    expect(fromNdarray(array.step(-1)).data).toEqual(data.slice().reverse());
  });

  it('shares clamped bytes as bytes', () => {
    const data = Uint8ClampedArray.of(1, 2, 3, 4);
    const tensor = fromNdarray(ndarray(data, [2], [1], 1));
    expect(tensor).toMatchObject({ type: 'uint8', data: Uint8Array.of(2, 3) });
    expect(tensor.data.buffer).toBe(data.buffer);
  });

  it('converts to the type it is told', () => {
    expect(fromNdarray(ndarray(new Float32Array([1.9, -1.9])), 'int32').data).toEqual(Int32Array.of(1, -1));
    expect(fromNdarray(ndarray([1, 2.5]), 'float32').data).toEqual(Float32Array.of(1, 2.5));
    expect(fromNdarray(ndarray(new Uint16Array([9, 7])).step(-1), 'int64').data).toEqual(BigInt64Array.of(7n, 9n));
    expect(fromNdarray(ndarray(new Uint32Array([2 ** 32 - 1])), 'float64').data).toEqual(Float64Array.of(2 ** 32 - 1));
    expect(fromNdarray(ndarray(new Uint8Array([2, 0])), 'bool').data).toEqual(Uint8Array.of(1, 0));
    expect(fromNdarray(ndarray(new Float32Array([0.5])), 'float16').data).toEqual(Uint16Array.of(0x3800));
  });

  it('takes the bits of float16 and gives them back', () => {
    const tensor = new Tensor('float16', [0.5, -1, 2], [3]);
    const array = toNdarray(tensor);
    expect(fromNdarray(array, 'float16').data.buffer).toBe(tensor.data.buffer);
    expect(fromNdarray(array.step(-1), 'float16').tolist()).toEqual([2, -1, 0.5]);
    expect(fromNdarray(array, 'int32').tolist()).toEqual([0x3800, 0xbc00, 0x4000]);
  });

  it('is the way back from toNdarray', () => {
    for (const type of ['float32', 'float64', 'int64', 'int32', 'int16', 'int8', 'uint8'] as TensorType[]) {
      const tensor = new Tensor(type, [1, 2, 3, 4, 5, 6], [3, 2]);
      expect(fromNdarray(toNdarray(tensor))).toEqual(tensor);
    }
  });

  it('refuses elements without a type', () => {
    for (const data of [new Uint16Array(1), new Uint32Array(1), [1]] as number[][]) {
      expectArg(() => fromNdarray(ndarray(data as number[])), /give the type/);
    }
    expectArg(() => fromNdarray(ndarray(new BigUint64Array(1) as unknown as number[]), 'int64'), /biguint64/);
    expectArg(() => fromNdarray(ndarray(new Float32Array(1)), 'float8' as TensorType), /float8/);
  });

  it('refuses what is not an ndarray', () => {
    for (const input of [undefined, null, 7, [1, 2], new Float32Array(2), new Tensor('float32', [1], [1])]) {
      expectArg(() => fromNdarray(input as unknown as NdArray), /expected an ndarray/);
    }
  });

  it('refuses a view that reaches outside its data', () => {
    const data = counting(6);
    for (const view of [
      ndarray(data, [7]),
      ndarray(data, [2, 3], [3, 1], 1),
      ndarray(data, [2], [-1], 0),
      ndarray(data, [2], [0.5], 0),
      ndarray(data, [1], [1], -1),
      ndarray(data, [2, 2], [5, 1], 0),
    ]) {
      expectArg(() => fromNdarray(view), /reach from/);
    }
    expectArg(() => fromNdarray(ndarray(data, [-1])), /whole numbers/);
  });
});

describe('views of pixels', () => {
  const image = { data: Uint8Array.from({ length: 24 }, (_, i) => i), width: 3, height: 2, channels: 4 };

  it('are [H,W,C] and [C,H,W] over the same bytes', () => {
    const hwc = hwcView(image);
    const chw = chwView(image);
    expect([hwc.shape, chw.shape]).toEqual([
      [2, 3, 4],
      [4, 2, 3],
    ]);
    expect(hwc.data).toBe(image.data);
    expect(chw.data).toBe(image.data);
    for (let y = 0; y < 2; y++) {
      for (let x = 0; x < 3; x++) for (let c = 0; c < 4; c++) expect(chw.get(c, y, x)).toBe(hwc.get(y, x, c));
    }
  });

  it('are of pixels that are all there', () => {
    expectArg(() => hwcView({ ...image, height: 3 }), /^hwcView: expected 3×3×4 values/);
    expectArg(() => hwcView({ ...image, data: { length: 24 } as never }), /^hwcView: /);
    expectArg(() => chwView('cat.png' as never), /width, height, channels/);
  });

  it('make planes when copied', () => {
    const { data, dims } = fromNdarray(chwView(image), 'uint8');
    expect(dims).toEqual([4, 2, 3]);
    expect(Array.from(data).slice(0, 7)).toEqual([0, 4, 8, 12, 16, 20, 1]);
  });

  it('leave alpha out', () => {
    expect(Array.from(fromNdarray(hwcView(image).hi(2, 3, 3), 'uint8').data).slice(0, 6)).toEqual([0, 1, 2, 4, 5, 6]);
  });
});
