/** Dropout in SIMD: a factor for each channel of an image. */
import { f32x4, i32, type ModuleBuilder, typed, v128 } from '../../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import type { DropoutSpec } from '../spec.js';
import { eachPixel } from '../vectors.js';

const PARAMS = typed('i32', 'x', 'factors', 'y', 'C', 'pixelFrom', 'pixelTo'); // one image

export const dropoutWasm: WasmKernel<DropoutSpec> = {
  op: 'dropout',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ batch, pixels, channels: C }, { x, other, y }) {
    return Array.from({ length: batch }, (_, n) => {
      const image = 4 * n * pixels * C;
      const args = { x: x + image, factors: other + 4 * n * C, y: y + image, C, pixelFrom: 0, pixelTo: pixels };
      return callOf('dropout', PARAMS, args, { splitBy: 'pixelFrom', grain: 1 });
    });
  },

  emit(module: ModuleBuilder) {
    module.func('dropout', PARAMS, (f, p) => {
      eachPixel(f, p, p.factors, ({ at, channelAt, offset }, store) => {
        store(p.y, f32x4.mul(v128.load(i32.add(p.x, at), offset), v128.load(channelAt, offset)));
      });
    });
  },
};
