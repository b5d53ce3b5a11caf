/**
 * Arithmetic, reductions and shapes by the names of transformers.js. What is expected of float32 is what
 * @huggingface/transformers 4.3.1 gives; where that fails or cuts off (integers), what PyTorch gives.
 */
import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { MobileNetError } from '../../src/base/errors.js';
import {
  cat,
  cos_sim,
  dot,
  full,
  full_like,
  log_softmax,
  magnitude,
  matmul,
  mean,
  ones,
  ones_like,
  permute,
  rand,
  randn,
  softmax,
  stack,
  std_mean,
  Tensor,
  topk,
  zeros,
  zeros_like,
} from '../../src/entries/main.js';

const DATA = [3.5, -1.25, 2, 0.5, -4, 7.75, 1, 2.5, -0.5, 6, -3, 0];
/** [2,3,2] */
const floats = () => new Tensor('float32', DATA, [2, 3, 2]);
const whole = <T extends 'int64' | 'int32' | 'int16' | 'int8' | 'uint8' | 'bool'>(type: T, ...values: number[]) =>
  new Tensor(type, values, [values.length]);
const rounded = (tensor: Tensor) => Array.from(tensor.data as ArrayLike<number>, (value) => +value.toFixed(4));

function expectArg(call: () => unknown, message: RegExp): void {
  expect(call).toThrow(message);
  try {
    call();
  } catch (error) {
    expect(error).toMatchObject({ name: 'MobileNetError', code: 'ARG' });
    expect((error as MobileNetError).message.length).toBeLessThan(500);
  }
}

