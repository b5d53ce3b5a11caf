/** Sums over pixels in SIMD, a cache line of channels at a time. */
import { f32x4, i32, type ModuleBuilder, typed, v128 } from '../../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import { storeLanes } from '../../wasm-vectors.js';
import type { ChannelSumSpec } from '../spec.js';
import { channelGrain, eachColumn, eachRow } from '../vectors.js';

const PARAMS = typed('i32', 'x', 'y', 'pixels', 'C', 'channelFrom', 'channelTo');

export const channelSumWasm: WasmKernel<ChannelSumSpec> = {
  op: 'channel_sum',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ pixels, channels: C }, { x, y }) {
    const args = { x, y, pixels, C, channelFrom: 0, channelTo: C };
    return [callOf('channel_sum', PARAMS, args, { splitBy: 'channelFrom', grain: channelGrain(C) })];
  },

  emit(module: ModuleBuilder) {
    module.func('channel_sum', PARAMS, (f, p) => {
      const to = f.local('i32');
      // What is summed has just been made, and is near.
      eachColumn(f, p, [], (column) => {
        const sums = f.locals('v128', column.vectors);
        for (const sum of sums) f.set(sum, v128.const(0, 0, 0, 0));
        eachRow(f, column, [p.x], ([at]) => {
          for (const [v, sum] of sums.entries()) f.set(sum, f32x4.add(sum, v128.load(at, 16 * v)));
        });
        f.set(to, i32.add(p.y, column.channelBytes));
        for (const [v, sum] of sums.entries()) f.set(sum, f32x4.add(v128.load(to, 16 * v), sum));
        storeLanes(f, to, sums, column.left);
      });
    });
  },
};
