/** Tensor and shape.ts. Where elements move, ndarray's views are the oracle: they share no code with ours. */
import fc from 'fast-check';
import ndarray from 'ndarray';
import { describe, expect, it } from 'vitest';
import type { MobileNetError } from '../../src/base/errors.js';
import { dimIndex, elementCount, nchwToNhwc, nhwcToNchw, rowMajorStrides, sameDims } from '../../src/tensor/shape.js';
import { type SliceRange, Tensor, type TensorType } from '../../src/tensor/tensor.js';

function expectArg(call: () => unknown, message?: RegExp): void {
  let error: unknown;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ name: 'MobileNetError', code: 'ARG' });
  expect((error as MobileNetError).message.length).toBeLessThan(500);
  if (message) expect((error as MobileNetError).message).toMatch(message);
}

const floats = (...values: number[]) => new Tensor('float32', values, [values.length]);
/** 0, 1, 2, … in the given shape. */
function counting(dims: readonly number[]): Tensor<'int32'> {
  return new Tensor(
    'int32',
    Int32Array.from({ length: elementCount(dims) }, (_, i) => i),
    dims,
  );
}

/** All elements of an ndarray in row-major order, one `get` each. */
function elementsOf(view: ndarray.NdArray): number[] {
  const out: number[] = [];
  const visit = (index: number[]) => {
    if (index.length === view.dimension) out.push(view.get(...index) as number);
    else for (let i = 0; i < view.shape[index.length]; i++) visit([...index, i]);
  };
  visit([]);
  return out;
}

const nd = (tensor: Tensor) => ndarray(tensor.data as Int32Array, [...tensor.dims]);
const anyDims = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

describe('making a tensor', () => {
  it('takes typed arrays as they are and copies lists', () => {
    const data = new Float32Array([1, 2, 3, 4]);
    const dims = [2, 2];
    const tensor = new Tensor('float32', data, dims);
    expect(tensor.data).toBe(data);
    dims[0] = 9;
    expect(tensor.dims).toEqual([2, 2]);
    expect(Object.isFrozen(tensor.dims)).toBe(true);
    expect(tensor.size).toBe(4);
    expect(new Tensor('int64', [1, 2n, true], [3]).data).toEqual(BigInt64Array.of(1n, 2n, 1n));
    expect(new Tensor('bool', [1, 0, true, 7], [4]).data).toEqual(Uint8Array.of(1, 0, 1, 1));
    expect(new Tensor('float16', [1, -2], [2]).data).toEqual(Uint16Array.of(0x3c00, 0xc000));
    expect(new Tensor('uint8', Buffer.from([1]), [1]).size).toBe(1);
    expect(new Tensor('float64', [0.1], new Int32Array([1]) as unknown as number[]).dims).toEqual([1]);
  });

  it('of no dimensions has one element, with a 0 none', () => {
    expect(new Tensor('float32', [5], []).item()).toBe(5);
    expect(new Tensor('float32', [], [0]).tolist()).toEqual([]);
    expect(new Tensor('float32', [], [2, 0]).tolist()).toEqual([[], []]);
  });

  it.each([
    ['another type', 'float8', [1], [1]],
    ['a type every object has', 'constructor', [1], [1]],
    ['no type', undefined, [1], [1]],
    ['too few elements', 'float32', new Float32Array(3), [2, 2]],
    ['too many elements', 'float32', new Float32Array(5), [2, 2]],
    ['another array', 'float32', new Float64Array(4), [2, 2]],
    ['clamped bytes', 'uint8', new Uint8ClampedArray(1), [1]],
    ['no array', 'float32', 7, [1]],
    ['null', 'float32', null, [1]],
    ['dims that are none', 'float32', [1], 1],
    ['no dims', 'float32', [1], undefined],
    ['a negative size', 'float32', [1], [-1]],
    ['half a size', 'float32', [1], [0.5]],
    ['NaN', 'float32', [1], [Number.NaN]],
    ['a size in text', 'float32', [1], ['1']],
    ['2^60 elements', 'float32', [1], [2 ** 30, 2 ** 30]],
  ])('refuses %s', (_, type, data, dims) => {
    expectArg(() => new Tensor(type as TensorType, data as number[], dims as number[]));
  });

  it('says when the buffer is gone', () => {
    const data = new Float32Array(2);
    structuredClone(data, { transfer: [data.buffer] });
    expectArg(() => new Tensor('float32', data, [2]), /detached/);
  });
});

