/** Channels side by side, copied sixteen bytes at a time. */
import { type FunctionBuilder, i32, type Local, type ModuleBuilder, typed, v128 } from '../../tensor/wasm/assembler.js';
import { type Addresses, callOf, type WasmKernel } from '../kernel.js';
import type { I16Addresses, I16WasmKernel } from '../kernel-i16.js';
import type { ConcatI16Spec, ConcatSpec } from '../spec.js';

const PARAMS = {
  ...typed('i32', 'x', 'other', 'y'),
  ...typed('i32', 'C1', 'C2'),
  ...typed('i32', 'pixelFrom', 'pixelTo'),
};

/** @param shift bytes of a number, as a power of two */
const concatOf = (name: string, shift: 1 | 2) => ({
  op: 'concat' as const,
  engine: 'wasm' as const,
  supports: () => true,
  pack: <W>(_spec: unknown, weights: W): W => weights,
  calls(
    { pixels, channels1: C1, channels2: C2 }: ConcatSpec | ConcatI16Spec,
    { x, other, y }: Addresses | I16Addresses,
  ) {
    const args = { x, other, y, C1, C2, pixelFrom: 0, pixelTo: pixels };
    return [callOf(name, PARAMS, args, { splitBy: 'pixelFrom', grain: 1 })];
  },
  emit: (module: ModuleBuilder) => emitConcat(module, name, shift),
});

export const concatWasm: WasmKernel<ConcatSpec> = concatOf('concat', 2);
export const concatI16Wasm: I16WasmKernel<ConcatI16Spec> = concatOf('concat_i16', 1);

function emitConcat(module: ModuleBuilder, name: string, shift: 1 | 2): void {
  module.func(name, PARAMS, (f, { x, other, y, C1, C2, pixelFrom, pixelTo }) => {
    const [pixel, from, to] = f.locals('i32', 3);
    f.set(to, i32.add(y, i32.mul(pixelFrom, i32.shl(i32.add(C1, C2), shift))));
    f.for(pixel, pixelFrom, pixelTo, 1, () => {
      f.set(from, i32.add(x, i32.shl(i32.mul(pixel, C1), shift)));
      copy(f, from, to, C1, shift);
      f.set(from, i32.add(other, i32.shl(i32.mul(pixel, C2), shift)));
      copy(f, from, to, C2, shift);
    });
  });
}

/** Copies `count` numbers; both addresses end up after them. */
export function copy(
  f: FunctionBuilder,
  from: Local<'i32'>,
  to: Local<'i32'>,
  count: Local<'i32'>,
  shift: 1 | 2,
): void {
  const left = f.local('i32');
  const move = (numbers: number, one: () => void) =>
    f.while(
      () => i32.ge_s(left, numbers),
      () => {
        one();
        f.increase(from, numbers << shift);
        f.increase(to, numbers << shift);
        f.set(left, i32.sub(left, numbers));
      },
    );
  f.set(left, count);
  move(16 >> shift, () => f.store('v128.store', to, v128.load(from)));
  move(1, () =>
    shift === 2 ? f.store('i32.store', to, i32.load(from)) : f.store('i32.store16', to, i32.load16S(from)),
  );
}