describe('arithmetic', () => {
  it('with a number', () => {
    expect(floats().add(2).data[0]).toBe(5.5);
    expect(floats().sub(1.5).data[1]).toBe(-2.75);
    expect(floats().mul(-2).data[5]).toBe(-15.5);
    expect(floats().div(4).data[0]).toBe(0.875);
    expect(floats().neg().data[4]).toBe(4);
    expect(floats().clamp(-1, 2).tolist()).toEqual([
      [
        [2, -1],
        [2, 0.5],
        [-1, 2],
      ],
      [
        [1, 2],
        [-0.5, 2],
        [-1, 0],
      ],
    ]);
    expect(Array.from(floats().round().data)).toEqual([4, -1, 2, 1, -4, 8, 1, 3, -0, 6, -3, 0]);
    expect(rounded(floats().sigmoid()).slice(0, 4)).toEqual([0.9707, 0.2227, 0.8808, 0.6225]);
    expect(floats().map((value, i) => value * i).data[3]).toBe(1.5);
  });

  it('leaves the tensor as it is, or changes it where the name ends with _', () => {
    const names = ['add', 'sub', 'mul', 'div', 'neg', 'sigmoid', 'clamp', 'round', 'normalize'] as const;
    for (const name of names) {
      const args = { clamp: [-1, 1], neg: [], round: [], sigmoid: [], normalize: [] }[name as 'clamp'] ?? [3];
      const call = (tensor: Tensor, method: string) =>
        (tensor as unknown as Record<string, (...args: unknown[]) => Tensor>)[method](...args);
      const before = floats();
      const result = call(before, name);
      expect(before.data, name).toEqual(floats().data);
      expect(call(before, `${name}_`), name).toBe(before);
      expect(before.data, name).toEqual(result.data);
      expect(before.data, name).not.toEqual(floats().data);
    }
  });

  it('of integers stays with them, cut off towards zero', () => {
    expect(whole('int32', 7, -7).div(2).tolist()).toEqual([3, -3]);
    expect(whole('uint8', 100, 200).mul(0.5)).toMatchObject({ type: 'uint8', data: Uint8Array.of(50, 100) });
    expect(whole('bool', 1, 0).add(1).tolist()).toEqual([true, true]);
    expect(new Tensor('float16', [0.5, -2], [2]).add(1).tolist()).toEqual([1.5, -1]);
  });

  it('of int64 takes numbers, bigints and fractions', () => {
    const ids = whole('int64', 7, -7);
    expect(ids.add(1).tolist()).toEqual([8n, -6n]);
    expect(ids.mul(2n).tolist()).toEqual([14n, -14n]);
    expect(ids.div(2).tolist()).toEqual([3n, -3n]);
    expect(ids.mul(0.5).tolist()).toEqual([3n, -3n]);
    expect(ids.neg().tolist()).toEqual([-7n, 7n]);
    expect(ids.clamp(-1, 5).tolist()).toEqual([-1n, 5n].reverse());
    expect(ids.gt(0.5).tolist()).toEqual([true, false]);
    expect(ids.round().tolist()).toEqual([7n, -7n]);
    expect(ids.map((id) => id * id).tolist()).toEqual([49n, 49n]);
    expect(rounded(ids.sigmoid())).toEqual([0.9991, 0.0009]);
    expect(new Tensor('int64', [2n ** 60n], [1]).add(1).data[0]).toBe(2n ** 60n + 1n);
    expectArg(() => ids.div(0), /by 0/);
  });

  it('of two tensors broadcasts, and takes the wider type', () => {
    const rows = new Tensor('float32', [1, 2, 3, 4], [2, 2]);
    expect(rows.add(rows).tolist()).toEqual([
      [2, 4],
      [6, 8],
    ]);
    expect(rows.sub(new Tensor('float32', [1, 2], [2])).tolist()).toEqual([
      [0, 0],
      [2, 2],
    ]);
    expect([...rows.div(rows.sum(1, true)).data.slice(0, 2)]).toEqual([Math.fround(1 / 3), Math.fround(2 / 3)]);
    const column = whole('int32', 10, 20).unsqueeze(1);
    expect(whole('uint8', 1, 2, 3).add(column)).toMatchObject({ type: 'int32', dims: [2, 3] });
    expect(whole('uint8', 200).add(whole('int8', -100))).toMatchObject({ type: 'int16', data: Int16Array.of(100) });
    expect(whole('int8', -1).add(whole('int16', 400))).toMatchObject({ type: 'int16', data: Int16Array.of(399) });
    expect(column.add(whole('uint8', 1, 2, 3)).tolist()).toEqual([
      [11, 12, 13],
      [21, 22, 23],
    ]);
    expect(whole('uint8', 1, 3).mul(new Tensor('float32', [0.5], []))).toMatchObject({
      type: 'float32',
      data: Float32Array.of(0.5, 1.5),
    });
    expect(
      whole('int64', 3, 4)
        .sub(whole('int64', 1, 5))
        .tolist(),
    ).toEqual([2n, -1n]);
    expect(rows.gt(new Tensor('float32', [2], [1])).tolist()).toEqual([
      [false, false],
      [true, true],
    ]);
    expect(
      rows
        .clone()
        .mul_(new Tensor('float32', [2, 0], [2]))
        .tolist(),
    ).toEqual([
      [2, 0],
      [6, 0],
    ]);
  });

  it('broadcasting agrees with elements looked up one by one', () => {
    const size = fc.integer({ min: 1, max: 3 });
    const pair = fc.tuple(fc.array(size, { maxLength: 3 }), fc.array(fc.boolean(), { maxLength: 3 }));
    fc.assert(
      fc.property(pair, ([dims, ones]) => {
        const small = dims.map((n, d) => (ones[d] ? 1 : n)).slice(ones.length % (dims.length + 1));
        const numbers = (of: number[]) =>
          new Tensor(
            'float32',
            Float32Array.from({ length: of.reduce((a, b) => a * b, 1) }, (_, i) => i * i + 1),
            of,
          );
        const [a, b] = [numbers(dims), numbers(small)];
        const sum = a.sub(b);
        expect(sum.dims).toEqual(dims);
        for (let at = 0; at < a.size; at++) {
          const place = dims.map((n, d) => Math.floor(at / dims.slice(d + 1).reduce((x, y) => x * y, 1)) % n);
          const index = small.map((n, d) => (n === 1 ? 0 : place[d + dims.length - small.length]));
          expect(sum.data[at]).toBe(a.data[at] - Number(b.slice(...index).data[0]));
        }
      }),
    );
  });

  it('refuses what does not fit', () => {
    expectArg(() => floats().add(new Tensor('float32', [1, 2, 3], [3])), /broadcast/);
    expectArg(() => new Tensor('float32', [1], [1]).add_(floats()), /broadcast/);
    expectArg(() => whole('uint8', 1).mul_(new Tensor('float32', [0.5], [1])), /use mul\(\)/);
    expectArg(() => whole('int64', 1).sigmoid_(), /use sigmoid\(\)/);
    for (const value of ['2', [1], null, undefined, {}]) {
      expectArg(() => floats().add(value as never), /add: expected a number or a Tensor/);
    }
  });

  it('gt and lt are bool', () => {
    expect(floats().gt(1)).toMatchObject({ type: 'bool', dims: [2, 3, 2] });
    expect(Array.from(floats().lt(0).data)).toEqual([0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0]);
    expect(floats().gt(1).sum().item()).toBe(5);
  });
});