describe('moving elements', () => {
  it('permute agrees with ndarray', () => {
    const shuffled = anyDims.chain((dims) =>
      fc.tuple(fc.constant(dims), fc.shuffledSubarray([...dims.keys()], { minLength: dims.length })),
    );
    fc.assert(
      fc.property(shuffled, ([dims, order]) => {
        const tensor = counting(dims);
        const permuted = tensor.permute(...order);
        const expected = nd(tensor).transpose(...order);
        expect(permuted.dims).toEqual(expected.shape);
        expect(Array.from(permuted.data)).toEqual(elementsOf(expected));
      }),
    );
    expect(counting([2, 3]).permute(-1, 0).tolist()).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
  });

  it('permute refuses what is not an order', () => {
    const tensor = counting([2, 3]);
    for (const order of [[0], [0, 0], [0, 1, 2], [0, 2], [0, -1, 1], [0.5, 1], []])
      expectArg(() => tensor.permute(...order));
  });

  it('slice agrees with ndarray', () => {
    const sliced = anyDims.chain((dims) =>
      fc.tuple(
        fc.constant(dims),
        fc.tuple(
          ...dims.map((size) =>
            fc.oneof(
              fc.constant(null),
              fc.integer({ min: 0, max: size - 1 }),
              fc.tuple(fc.integer({ min: 0, max: size }), fc.integer({ min: 0, max: size })),
            ),
          ),
        ),
      ),
    );
    fc.assert(
      fc.property(sliced, ([dims, ranges]) => {
        const tensor = counting(dims);
        const result = tensor.slice(...(ranges as SliceRange[]));
        let expected = nd(tensor);
        for (const [d, range] of ranges.entries()) {
          if (!Array.isArray(range)) continue;
          const [start, end] = range as [number, number];
          const low = dims.map((_, other) => (other === d ? Math.min(start, end) : 0));
          const high = dims.map((_, other) => (other === d ? Math.max(0, end - start) : expected.shape[other]));
          expected = expected.lo(...low).hi(...high);
        }
        expected = expected.pick(...ranges.map((range) => (typeof range === 'number' ? range : null)));
        expect(result.dims).toEqual(expected.shape);
        expect(Array.from(result.data)).toEqual(elementsOf(expected));
      }),
      { numRuns: 300 },
    );
  });

  it('slice counts from the end and clamps, as Python does', () => {
    const tensor = floats(0, 1, 2, 3, 4);
    const values = (range: SliceRange) => tensor.slice(range).tolist();
    expect(values([-2, 5])).toEqual([3, 4]);
    expect(values([1, -1])).toEqual([1, 2, 3]);
    expect(values([-99, 99])).toEqual([0, 1, 2, 3, 4]);
    expect(values([3, Infinity])).toEqual([3, 4]);
    expect(values([3, 1])).toEqual([]);
    expect(values(-1)).toBe(4);
    expect(tensor.slice().tolist()).toEqual([0, 1, 2, 3, 4]);
    expect(counting([2, 3]).slice(null, 1).tolist()).toEqual([1, 4]);
    const copy = tensor.slice(null);
    copy.data[0] = 9;
    expect(tensor.data[0]).toBe(0);
  });

  it('slice refuses what is not a range', () => {
    const tensor = floats(0, 1, 2);
    for (const range of [3, -4, 0.5, [0.5, 2], [Number.NaN, 2], [0], [0, 1, 2], '1', {}]) {
      expectArg(() => tensor.slice(range as SliceRange));
    }
    expectArg(() => tensor.slice(null, null), /rank 1/);
  });

  it('view and reshape share memory, clone does not', () => {
    const tensor = counting([2, 6]);
    expect(tensor.view(3, 4).dims).toEqual([3, 4]);
    expect(tensor.view(-1, 4).dims).toEqual([3, 4]);
    expect(tensor.reshape(12).data).toBe(tensor.data);
    expect(new Tensor('float32', [], [0, 3]).view(-1, 3).dims).toEqual([0, 3]);
    const clone = tensor.clone();
    clone.data[0] = 99;
    expect(tensor.data[0]).toBe(0);
    expect(clone.dims).toEqual([2, 6]);
    for (const dims of [[5], [-1, 5], [-1, -1], [], [2.5, 4.8], [-2, -6], [-1, 0], [12, Number.NaN]]) {
      expectArg(() => tensor.view(...dims));
    }
  });
});

