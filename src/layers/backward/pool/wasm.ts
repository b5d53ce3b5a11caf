/** Back through average pooling, four channels at a time: a pixel has its share of every window that it lies in. */
import { f32x4, i32, i32x4, type ModuleBuilder, typed, v128 } from '../../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import { vectorAt } from '../../wasm-vectors.js';
import type { AveragePoolDxSpec } from '../spec.js';

const LANES = 4;

const PARAMS = {
  ...typed('i32', 'dy', 'y'), // one image
  ...typed('i32', 'H', 'W', 'C', 'R', 'S'),
  ...typed('i32', 'rowFrom', 'rowTo'), // of dX
};

export const averagePoolDxWasm: WasmKernel<AveragePoolDxSpec> = {
  op: 'average_pool_dx',
  engine: 'wasm',
  supports: ({ channels }) => channels >= LANES,
  pack: (_spec, weights) => weights,

  calls({ batch, inHeight: H, inWidth: W, channels: C, kernelHeight: R, kernelWidth: S }, at) {
    return Array.from({ length: batch }, (_, n) => {
      const dy = at.x + 4 * n * (H - R + 1) * (W - S + 1) * C;
      const args = { dy, y: at.y + 4 * n * H * W * C, H, W, C, R, S, rowFrom: 0, rowTo: H };
      return callOf('average_pool_dx', PARAMS, args, { splitBy: 'rowFrom', grain: 1 });
    });
  },

  emit(module: ModuleBuilder) {
    module.func('average_pool_dx', PARAMS, (f, { dy, y, H, W, C, R, S, rowFrom, rowTo }) => {
      const [pixelBytes, dyRowBytes, row, column, channel, lane, to] = f.locals('i32', 7);
      const [top, bottom, left, right, h, at, end] = f.locals('i32', 7);
      const [sum, count] = f.locals('v128', 2);
      f.set(pixelBytes, i32.shl(C, 2));
      f.set(dyRowBytes, i32.mul(i32.add(i32.sub(W, S), 1), pixelBytes));
      f.set(count, f32x4.convert_i32x4_s(i32x4.splat(i32.mul(R, S))));
      /** Windows that begin at most a window before a place, and fit into the picture. */
      const windows = (from: typeof top, till: typeof top, place: typeof top, size: typeof top, window: typeof top) => {
        f.set(from, i32.add(i32.sub(place, window), 1));
        f.if(i32.lt_s(from, 0), () => f.set(from, 0));
        f.set(till, i32.sub(size, window));
        f.if(i32.gt_s(till, place), () => f.set(till, place));
      };

      f.set(to, i32.add(y, i32.mul(i32.mul(rowFrom, W), pixelBytes)));
      f.for(row, rowFrom, rowTo, 1, () => {
        windows(top, bottom, row, H, R);
        f.for(column, 0, W, 1, () => {
          windows(left, right, column, W, S);
          f.for(channel, 0, C, LANES, () => {
            vectorAt(f, lane, channel, C);
            f.set(sum, v128.const(0, 0, 0, 0));
            f.for(h, top, i32.add(bottom, 1), 1, () => {
              f.set(at, i32.add(i32.add(dy, lane), i32.mul(h, dyRowBytes)));
              f.set(end, i32.add(at, i32.mul(i32.add(right, 1), pixelBytes)));
              f.increase(at, i32.mul(left, pixelBytes));
              f.while(
                () => i32.ne(at, end),
                () => {
                  f.set(sum, f32x4.add(sum, v128.load(at)));
                  f.increase(at, pixelBytes);
                },
              );
            });
            f.store('v128.store', i32.add(to, lane), f32x4.div(sum, count));
          });
          f.increase(to, pixelBytes);
        });
      });
    });
  },
};
