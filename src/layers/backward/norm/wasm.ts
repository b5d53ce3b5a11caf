/**
 * Batch norm over a batch and back through it, in SIMD: what is done once a pixel. What is done once a channel, js does
 * (coefficients.ts).
 */
import {
  type FunctionBuilder,
  f32x4,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  type Parameters,
  typed,
  v128,
} from '../../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import { clampBounds } from '../../spec.js';
import { clamp, storeLanes } from '../../wasm-vectors.js';
import type { NormDxSpec, NormMomentsSpec, NormSumsSpec, ScaleShiftSpec } from '../spec.js';
import { type Column, channelGrain, eachColumn, eachPixel, eachRow } from '../vectors.js';

const MOMENTS = typed('i32', 'x', 'y', 'pixels', 'C', 'channelFrom', 'channelTo');
const SUMS = typed('i32', 'x', 'dy', 'moments', 'y', 'pixels', 'C', 'channelFrom', 'channelTo');
const SCALE = {
  ...typed('i32', 'x', 'w', 'y', 'C'),
  ...typed('f32', 'lo', 'hi'),
  ...typed('i32', 'pixelFrom', 'pixelTo'),
};
const DX = typed('i32', 'x', 'dy', 'w', 'y', 'C', 'pixelFrom', 'pixelTo');

export const normMomentsWasm: WasmKernel<NormMomentsSpec> = {
  op: 'norm_moments',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ pixels, channels: C }, { x, y }) {
    const args = { x, y, pixels, C, channelFrom: 0, channelTo: C };
    return [callOf('norm_moments', MOMENTS, args, { splitBy: 'channelFrom', grain: channelGrain(C) })];
  },

  emit(module: ModuleBuilder) {
    module.func('norm_moments', MOMENTS, (f, p) => eachColumn(f, p, [p.x], (column) => emitMoments(f, p, column)));
  },
};

/**
 * Of a block the mean, then the squares of what deviates from it; and then both are joined with those of the blocks before, as
 * Chan, Golub and LeVeque have it (1983, "Algorithms for computing the sample variance", equation 2.1). Memory is read once, where
 * two passes over all would read it twice, and nothing cancels, as it does where squares of what is far from zero are summed.
 */
function emitMoments(f: FunctionBuilder, p: Parameters<typeof MOMENTS>, column: Column): void {
  const means = f.locals('v128', column.vectors);
  const squares = f.locals('v128', column.vectors);
  const [value, n, before, weight] = f.locals('v128', 4);
  const to = f.local('i32');
  const zero = v128.const(0, 0, 0, 0);
  for (const local of [...means, ...squares]) f.set(local, zero);
  eachRow(f, column, [p.x], ([at]) => {
    for (const [v, mean] of means.entries()) f.set(mean, f32x4.add(mean, v128.load(at, 16 * v)));
  });
  f.set(n, f32x4.convert_i32x4_s(i32x4.splat(column.count)));
  for (const mean of means) f.set(mean, f32x4.div(mean, n));
  eachRow(f, column, [p.x], ([at]) => {
    for (const [v, sum] of squares.entries()) {
      f.set(value, f32x4.sub(v128.load(at, 16 * v), means[v]));
      f.set(sum, f.mulAdd(sum, value, value));
    }
  });

  f.set(to, i32.add(p.y, column.channelBytes));
  f.if(column.before, () => {
    f.set(before, f32x4.convert_i32x4_s(i32x4.splat(column.before)));
    f.set(weight, f32x4.div(n, f32x4.add(before, n)));
    f.set(before, f32x4.mul(before, weight));
    for (const [v, mean] of means.entries()) {
      const known = v128.load(to, 16 * v);
      f.set(value, f32x4.sub(mean, known));
      f.set(mean, f.mulAdd(known, value, weight));
      f.set(squares[v], f32x4.add(squares[v], v128.load(i32.add(to, column.rowBytes), 16 * v)));
      f.set(squares[v], f.mulAdd(squares[v], f32x4.mul(value, value), before));
    }
  });
  f.if(i32.eq(i32.add(column.before, column.count), p.pixels), () => {
    f.set(n, f32x4.convert_i32x4_s(i32x4.splat(p.pixels)));
    for (const sum of squares) f.set(sum, f32x4.div(sum, n));
  });
  storeTwo(f, to, column, means, squares);
}

