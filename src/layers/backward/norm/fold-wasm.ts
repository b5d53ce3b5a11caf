/** Back through the folding of a batch norm (fold.ts), in SIMD: once a step over all weights. */
import { type Expr, f32x4, i32, type Local, type ModuleBuilder, typed, v128 } from '../../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import type { FoldDgammaSpec, FoldDwSpec } from '../spec.js';
import { eachVector } from '../vectors.js';

const DW = {
  ...typed('i32', 'x', 'gamma', 'variances', 'y', 'R'),
  ...typed('f32', 'epsilon'),
  ...typed('i32', 'channelFrom', 'channelTo'),
};
const DGAMMA = {
  ...typed('i32', 'x', 'w', 'bias', 'means', 'variances', 'y', 'R'),
  ...typed('f32', 'epsilon'),
  ...typed('i32', 'channelFrom', 'channelTo'),
};
const SPLIT = { splitBy: 'channelFrom', grain: 1 } as const;

/** A number of channel k in all four lanes. */
const ofChannel = (array: Local<'i32'>, k: Local<'i32'>) => v128.load32Splat(i32.add(array, i32.shl(k, 2)));

const deviation = (variance: Expr<'v128'>, epsilon: Local<'f32'>): Expr<'v128'> =>
  f32x4.sqrt(f32x4.add(variance, f32x4.splat(epsilon)));

export const foldDwWasm: WasmKernel<FoldDwSpec> = {
  op: 'fold_dw',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ channels: K, perChannel: R, epsilon }, { x, weights: gamma, other, y }) {
    const args = { x, gamma, variances: other + 4 * K, y, R, epsilon, channelFrom: 0, channelTo: K };
    return [callOf('fold_dw', DW, args, SPLIT)];
  },

  emit(module: ModuleBuilder) {
    module.func('fold_dw', DW, (f, p) => {
      const [k, from, to] = f.locals('i32', 3);
      const scale = f.local('v128');
      f.set(to, i32.mul(p.channelFrom, p.R));
      f.for(k, p.channelFrom, p.channelTo, 1, () => {
        f.set(from, to);
        f.set(to, i32.add(from, p.R));
        f.set(scale, f32x4.div(ofChannel(p.gamma, k), deviation(ofChannel(p.variances, k), p.epsilon)));
        eachVector(f, { from, to }, ({ at, offset }, store) => {
          const gradient = v128.load(i32.add(p.x, at), offset);
          store(p.y, f.mulAdd(v128.load(i32.add(p.y, at), offset), gradient, scale));
        });
      });
    });
  },
};

export const foldDgammaWasm: WasmKernel<FoldDgammaSpec> = {
  op: 'fold_dgamma',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ channels: K, perChannel: R, epsilon }, { x, weights: w, bias, other: means, y }) {
    const variances = means + 4 * K;
    const args = { x, w, bias, means, variances, y, R, epsilon, channelFrom: 0, channelTo: K };
    return [callOf('fold_dgamma', DGAMMA, args, SPLIT)];
  },

  emit(module: ModuleBuilder) {
    module.func('fold_dgamma', DGAMMA, (f, p) => {
      const [k, at, toWeights, end, to] = f.locals('i32', 5);
      const sum = f.local('v128');
      f.set(toWeights, i32.sub(p.w, p.x));
      f.set(at, i32.add(p.x, i32.shl(i32.mul(p.channelFrom, p.R), 2)));
      const products = (bytes: number, load: (address: Expr<'i32'>) => Expr<'v128'>): void =>
        f.while(
          () => i32.ge_s(i32.sub(end, at), bytes),
          () => {
            f.set(sum, f.mulAdd(sum, load(at), load(i32.add(at, toWeights))));
            f.increase(at, bytes);
          },
        );

      f.for(k, p.channelFrom, p.channelTo, 1, () => {
        f.set(end, i32.add(at, i32.shl(p.R, 2)));
        f.set(sum, v128.const(0, 0, 0, 0));
        products(16, v128.load);
        products(4, v128.load32Zero);
        f.set(sum, f32x4.add(sum, v128.shuffle([2, 3, 0, 1], sum, sum)));
        f.set(sum, f32x4.add(sum, v128.shuffle([1, 0, 3, 2], sum, sum)));
        f.set(sum, f32x4.sub(sum, f32x4.mul(ofChannel(p.means, k), ofChannel(p.bias, k))));
        f.set(sum, f32x4.div(sum, deviation(ofChannel(p.variances, k), p.epsilon)));
        f.set(to, i32.add(p.y, i32.shl(k, 2)));
        f.storeLane('v128.store32_lane', 0, to, f32x4.add(v128.load32Zero(to), sum));
      });
    });
  },
};
