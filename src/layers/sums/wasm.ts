/** Sums for a bias in SIMD: the loop of pointwise/wasm-i16.ts for a single pixel, whose sums are stored and not rounded. */
import { i32, i32x4, type ModuleBuilder, typed, v128 } from '../../tensor/wasm/assembler.js';
import { callOf } from '../kernel.js';
import type { I16WasmKernel } from '../kernel-i16.js';
import type { SumsSpec } from '../spec.js';
import { PANEL, packPairs } from '../wasm-i16.js';

/** Vectors of a panel's sums. */
const VECTORS = PANEL / 4;

const PARAMS = typed('i32', 'x', 'w', 'bias', 'y', 'C', 'colFrom', 'colTo');

export const sumsWasm: I16WasmKernel<SumsSpec> = {
  op: 'sums',
  engine: 'wasm',
  /** Whole panels: what is stored ends where y ends. */
  supports: ({ outChannels }) => outChannels % PANEL === 0,

  /** [K,C] → panels [C/2][8][2] of 8 output channels. */
  pack: ({ outChannels, inChannels }, weights) => packPairs(new Int16Array(weights), outChannels, inChannels),

  calls({ batch, inChannels: C, outChannels: K }, { x, weights: w, bias, y }) {
    return Array.from({ length: batch }, (_, n) => {
      const args = { x: x + 2 * n * C, w, bias, y: y + 4 * n * K, C, colFrom: 0, colTo: K };
      return callOf('sums_i16', PARAMS, args, { splitBy: 'colFrom', grain: PANEL });
    });
  },

  emit(module: ModuleBuilder) {
    module.func('sums_i16', PARAMS, (f, { x, w, bias, y, C, colFrom, colTo }) => {
      const [column, pixelAt, weightAt, weightEnd, panelBytes, at] = f.locals('i32', 6);
      const sums = f.locals('v128', VECTORS);
      const pixel = f.local('v128');
      f.set(panelBytes, i32.mul(i32.shr_u(i32.add(C, 1), 1), 4 * PANEL));
      f.set(weightEnd, i32.add(w, i32.mul(i32.shr_u(colFrom, 3), panelBytes)));
      f.for(column, colFrom, colTo, PANEL, () => {
        f.set(at, i32.shl(column, 2));
        for (let v = 0; v < VECTORS; v++) f.set(sums[v], v128.load(i32.add(bias, at), 16 * v));
        f.set(pixelAt, x);
        f.set(weightAt, weightEnd); // where the panel before ended
        f.set(weightEnd, i32.add(weightAt, panelBytes));
        f.loop((again) => {
          // Of an odd C the last pair reaches one word past the pixel, where its weights are zero.
          f.set(pixel, v128.load32Splat(pixelAt));
          for (let v = 0; v < VECTORS; v++) {
            f.set(sums[v], i32x4.add(sums[v], i32x4.dot_i16x8_s(pixel, v128.load(weightAt, 16 * v))));
          }
          f.increase(pixelAt, 4);
          f.increase(weightAt, 4 * PANEL);
          f.branchIf(again, i32.ne(weightAt, weightEnd));
        });
        f.set(at, i32.add(y, at));
        for (let v = 0; v < VECTORS; v++) f.store('v128.store', at, sums[v], 16 * v);
      });
    });
  },
};