/** Two rows of y. */
function storeTwo(
  f: FunctionBuilder,
  to: Local<'i32'>,
  { left, rowBytes }: Column,
  first: readonly Local<'v128'>[],
  second: readonly Local<'v128'>[],
): void {
  storeLanes(f, to, first, left);
  f.increase(to, rowBytes);
  storeLanes(f, to, second, left);
}

export const normSumsWasm: WasmKernel<NormSumsSpec> = {
  op: 'norm_sums',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ pixels, channels: C }, { x, other, weights, y }) {
    const args = { x, dy: other, moments: weights, y, pixels, C, channelFrom: 0, channelTo: C };
    return [callOf('norm_sums', SUMS, args, { splitBy: 'channelFrom', grain: channelGrain(C) })];
  },

  emit(module: ModuleBuilder) {
    module.func('norm_sums', SUMS, (f, p) => {
      const [to, meansAt] = f.locals('i32', 2);
      const gradient = f.local('v128');
      eachColumn(f, p, [p.x, p.dy], (column) => {
        const [means, sums, products] = [0, 1, 2].map(() => f.locals('v128', column.vectors));
        f.set(meansAt, i32.add(p.moments, column.channelBytes));
        for (const [v, mean] of means.entries()) f.set(mean, v128.load(meansAt, 16 * v));
        for (const sum of [...sums, ...products]) f.set(sum, v128.const(0, 0, 0, 0));
        eachRow(f, column, [p.x, p.dy], ([x, dy]) => {
          for (const [v, mean] of means.entries()) {
            f.set(gradient, v128.load(dy, 16 * v));
            f.set(sums[v], f32x4.add(sums[v], gradient));
            f.set(products[v], f.mulAdd(products[v], gradient, f32x4.sub(v128.load(x, 16 * v), mean)));
          }
        });
        f.set(to, i32.add(p.y, column.channelBytes));
        f.if(column.before, () => {
          for (const [v, sum] of sums.entries()) {
            f.set(sum, f32x4.add(v128.load(to, 16 * v), sum));
            f.set(products[v], f32x4.add(v128.load(i32.add(to, column.rowBytes), 16 * v), products[v]));
          }
        });
        storeTwo(f, to, column, sums, products);
      });
    });
  },
};

export const scaleShiftWasm: WasmKernel<ScaleShiftSpec> = {
  op: 'scale_shift',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ pixels, channels: C, activation }, { x, weights: w, y }) {
    const args = { x, w, y, C, ...clampBounds(activation), pixelFrom: 0, pixelTo: pixels };
    return [callOf('scale_shift', SCALE, args, { splitBy: 'pixelFrom', grain: 1 })];
  },

  emit(module: ModuleBuilder) {
    module.func('scale_shift', SCALE, (f, p) => {
      const [low, high] = f.locals('v128', 2);
      f.set(low, f32x4.splat(p.lo));
      f.set(high, f32x4.splat(p.hi));
      const rowBytes = f.local('i32');
      f.set(rowBytes, i32.shl(p.C, 2));
      eachPixel(f, p, p.w, ({ at, channelAt, offset }, store) => {
        const shift = v128.load(i32.add(channelAt, rowBytes), offset);
        const scaled = f.mulAdd(shift, v128.load(i32.add(p.x, at), offset), v128.load(channelAt, offset));
        store(p.y, clamp(scaled, low, high));
      });
    });
  },
};

export const normDxWasm: WasmKernel<NormDxSpec> = {
  op: 'norm_dx',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ pixels, channels: C }, { x, other, weights: w, y }) {
    const args = { x, dy: other, w, y, C, pixelFrom: 0, pixelTo: pixels };
    return [callOf('norm_dx', DX, args, { splitBy: 'pixelFrom', grain: 1 })];
  },

  emit(module: ModuleBuilder) {
    module.func('norm_dx', DX, (f, p) => {
      const [rowBytes, twoRows] = f.locals('i32', 2);
      f.set(rowBytes, i32.shl(p.C, 2));
      f.set(twoRows, i32.shl(p.C, 3));
      eachPixel(f, p, p.w, ({ at, channelAt, offset }, store) => {
        const term = v128.load(i32.add(channelAt, twoRows), offset);
        const factor = v128.load(i32.add(channelAt, rowBytes), offset);
        const ofX = f.mulAdd(term, v128.load(i32.add(p.x, at), offset), factor);
        store(p.y, f.mulAdd(ofX, v128.load(i32.add(p.dy, at), offset), v128.load(channelAt, offset)));
      });
    });
  },
};
