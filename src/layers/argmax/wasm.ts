/** The first channel that has the largest number, eight channels at a time: the largest first, then where it is. */
import { i8x16, i16x8, i32, type ModuleBuilder, typed, v128 } from '../../tensor/wasm/assembler.js';
import { callOf } from '../kernel.js';
import type { I16WasmKernel } from '../kernel-i16.js';
import type { ArgmaxI16Spec } from '../spec.js';
import { vectorAt } from '../wasm-vectors.js';

const LANES = 8;

const PARAMS = typed('i32', 'x', 'y', 'C', 'pixelFrom', 'pixelTo');

export const argmaxI16Wasm: I16WasmKernel<ArgmaxI16Spec> = {
  op: 'argmax',
  engine: 'wasm',
  supports: ({ channels }) => channels >= LANES,
  pack: (_spec, weights) => weights,

  calls({ pixels, channels: C }, { x, y }) {
    const args = { x, y, C, pixelFrom: 0, pixelTo: pixels };
    return [callOf('argmax_i16', PARAMS, args, { splitBy: 'pixelFrom', grain: 1 })];
  },

  emit(module: ModuleBuilder) {
    module.func('argmax_i16', PARAMS, (f, { x, y, C, pixelFrom, pixelTo }) => {
      const [pixel, channel, from, to, lane, smaller] = f.locals('i32', 6);
      const [most, turned] = f.locals('v128', 2);
      f.set(from, i32.add(x, i32.mul(pixelFrom, i32.shl(C, 1))));
      f.set(to, i32.add(y, i32.shl(pixelFrom, 1)));
      f.for(pixel, pixelFrom, pixelTo, 1, () => {
        f.set(most, v128.load(from));
        f.for(channel, LANES, C, LANES, () => {
          vectorAt(f, lane, channel, C, 1, LANES);
          f.set(most, i16x8.max_s(most, v128.load(i32.add(from, lane))));
        });
        for (const bytes of [8, 4, 2]) {
          f.set(turned, i8x16.shuffle(turnedBy(bytes), most, most));
          f.set(most, i16x8.max_s(most, turned));
        }
        f.set(channel, 0);
        f.loop((again) => {
          vectorAt(f, lane, channel, C, 1, LANES);
          f.increase(channel, LANES);
          f.set(smaller, i16x8.bitmask(i16x8.gt_s(most, v128.load(i32.add(from, lane)))));
          f.branchIf(again, i32.eq(smaller, (1 << LANES) - 1));
        });
        // The lowest bit that is not set.
        f.store('i32.store16', to, i32.add(i32.shr_u(lane, 1), i32.ctz(i32.xor(smaller, -1))));
        f.increase(from, i32.shl(C, 1));
        f.increase(to, 2);
      });
    });
  },
};

const turnedBy = (bytes: number): number[] => Array.from({ length: 16 }, (_, i) => (i + bytes) % 16);
