/** Channels side by side, copied four at a time. */
import { type FunctionBuilder, i32, type Local, type ModuleBuilder, typed, v128 } from '../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../kernel.js';
import type { ConcatSpec } from '../spec.js';

const PARAMS = {
  ...typed('i32', 'x', 'other', 'y'),
  ...typed('i32', 'C1', 'C2'),
  ...typed('i32', 'pixelFrom', 'pixelTo'),
};

export const concatWasm: WasmKernel<ConcatSpec> = {
  op: 'concat',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ pixels, channels1: C1, channels2: C2 }, { x, other, y }) {
    const args = { x, other, y, C1, C2, pixelFrom: 0, pixelTo: pixels };
    return [callOf('concat', PARAMS, args, { splitBy: 'pixelFrom', grain: 1 })];
  },

  emit(module: ModuleBuilder) {
    module.func('concat', PARAMS, (f, { x, other, y, C1, C2, pixelFrom, pixelTo }) => {
      const [pixel, from, to] = f.locals('i32', 3);
      f.set(to, i32.add(y, i32.mul(pixelFrom, i32.shl(i32.add(C1, C2), 2))));
      f.for(pixel, pixelFrom, pixelTo, 1, () => {
        f.set(from, i32.add(x, i32.shl(i32.mul(pixel, C1), 2)));
        copy(f, from, to, C1);
        f.set(from, i32.add(other, i32.shl(i32.mul(pixel, C2), 2)));
        copy(f, from, to, C2);
      });
    });
  },
};

/** Copies `count` floats; both addresses end up after them. */
function copy(f: FunctionBuilder, from: Local<'i32'>, to: Local<'i32'>, count: Local<'i32'>): void {
  const left = f.local('i32');
  const move = (floats: number, one: () => void) =>
    f.while(
      () => i32.ge_s(left, floats),
      () => {
        one();
        f.increase(from, 4 * floats);
        f.increase(to, 4 * floats);
        f.set(left, i32.sub(left, floats));
      },
    );
  f.set(left, count);
  move(4, () => f.store('v128.store', to, v128.load(from)));
  move(1, () => f.store('i32.store', to, i32.load(from)));
}
