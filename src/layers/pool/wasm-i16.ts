/** Average pooling of whole numbers, four channels at a time. */
import {
  type Expr,
  type FunctionBuilder,
  f32x4,
  f64,
  f64x2,
  i16x8,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { callOf } from '../kernel.js';
import type { I16WasmKernel } from '../kernel-i16.js';
import type { AveragePoolI16Spec } from '../spec.js';
import { BOUNDS, enterRounding, round } from '../wasm-i16.js';
import { vectorAt } from '../wasm-vectors.js';

const LANES = 4;
/** Channels of a cache line, below which threads would read the same ones. */
const GRAIN = 32;
const BYTES = Int16Array.BYTES_PER_ELEMENT;

const PARAMS = {
  ...typed('i32', 'x', 'y'), // one image
  ...typed('i32', 'H', 'W', 'C', 'R', 'S'),
  ...typed('i32', 'exact'), // 1: rounded as a division of integers, 0: by the multiplier
  ...typed('f32', 'multiplier'),
  ...BOUNDS,
  ...typed('i32', 'least'), // `lo` once more
  ...typed('i32', 'channelFrom', 'channelTo'),
};

export const averagePoolI16Wasm: I16WasmKernel<AveragePoolI16Spec> = {
  op: 'average_pool',
  engine: 'wasm',
  supports: ({ channels }) => channels >= LANES,
  pack: (_spec, weights) => weights,

  calls(spec, at) {
    const { batch, inHeight: H, inWidth: W, channels: C, kernelHeight: R, kernelWidth: S, lo, hi } = spec;
    const rounding = { exact: spec.multiplier === null ? 1 : 0, multiplier: spec.multiplier ?? 0, lo, hi, least: lo };
    return Array.from({ length: batch }, (_, n) => {
      const image = { x: at.x + BYTES * n * H * W * C, y: at.y + BYTES * n * (H - R + 1) * (W - S + 1) * C };
      const args = { ...image, H, W, C, R, S, ...rounding, channelFrom: 0, channelTo: C };
      return callOf('average_pool_i16', PARAMS, args, { splitBy: 'channelFrom', grain: GRAIN });
    });
  },

  emit(module: ModuleBuilder) {
    module.func('average_pool_i16', PARAMS, (f, p) => {
      const { x, y, H, W, C, R, S, channelFrom, channelTo } = p;
      const [pixelBytes, rowBytes, row, column, channel, lane] = f.locals('i32', 6);
      f.set(pixelBytes, i32.shl(C, 1));
      f.set(rowBytes, i32.mul(W, pixelBytes));
      const [r, s, from, corner, to] = f.locals('i32', 5);
      const [sum, multiplier, least] = f.locals('v128', 3);
      f.set(least, i16x8.splat(p.least));
      f.set(multiplier, f32x4.splat(p.multiplier));
      const rounding = enterRounding(f, p);
      const mean = division(f, i32.mul(R, S));

      f.set(to, y);
      f.for(row, 0, i32.add(i32.sub(H, R), 1), 1, () => {
        f.for(column, 0, i32.add(i32.sub(W, S), 1), 1, () => {
          f.set(corner, i32.add(i32.mul(row, rowBytes), i32.mul(column, pixelBytes)));
          f.set(corner, i32.add(x, corner));
          f.for(channel, channelFrom, channelTo, LANES, () => {
            vectorAt(f, lane, channel, C, 1);
            f.set(sum, i32x4.splat(0));
            f.for(r, 0, R, 1, () => {
              f.set(from, i32.add(i32.add(corner, lane), i32.mul(r, rowBytes)));
              f.for(s, 0, S, 1, () => {
                f.set(sum, i32x4.add(sum, v128.load16x4s(from)));
                f.increase(from, pixelBytes);
              });
            });
            f.if(
              p.exact,
              () => f.set(sum, mean(sum)),
              () => f.set(sum, round(f32x4.mul(f32x4.convert_i32x4_s(sum), multiplier), rounding)),
            );
            f.set(sum, i16x8.max_s(i16x8.narrow_i32x4_s(sum, sum), least));
            f.storeLane('v128.store64_lane', 0, i32.add(to, lane), i16x8.min_s(sum, rounding.high));
          });
          f.increase(to, pixelBytes);
        });
      });
    });
  },
};

/** 1.5 · 2^52: the lower bits of a float64 to which this is added are those of its nearest whole number. */
const MAGIC = 1.5 * 2 ** 52;

/**
 * floor((sum + floor(n / 2)) / n) of four sums, as the whole number nearest to sum / n, or to (sum + 1/2) / n where n is even:
 * which is never half way between two.
 */
function division(f: FunctionBuilder, n: Expr<'i32'>) {
  const [count, shift, magic] = f.locals('v128', 3);
  f.set(count, f64x2.splat(f64.convert_i32_s(n)));
  f.set(shift, f64x2.splat(f64.mul(f64.convert_i32_s(i32.sub(1, i32.and(n, 1))), 0.5)));
  f.set(magic, f64x2.splat(MAGIC));
  const quotients = (two: Expr<'v128'>) =>
    f64x2.add(f64x2.div(f64x2.add(f64x2.convert_low_i32x4_s(two), shift), count), magic);
  return (sums: Local<'v128'>): Expr<'v128'> =>
    v128.shuffle([0, 2, 4, 6], quotients(sums), quotients(v128.shuffle([2, 3, 2, 3], sums, sums)));
}