describe('reductions', () => {
  it('along all, along one, and keeping it', () => {
    expect(
      [floats().max(), floats().min(), floats().sum(), floats().mean(), floats().norm()].map((t) => t.dims),
    ).toEqual(Array(5).fill([]));
    expect(floats().max().item()).toBe(7.75);
    expect(floats().min().item()).toBe(-4);
    expect(floats().sum().item()).toBe(14.5);
    expect(rounded(floats().norm())).toEqual([12.1089]);
    expect(floats().max(0).tolist()).toEqual([
      [3.5, 2.5],
      [2, 6],
      [-3, 7.75],
    ]);
    expect(floats().max(1, true).dims).toEqual([2, 1, 2]);
    expect(floats().min(-1).tolist()).toEqual([
      [-1.25, 0.5, -4],
      [1, -0.5, -3],
    ]);
    expect(floats().sum(1).tolist()).toEqual([
      [1.5, 7],
      [-2.5, 8.5],
    ]);
    expect(rounded(floats().norm(4, 0, true))).toEqual([3.5058, 2.5382, 2.002, 6.0001, 4.2846, 7.75]);
    expect(floats().norm(1, -1).data[0]).toBe(4.75);
    expect(floats().sum(null, true).dims).toEqual([1, 1, 1]);
    expect(floats().argmax(null, true).dims).toEqual([1, 1, 1]);
    expect([floats().argmax().item(), floats().argmin().item()]).toEqual([5, 4]);
    expect(floats().argmin(1).tolist()).toEqual([
      [2n, 0n],
      [2n, 2n],
    ]);
  });

  it('of integers', () => {
    const bytes = whole('uint8', 200, 100);
    expect(bytes.sum()).toMatchObject({ type: 'int64', data: BigInt64Array.of(300n) });
    expect(bytes.mean()).toMatchObject({ type: 'float32', data: Float32Array.of(150) });
    expect(whole('bool', 1, 1, 0).sum().item()).toBe(2);
    const ids = new Tensor('int64', [2n ** 60n, 5n, 2n ** 60n + 1n], [3]);
    expect([ids.max().data[0], ids.min().item(), ids.sum().data[0]]).toEqual([2n ** 60n + 1n, 5, 2n ** 61n + 6n]);
    expect(whole('int64', 3, 4).norm().item()).toBe(5);
    expect(new Tensor('float16', [0.5, 1.5], [2]).sum().tolist()).toBe(2);
    expect(new Tensor('float64', [0.1], [1]).mean().data[0]).toBe(0.1);
  });

  it('NaN is not lost, nothing has no largest', () => {
    const values = new Tensor('float32', [1, Number.NaN, 3], [3]);
    for (const name of ['max', 'min', 'sum', 'mean', 'norm'] as const) expect(values[name]().item(), name).toBeNaN();
    const empty = new Tensor('float32', [], [0]);
    for (const name of ['max', 'min', 'mean', 'argmin'] as const) expectArg(() => empty[name](), /empty/);
    expect(empty.sum().item()).toBe(0);
    expectArg(() => floats().norm(0), /norm/);
    expectArg(() => floats().max(3), /dim/);
  });

  it('normalize makes rows of length 1', () => {
    const rows = new Tensor('float32', [3, 4, 5, 12], [2, 2]).normalize();
    expect(rounded(rows)).toEqual([0.6, 0.8, 0.3846, 0.9231]);
    expect(rounded(floats().normalize(2, -1)).slice(0, 2)).toEqual([0.9417, -0.3363]);
    expect(whole('uint8', 3, 4).normalize(2, 0)).toMatchObject({ type: 'float32' });
  });
});