describe('values', () => {
  it('come as nested lists', () => {
    expect(counting([2, 1, 2]).tolist()).toEqual([[[0, 1]], [[2, 3]]]);
    expect(new Tensor('int64', [1n, -2n], [2]).tolist()).toEqual([1n, -2n]);
    expect(new Tensor('bool', [1, 0], [2]).tolist()).toEqual([true, false]);
    expect(new Tensor('float16', [0.5, -1], [2]).tolist()).toEqual([0.5, -1]);
    expect(new Tensor('float32', [7], []).tolist()).toBe(7);
  });

  it('item gives the only one', () => {
    expect(new Tensor('int64', [5n], [1, 1]).item()).toBe(5);
    expectArg(() => new Tensor('int64', [2n ** 53n], [1]).item(), /data\[0\]/);
    expect(new Tensor('bool', [1], [1]).item()).toBe(true);
    expectArg(() => floats(1, 2).item(), /1 element/);
    expectArg(() => floats().item());
  });

  it.each([
    ['float32', 'int32', [1.9, -1.9, Number.NaN], [1, -1, 0]],
    ['float32', 'int64', [1.9, -1.9, Number.NaN, Infinity], [1n, -1n, 0n, 0n]],
    ['float32', 'uint8', [1.9, 256, -1], [1, 0, 255]],
    ['float32', 'int8', [1.9, 128, -129], [1, -128, 127]],
    ['int64', 'int16', [-3n, 32768n], [-3, -32768]],
    ['int8', 'float32', [-128, 127], [-128, 127]],
    ['int16', 'bool', [0, -5], [false, true]],
    ['float32', 'bool', [0, -0, 0.1, Number.NaN], [false, false, true, true]],
    ['float32', 'float16', [0.1, 70000], [0.0999755859375, Infinity]],
    ['float16', 'float32', [0.5, -2], [0.5, -2]],
    ['float16', 'int32', [2.5, -2.5], [2, -2]],
    ['float16', 'bool', [0, 0.5], [false, true]],
    ['int64', 'float32', [-3n, 2n ** 53n], [-3, 2 ** 53]],
    ['int64', 'int32', [-3n], [-3]],
    ['int64', 'float16', [3n], [3]],
    ['int64', 'bool', [0n, 5n], [false, true]],
    ['bool', 'int64', [1, 0], [1n, 0n]],
    ['uint8', 'float64', [255], [255]],
    ['float64', 'float32', [0.1], [Math.fround(0.1)]],
  ] as const)('%s to %s', (from, to, values, expected) => {
    const tensor = new Tensor(from, values, [values.length]);
    const converted = tensor.to(to);
    expect(converted.type).toBe(to);
    expect(converted.tolist()).toEqual(expected);
  });

  it('to its own type is a copy, to no type is refused', () => {
    const tensor = floats(1);
    const same = tensor.to('float32');
    same.data[0] = 2;
    expect(tensor.data[0]).toBe(1);
    for (const type of ['float8', 'toString', undefined]) expectArg(() => tensor.to(type as TensorType));
  });
});

describe('argmax', () => {
  it('takes the first of equals, and NaN before all', () => {
    expect(floats(1, 3, 3, 2).argmax().item()).toBe(1);
    expect(floats(-Infinity, -Infinity).argmax().item()).toBe(0);
    expect(floats(1, Number.NaN, 9, Number.NaN).argmax().item()).toBe(1);
    expect(new Tensor('int64', [1n, 5n, 2n], [3]).argmax().item()).toBe(1);
    expect(new Tensor('float16', [1, -5, 2], [3]).argmax().item()).toBe(2);
    expect(new Tensor('float32', [4], []).argmax().item()).toBe(0);
  });

  it('goes along any dimension', () => {
    const tensor = new Tensor('float32', [1, 9, 3, 7, 5, 6], [2, 3]);
    expect(tensor.argmax(0).tolist()).toEqual([1n, 0n, 1n]);
    expect(tensor.argmax(-1).tolist()).toEqual([1n, 0n]);
    expect(tensor.argmax().item()).toBe(1);
    expect(tensor.view(1, 2, 3, 1).argmax(2).dims).toEqual([1, 2, 1]);
  });

  it('of nothing, or along no dimension, is refused', () => {
    expectArg(() => floats().argmax(), /empty/);
    for (const dim of [1, -2, 0.5, Number.NaN]) expectArg(() => floats(1).argmax(dim), /dim/);
  });
});

describe('mean', () => {
  it('sums in float64', () => {
    const tensor = new Tensor('float32', new Float32Array(1 << 20).fill(0.1), [1 << 20]);
    expect(tensor.mean().item()).toBe(Math.fround(0.1));
    expect(new Tensor('int64', [1n, 2n], [2]).mean().item()).toBe(1.5);
    expect(floats(1, Number.NaN).mean().item()).toBeNaN();
  });

  it('goes along any dimension and can keep it', () => {
    const tensor = new Tensor('float32', [1, 2, 3, 4, 5, 9], [2, 3]);
    expect(tensor.mean(0).tolist()).toEqual([2.5, 3.5, 6]);
    expect(tensor.mean(1).tolist()).toEqual([2, 6]);
    expect(tensor.mean(-1, true).dims).toEqual([2, 1]);
    expect(tensor.mean().item()).toBe(4);
    expectArg(() => floats().mean(), /empty/);
    expectArg(() => tensor.mean(2));
  });
});

