/** Average pooling, four channels at a time, in float64 and rounded once: the results are those of the js engine. */
import { type Expr, f32x4, f64, f64x2, i32, type ModuleBuilder, typed, v128 } from '../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../kernel.js';
import type { AveragePoolSpec } from '../spec.js';
import { vectorAt } from '../wasm-vectors.js';

const LANES = 4;
/** Channels of a cache line, below which threads would read the same ones. */
const GRAIN = 16;

const PARAMS = {
  ...typed('i32', 'x', 'y'), // one image
  ...typed('i32', 'H', 'W', 'C', 'R', 'S'),
  ...typed('i32', 'channelFrom', 'channelTo'),
};

export const averagePoolWasm: WasmKernel<AveragePoolSpec> = {
  op: 'average_pool',
  engine: 'wasm',
  supports: ({ channels }) => channels >= LANES,
  pack: (_spec, weights) => weights,

  calls({ batch, inHeight: H, inWidth: W, channels: C, kernelHeight: R, kernelWidth: S }, at) {
    return Array.from({ length: batch }, (_, n) => {
      const y = at.y + 4 * n * (H - R + 1) * (W - S + 1) * C;
      const args = { x: at.x + 4 * n * H * W * C, y, H, W, C, R, S, channelFrom: 0, channelTo: C };
      return callOf('average_pool', PARAMS, args, { splitBy: 'channelFrom', grain: GRAIN });
    });
  },

  emit(module: ModuleBuilder) {
    module.func('average_pool', PARAMS, (f, { x, y, H, W, C, R, S, channelFrom, channelTo }) => {
      const [pixelBytes, rowBytes, row, column, channel, lane] = f.locals('i32', 6);
      f.set(pixelBytes, i32.shl(C, 2));
      f.set(rowBytes, i32.mul(W, pixelBytes));
      const [r, s, from, corner, to] = f.locals('i32', 5);
      const [low, high, values, count] = f.locals('v128', 4);
      f.set(count, f64x2.splat(f64.convert_i32_s(i32.mul(R, S))));

      f.set(to, y);
      f.for(row, 0, i32.add(i32.sub(H, R), 1), 1, () => {
        f.for(column, 0, i32.add(i32.sub(W, S), 1), 1, () => {
          f.set(corner, i32.add(i32.mul(row, rowBytes), i32.mul(column, pixelBytes)));
          f.set(corner, i32.add(x, corner));
          f.for(channel, channelFrom, channelTo, LANES, () => {
            vectorAt(f, lane, channel, C);
            f.set(low, v128.const(0, 0, 0, 0));
            f.set(high, low);
            f.for(r, 0, R, 1, () => {
              f.set(from, i32.add(i32.add(corner, lane), i32.mul(r, rowBytes)));
              f.for(s, 0, S, 1, () => {
                f.set(values, v128.load(from));
                f.set(low, f64x2.add(low, f64x2.promote_low_f32x4(values)));
                f.set(high, f64x2.add(high, f64x2.promote_low_f32x4(upper(values))));
                f.increase(from, pixelBytes);
              });
            });
            const mean = (sum: Expr<'v128'>) => f32x4.demote_f64x2_zero(f64x2.div(sum, count));
            f.store('v128.store', i32.add(to, lane), v128.shuffle([0, 1, 4, 5], mean(low), mean(high)));
          });
          f.increase(to, pixelBytes);
        });
      });
    });
  },
};

/** Lanes 2 and 3 in the place of 0 and 1. */
function upper(values: Expr<'v128'>): Expr<'v128'> {
  return v128.shuffle([2, 3, 2, 3], values, values);
}