describe('shapes', () => {
  it('squeeze and unsqueeze', () => {
    const tensor = floats().view(1, 2, 3, 2, 1);
    expect(tensor.squeeze().dims).toEqual([2, 3, 2]);
    expect(tensor.squeeze(0).dims).toEqual([2, 3, 2, 1]);
    expect(tensor.squeeze(-1).dims).toEqual([1, 2, 3, 2]);
    expect(tensor.squeeze(1).dims).toEqual([1, 2, 3, 2, 1]);
    expect(tensor.squeeze([0, 4]).dims).toEqual([2, 3, 2]);
    expect(tensor.squeeze().data).toBe(tensor.data);
    expect(floats().unsqueeze(0).dims).toEqual([1, 2, 3, 2]);
    expect(floats().unsqueeze(-1).dims).toEqual([2, 3, 2, 1]);
    expectArg(() => floats().unsqueeze(4), /dim/);
    const own = floats();
    expect(own.unsqueeze_(1)).toBe(own);
    expect([own.dims, own.squeeze_().dims, own.flatten_(1).dims]).toEqual([
      [2, 1, 3, 2],
      [2, 3, 2],
      [2, 6],
    ]);
  });

  it('flatten copies', () => {
    const tensor = floats();
    const flat = tensor.flatten();
    flat.data[0] = 99;
    expect([flat.dims, tensor.data[0]]).toEqual([[12], 3.5]);
    expect(tensor.flatten(1).dims).toEqual([2, 6]);
    expect(tensor.flatten(0, 1).dims).toEqual([6, 2]);
    expect(new Tensor('float32', [1], []).flatten().dims).toEqual([1]);
    expectArg(() => tensor.flatten(2, 1), /flatten/);
  });

  it('transpose swaps two, or takes an order', () => {
    expect(floats().transpose(1, 2, 0)).toEqual(floats().permute(1, 2, 0));
    expect(floats().transpose(0, 2)).toEqual(floats().permute(2, 1, 0));
    const matrix = floats().view(3, 4);
    expect(matrix.transpose(1, 0).dims).toEqual([4, 3]);
    expect(matrix.transpose(0, 1)).toEqual(matrix.permute(1, 0));
    expectArg(() => floats().transpose(0), /permute/);
  });

  it('repeat lays tiles', () => {
    const row = whole('int32', 1, 2);
    expect(row.repeat(2).tolist()).toEqual([1, 2, 1, 2]);
    expect(row.repeat(2, 1).tolist()).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(row.unsqueeze(1).repeat(1, 3).tolist()).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ]);
    expect(row.repeat(0).dims).toEqual([0]);
    expectArg(() => floats().repeat(2), /repeat/);
    expectArg(() => row.repeat(-1), /repeat/);
  });

  it('slice takes null for an end', () => {
    expect(whole('int32', 1, 2, 3).slice([1, null]).tolist()).toEqual([2, 3]);
    expect(whole('int32', 1, 2, 3).slice([null, -1]).tolist()).toEqual([1, 2]);
  });
});

