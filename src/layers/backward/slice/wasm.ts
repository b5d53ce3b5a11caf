/** Some channels of each pixel, copied sixteen bytes at a time. */
import { i32, type ModuleBuilder, typed } from '../../../tensor/wasm/assembler.js';
import { copy } from '../../concat/wasm.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import type { SliceSpec } from '../spec.js';

const PARAMS = typed('i32', 'x', 'y', 'from', 'inChannels', 'C', 'pixelFrom', 'pixelTo');

export const sliceChannelsWasm: WasmKernel<SliceSpec> = {
  op: 'slice_channels',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ pixels, inChannels, from, channels: C }, { x, y }) {
    const args = { x, y, from, inChannels, C, pixelFrom: 0, pixelTo: pixels };
    return [callOf('slice_channels', PARAMS, args, { splitBy: 'pixelFrom', grain: 1 })];
  },

  emit(module: ModuleBuilder) {
    module.func('slice_channels', PARAMS, (f, p) => {
      const [pixel, at, to] = f.locals('i32', 3);
      f.set(to, i32.add(p.y, i32.shl(i32.mul(p.pixelFrom, p.C), 2)));
      f.for(pixel, p.pixelFrom, p.pixelTo, 1, () => {
        f.set(at, i32.add(p.x, i32.shl(i32.add(i32.mul(pixel, p.inChannels), p.from), 2)));
        copy(f, at, to, p.C, 2);
      });
    });
  },
};
