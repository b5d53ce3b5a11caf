/** y = x + residual in SIMD. */
import { f32, f32x4, i32, type ModuleBuilder, v128 } from '../../tensor/wasm/assembler.js';
import type { AddSpec, WasmKernel } from '../spec.js';

/** Elements of a vector. */
const LANES = 4;

export const addWasm: WasmKernel<AddSpec> = {
  op: 'add',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ size }, { x, residual, y }) {
    return [{ name: 'add', args: [x, residual, y, 0, size], split: { at: 3, grain: LANES } }];
  },

  emit(module: ModuleBuilder) {
    module.func('add', ['i32', 'i32', 'i32', 'i32', 'i32'], (f, x, residual, y, from, to) => {
      const at = f.local('i32'); // bytes from the beginning
      f.set(at, i32.shl(from, 2));
      const whole = f.local('i32');
      f.set(whole, i32.sub(i32.shl(to, 2), 4 * (LANES - 1)));
      f.while(
        () => i32.lt_s(at, whole),
        () => {
          const sum = f32x4.add(v128.load(i32.add(x, at)), v128.load(i32.add(residual, at)));
          f.store('v128.store', i32.add(y, at), sum);
          f.increase(at, 4 * LANES);
        },
      );
      f.while(
        () => i32.lt_s(at, i32.shl(to, 2)),
        () => {
          const sum = f32.add(f32.load(i32.add(x, at)), f32.load(i32.add(residual, at)));
          f.store('f32.store', i32.add(y, at), sum);
          f.increase(at, 4);
        },
      );
    });
  },
};