describe('rows', () => {
  it('come one by one, and share memory', () => {
    const tensor = floats();
    const rows = [...tensor];
    expect(rows.map((row) => row.dims)).toEqual([
      [3, 2],
      [3, 2],
    ]);
    expect(rows[1].tolist()).toEqual([
      [1, 2.5],
      [-0.5, 6],
      [-3, 0],
    ]);
    rows[1].mul_(0);
    expect(tensor.sum().item()).toBe(8.5);
    let sum = 0;
    for (const row of tensor) for (const values of row) for (const value of values) sum += value;
    expect(sum).toBe(8.5);
  });

  it('of one dimension are values', () => {
    expect([...whole('int64', 1, 2)]).toEqual([1n, 2n]);
    expect([...new Tensor('float16', [0.5], [1])]).toEqual([0.5]);
    expect([...new Tensor('float32', [], [0, 3])]).toEqual([]);
    expect([...new Tensor('float32', [7], [])]).toEqual([7]);
  });

  it('are found by their number', () => {
    const tensor = floats();
    expect(tensor[1].dims).toEqual([3, 2]);
    expect(tensor[1][0].tolist()).toEqual([1, 2.5]);
    expect(tensor[-1][2][1].item()).toBe(0);
    tensor[0].mul_(0);
    expect(tensor.data[0]).toBe(0);
    expectArg(() => tensor[2], /dim 2/);
    expectArg(() => new Tensor('float32', [1], [])[0], /rank|dim/);
  });

  it('cost other names nothing', async () => {
    const tensor = floats() as unknown as Record<string, unknown>;
    for (const name of ['then', 'length', 'toJSON', 'x1', '1.5', '']) expect(tensor[name], name).toBeUndefined();
    expect(await tensor).toBe(tensor);
    expect('0' in tensor).toBe(false);
    expect(String(tensor)).toBe('[object Object]');
    expect(Object.keys(tensor)).toEqual(['type', 'data', 'dims']);
    expect(structuredClone(tensor)).toMatchObject({ type: 'float32' });
    expect({}[0 as never]).toBeUndefined();
  });
});

describe('tensors of tensors', () => {
  it('cat and stack', () => {
    const [a, b] = [whole('int32', 1, 2), whole('int32', 3, 4)];
    expect(cat([a, b]).tolist()).toEqual([1, 2, 3, 4]);
    expect(stack([a, b]).tolist()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(stack([a, b], 1).tolist()).toEqual([
      [1, 3],
      [2, 4],
    ]);
    expect(cat([floats(), floats().neg()], 1).slice(0, null, 0).tolist()).toEqual([3.5, 2, -4, -3.5, -2, 4]);
    expect(cat([whole('int64', 1), whole('int64', 2, 3)], -1).tolist()).toEqual([1n, 2n, 3n]);
    expect(cat([floats(), floats()], -1).dims).toEqual([2, 3, 4]);
    expect(cat([new Tensor('float32', [], [0, 2]), new Tensor('float32', [1, 2], [1, 2])]).tolist()).toEqual([[1, 2]]);
    expectArg(() => cat([]), /empty/);
    expectArg(() => cat([a, floats() as never]), /same type/);
    expectArg(() => stack([a, whole('int32', 1)]), /same type/);
    expectArg(() => cat([a], 1), /dim/);
  });

  it('topk', async () => {
    const [values, indices] = await topk(new Tensor('float32', [1, 9, 3, 7, 5, 6], [2, 3]), 2);
    expect(values.tolist()).toEqual([
      [9, 3],
      [7, 6],
    ]);
    expect(indices.tolist()).toEqual([
      [1n, 2n],
      [0n, 2n],
    ]);
    const [all, order] = await topk(new Tensor('float32', [2, Number.NaN, 2, 5], [4]));
    expect(all.tolist()).toEqual([Number.NaN, 5, 2, 2]);
    expect(order.tolist()).toEqual([1n, 3n, 0n, 2n]);
    expect((await topk(new Tensor('float16', [1, -2, 3], [3]), 9))[0].tolist()).toEqual([3, 1, -2]);
    expect((await topk(whole('int64', 5, 7), 1))[0].tolist()).toEqual([7n]);
    for (const k of [0, 1.5, '2']) await expect(topk(floats(), k as number)).rejects.toMatchObject({ code: 'ARG' });
  });

  it('matmul', async () => {
    const a = new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3]);
    expect((await matmul(a, a.transpose(0, 1))).tolist()).toEqual([
      [14, 32],
      [32, 77],
    ]);
    for (const other of [a, floats()]) await expect(matmul(a, other)).rejects.toMatchObject({ code: 'ARG' });
  });

  it('std_mean, mean and permute', () => {
    const [std, average] = std_mean(new Tensor('float32', [1, 2, 3, 4], [4]));
    expect([rounded(std), average.item()]).toEqual([[1.291], 2.5]);
    expect(std_mean(floats(), 1, 0, true)[0].dims).toEqual([2, 1, 2]);
    expect(rounded(std_mean(floats(), 1, 0, true)[0])).toEqual([3.2404, 3.8962, 1.6499, 2.4608]);
    expect(mean(floats(), 0)).toEqual(floats().mean(0));
    expect(permute(floats(), [2, 0, 1])).toEqual(floats().permute(2, 0, 1));
  });

  it('full, ones, zeros, rand', () => {
    expect(full([2], 3)).toEqual(new Tensor('float32', [3, 3], [2]));
    expect(full([1], 3n)).toEqual(new Tensor('int64', [3n], [1]));
    expect(full([1], true)).toEqual(new Tensor('bool', [1], [1]));
    expect(ones([2])).toEqual(new Tensor('int64', [1n, 1n], [2]));
    expect(zeros_like(floats())).toEqual(zeros([2, 3, 2]));
    expect(ones_like(floats()).sum().item()).toBe(12);
    expect(full_like(floats(), 0.5).sum().item()).toBe(6);
    expect(full([], 7).item()).toBe(7);
    for (const fill of ['1', null, undefined, () => 1]) expectArg(() => full([1], fill as never), /full/);
    const even = rand([1000]);
    expect(even.min().item()).toBeGreaterThanOrEqual(0);
    expect(even.mean().item()).toBeCloseTo(0.5, 0);
    const [std, average] = std_mean(randn([100, 100]));
    expect(std.item()).toBeCloseTo(1, 1);
    expect(Math.abs(average.item())).toBeLessThan(0.1);
  });
});

