/** The numbers of a picture as whole numbers in SIMD: eight pixels of a channel at a time. */
import { type Expr, f32x4, i32, type Local, type ModuleBuilder, typed, v128 } from '../../tensor/wasm/assembler.js';
import { callOf } from '../kernel.js';
import type { I16WasmKernel } from '../kernel-i16.js';
import type { QuantizeI16Spec } from '../spec.js';
import { BOUNDS, enterRounding, roundWords } from '../wasm-i16.js';

const LANES = 8;

const PARAMS = {
  ...typed('i32', 'x', 'y', 'C', 'P'), // one image
  ...typed('f32', 'scale'),
  ...BOUNDS,
  ...typed('i32', 'from', 'to'), // pixels
};

export const quantizeWasm: I16WasmKernel<QuantizeI16Spec> = {
  op: 'quantize',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ batch, channels: C, pixels: P, multiplier: scale, lo, hi }, at) {
    return Array.from({ length: batch }, (_, n) => {
      const args = { x: at.x + 4 * n * C * P, y: at.y + 2 * n * P * C, C, P, scale, lo, hi, from: 0, to: P };
      return callOf('quantize_i16', PARAMS, args, { splitBy: 'from', grain: LANES });
    });
  },

  emit(module: ModuleBuilder) {
    module.func('quantize_i16', PARAMS, (f, p) => {
      const rounding = enterRounding(f, p);
      const [factor, words] = f.locals('v128', 2);
      f.set(factor, f32x4.splat(p.scale));
      const [c, at, outAt, stop, pixelBytes] = f.locals('i32', 5);
      f.set(pixelBytes, i32.shl(p.C, 1));
      const scaled = (values: Expr<'v128'>): Expr<'v128'> => f32x4.mul(values, factor);
      const end = (pixel: Local<'i32'>) => i32.add(p.x, i32.shl(i32.add(i32.mul(c, p.P), pixel), 2));

      f.for(c, 0, p.C, 1, () => {
        f.set(at, end(p.from));
        f.set(stop, end(p.to));
        f.set(outAt, i32.add(p.y, i32.shl(i32.add(i32.mul(p.from, p.C), c), 1)));
        f.while(
          () => i32.ge_u(i32.sub(stop, at), 4 * LANES),
          () => {
            f.set(words, roundWords(scaled(v128.load(at)), scaled(v128.load(at, 16)), rounding));
            for (let lane = 0; lane < LANES; lane++) {
              f.storeLane('v128.store16_lane', lane, outAt, words);
              f.increase(outAt, pixelBytes);
            }
            f.increase(at, 4 * LANES);
          },
        );
        f.while(
          () => i32.ne(at, stop),
          () => {
            const one = scaled(v128.load32Zero(at));
            f.set(words, roundWords(one, one, rounding));
            f.storeLane('v128.store16_lane', 0, outAt, words);
            f.increase(outAt, pixelBytes);
            f.increase(at, 4);
          },
        );
      });
    });
  },
};
