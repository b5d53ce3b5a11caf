/** Sum of squares in SIMD, in float64 and rounded once. One result is one thread's. */
import { type Expr, f32x4, f64x2, i32, type ModuleBuilder, typed, v128 } from '../../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import type { SumOfSquaresSpec } from '../spec.js';

const PARAMS = typed('i32', 'x', 'y', 'size', 'from', 'to'); // from, to: of y, which has one number

export const sumOfSquaresWasm: WasmKernel<SumOfSquaresSpec> = {
  op: 'sum_of_squares',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls: ({ size }, { x, y }) => [
    callOf('sum_of_squares', PARAMS, { x, y, size, from: 0, to: 1 }, { splitBy: 'from', grain: 1 }),
  ],

  emit(module: ModuleBuilder) {
    module.func('sum_of_squares', PARAMS, (f, { x, y, size, from, to }) => {
      const [at, end] = f.locals('i32', 2);
      const [low, high, values] = f.locals('v128', 3);
      const add = (): void => {
        const squares = (pair: Expr<'v128'>) => f64x2.mul(pair, pair);
        f.set(low, f64x2.add(low, squares(f64x2.promote_low_f32x4(values))));
        f.set(high, f64x2.add(high, squares(f64x2.promote_low_f32x4(v128.shuffle([2, 3, 2, 3], values, values)))));
      };
      f.if(i32.lt_s(from, to), () => {
        f.set(at, x);
        f.set(end, i32.add(x, i32.and(i32.shl(size, 2), -16)));
        f.while(
          () => i32.ne(at, end),
          () => {
            f.set(values, v128.load(at));
            add();
            f.increase(at, 16);
          },
        );
        f.set(end, i32.add(x, i32.shl(size, 2)));
        f.while(
          () => i32.ne(at, end),
          () => {
            f.set(values, v128.load32Zero(at));
            add();
            f.increase(at, 4);
          },
        );
        f.set(low, f64x2.add(low, high));
        f.set(low, f64x2.add(low, v128.shuffle([2, 3, 0, 1], low, low)));
        f.storeLane('v128.store32_lane', 0, y, f32x4.demote_f64x2_zero(low));
      });
    });
  },
};