describe('vectors', () => {
  it('softmax and its logarithm', () => {
    expect(softmax([0, 0])).toEqual([0.5, 0.5]);
    expect(softmax(Float32Array.of(1000, 1000, -1000))).toEqual(Float32Array.of(0.5, 0.5, 0));
    expect(softmax(Float64Array.of(0, Math.log(3)))[1]).toBeCloseTo(0.75, 12);
    expect(softmax(Int32Array.of(1, 1))).toEqual(Float32Array.of(0.5, 0.5));
    expect(softmax(BigInt64Array.of(1n, 1n))).toEqual(Float32Array.of(0.5, 0.5));
    expect(log_softmax([0, 0])[0]).toBeCloseTo(-Math.LN2, 12);
    expect(softmax([])).toEqual([]);
  });

  it('dot, magnitude and cos_sim', () => {
    expect(dot([1, 2], [3, 4])).toBe(11);
    expect(magnitude([3, 4])).toBe(5);
    expect(cos_sim([1, 2, 3], [4, 5, -6])).toBeCloseTo(-0.1218, 4);
    expect(cos_sim(Float32Array.of(1, 1), [2, 2])).toBeCloseTo(1, 12);
    expectArg(() => cos_sim([1, 2], [1]), /2 and 1/);
    expectArg(() => cos_sim(floats() as never, floats() as never), /tensor\[0\]\.data/);
    expectArg(() => softmax(7 as never), /softmax/);
  });
});

describe('types', () => {
  it('an index is a number, a mask a boolean', () => {
    expectTypeOf(floats().argmax().item()).toEqualTypeOf<number>();
    const labels: Record<number, string> = { 2: 'cat' };
    expect(labels[new Tensor('float32', [0, 1, 5], [1, 3]).argmax(-1).item()]).toBe('cat');
    expectTypeOf(floats().gt(0).max().item()).toEqualTypeOf<boolean>();
    expect(floats().gt(0).max().item()).toBe(true);
  });

  it('follow the elements', () => {
    expectTypeOf(floats().add(1)).toEqualTypeOf<Tensor<'float32'>>();
    expectTypeOf(floats().mean()).toEqualTypeOf<Tensor<'float32'>>();
    expectTypeOf(whole('uint8', 1).sigmoid()).toEqualTypeOf<Tensor<'float32'>>();
    expectTypeOf(whole('uint8', 1).sum()).toEqualTypeOf<Tensor<'int64'>>();
    expectTypeOf(floats()[0]).toEqualTypeOf<Tensor<'float32'>>();
    expectTypeOf(softmax(floats().data)).toEqualTypeOf<Float32Array>();
    expectTypeOf(softmax([1])).toEqualTypeOf<number[]>();
    const general: Tensor = floats();
    expect(general.item).toBeTypeOf('function');
  });
});