describe('softmax', () => {
  it('sums to 1 and keeps the order along any dimension', () => {
    const logits = fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(logits, fc.integer({ min: -3, max: 2 }), (values, dim) => {
        const tensor = new Tensor('float32', values, [2, 3, 2]);
        const result = tensor.softmax(dim);
        const means = result.mean(dim).data;
        const count = tensor.dims.at(dim)!;
        for (const mean of means) expect(mean * count).toBeCloseTo(1, 5);
        // Values too close together become equal, so only the winner's value is compared.
        const at = (index: bigint, line: number) => Array.from(lines(result, dim)[line])[Number(index)];
        for (const [line, index] of Array.from(tensor.argmax(dim).data).entries()) {
          expect(at(index, line)).toBe(Math.max(...lines(result, dim)[line]));
        }
      }),
    );
  });

  /** The values along `dim`, one list for each place in the other dimensions, in row-major order. */
  function lines(tensor: Tensor, dim: number): number[][] {
    const last = tensor.dims.length - 1;
    const at = dimIndex(dim, last + 1);
    const order = [...tensor.dims.keys()].filter((d) => d !== at);
    const moved = tensor.permute(...order, at);
    const count = tensor.dims[at];
    return Array.from({ length: tensor.size / count }, (_, i) =>
      Array.from(moved.data as Float32Array).slice(i * count, (i + 1) * count),
    );
  }

  it('has exact values', () => {
    expect(floats(0, 0).softmax().tolist()).toEqual([0.5, 0.5]);
    expect(floats(1000, 1000, -1000).softmax().tolist()).toEqual([0.5, 0.5, 0]);
    expect(floats(0, Math.log(3)).softmax().data[1]).toBeCloseTo(0.75, 6);
    expect(new Tensor('float16', [0, 0], [2]).softmax().tolist()).toEqual([0.5, 0.5]);
    expect(floats(1, Number.NaN).softmax().tolist()).toEqual([Number.NaN, Number.NaN]);
    expect(floats().softmax().tolist()).toEqual([]);
    expectArg(() => floats(1).softmax(1));
  });
});

describe('shape', () => {
  it('counts elements', () => {
    expect(elementCount([])).toBe(1);
    expect(elementCount([2, 0, 3])).toBe(0);
    expect(elementCount([2 ** 20, 2 ** 20])).toBe(2 ** 40);
    for (const dims of [[-1], [1.5], [Number.NaN], [Infinity], [2 ** 27, 2 ** 27]]) expectArg(() => elementCount(dims));
  });

  it('has row-major strides', () => {
    fc.assert(
      fc.property(anyDims, (dims) => {
        expect(rowMajorStrides(dims)).toEqual(nd(counting(dims)).stride);
      }),
    );
    expect(rowMajorStrides([])).toEqual([]);
  });

  it('resolves dimensions from both ends', () => {
    expect([dimIndex(0, 3), dimIndex(2, 3), dimIndex(-1, 3), dimIndex(-3, 3)]).toEqual([0, 2, 2, 0]);
    for (const dim of [3, -4, 0.5, Number.NaN]) expectArg(() => dimIndex(dim, 3));
    expectArg(() => dimIndex(0, 0));
  });

  it('compares dims', () => {
    expect(sameDims([1, 2], [1, 2])).toBe(true);
    expect(sameDims([1, 2], [2, 1])).toBe(false);
    expect(sameDims([1, 2], [1, 2, 1])).toBe(false);
    expect(sameDims([], [])).toBe(true);
  });

  it('NCHW and NHWC are each other’s transposes', () => {
    const size = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(size, size, size, size, (n, c, h, w) => {
        const x = Float32Array.from({ length: n * c * h * w }, (_, i) => i);
        const nhwc = new Float32Array(x.length);
        nchwToNhwc(x, nhwc, n, c, h, w);
        expect(Array.from(nhwc)).toEqual(elementsOf(ndarray(x, [n, c, h, w]).transpose(0, 2, 3, 1)));
        const back = new Float32Array(x.length);
        nhwcToNchw(nhwc, back, n, c, h, w);
        expect(back).toEqual(x);
      }),
    );
  });
});
