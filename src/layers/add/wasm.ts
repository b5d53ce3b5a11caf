/** y = x + other in SIMD. */
import { f32, f32x4, i32, type ModuleBuilder, typed, v128 } from '../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../kernel.js';
import type { AddSpec } from '../spec.js';

/** Elements of a vector. */
const LANES = 4;

/** Byte addresses, and elements from, to. */
const PARAMS = typed('i32', 'x', 'other', 'y', 'from', 'to');

export const addWasm: WasmKernel<AddSpec> = {
  op: 'add',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ size }, { x, other, y }) {
    return [callOf('add', PARAMS, { x, other, y, from: 0, to: size }, { splitBy: 'from', grain: LANES })];
  },

  emit(module: ModuleBuilder) {
    module.func('add', PARAMS, (f, { x, other, y, from, to }) => {
      const at = f.local('i32'); // bytes from the beginning
      f.set(at, i32.shl(from, 2));
      const whole = f.local('i32');
      f.set(whole, i32.sub(i32.shl(to, 2), 4 * (LANES - 1)));
      f.while(
        () => i32.lt_s(at, whole),
        () => {
          const sum = f32x4.add(v128.load(i32.add(x, at)), v128.load(i32.add(other, at)));
          f.store('v128.store', i32.add(y, at), sum);
          f.increase(at, 4 * LANES);
        },
      );
      f.while(
        () => i32.lt_s(at, i32.shl(to, 2)),
        () => {
          const sum = f32.add(f32.load(i32.add(x, at)), f32.load(i32.add(other, at)));
          f.store('f32.store', i32.add(y, at), sum);
          f.increase(at, 4);
        },
      );
    });
  },
};
