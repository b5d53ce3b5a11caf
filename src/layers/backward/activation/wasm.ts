/** Back through ReLU and ReLU6 in SIMD, exact: see ../mask.ts. All other functions are of exponentials, and js does them. */
import { i32, type ModuleBuilder, typed, v128 } from '../../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import { maskBound, passed } from '../mask.js';
import type { ActivationDxSpec } from '../spec.js';
import { eachVector } from '../vectors.js';

/** Byte addresses, the upper bound, and numbers from, to. */
const PARAMS = { ...typed('i32', 'x', 'dy', 'y'), ...typed('f32', 'bound'), ...typed('i32', 'from', 'to') };

export const activationDxWasm: WasmKernel<ActivationDxSpec> = {
  op: 'activation_dx',
  engine: 'wasm',
  supports: ({ function: name }) => name === 'relu' || name === 'relu6',
  pack: (_spec, weights) => weights,

  calls({ size, function: name }, { x, other, y }) {
    const args = { x, dy: other, y, bound: maskBound(name as 'relu' | 'relu6'), from: 0, to: size };
    return [callOf('activation_dx', PARAMS, args, { splitBy: 'from', grain: 16 })];
  },

  emit(module: ModuleBuilder) {
    module.func('activation_dx', PARAMS, (f, p) => {
      const through = passed(f, p.bound);
      eachVector(f, p, ({ at, offset }, store) => {
        store(p.y, through(v128.load(i32.add(p.dy, at), offset), v128.load(i32.add(p.x, at), offset)));
      });
    });
  },
};
