/**
 * Optimizers in SIMD, in float32 as PyTorch computes them. What is the same for all numbers is worked out in float64 and rounded
 * once.
 */
import {
  type FunctionBuilder,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  type Parameters,
  type ParameterTypes,
  typed,
  v128,
} from '../../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import type { AdamSpec, RmspropSpec, SgdSpec } from '../spec.js';
import { eachVector, type Place } from '../vectors.js';

/** Numbers of a cache line. */
const SPLIT = { splitBy: 'from', grain: 16 } as const;

const load = (array: Local<'i32'>, { at, offset }: Place) => v128.load(i32.add(array, at), offset);

/** The parameters that are floats, in all four lanes. */
function splatted<P extends ParameterTypes>(
  f: FunctionBuilder,
  params: Parameters<P>,
): { readonly [Name in keyof P as P[Name] extends 'f32' ? Name : never]: Local<'v128'> } {
  const floats = Object.entries<Local>(params).filter(([, { type }]) => type === 'f32');
  const vectors = floats.map(([name, value]) => {
    const vector = f.local('v128');
    f.set(vector, f32x4.splat(value as Local<'f32'>));
    return [name, vector];
  });
  return Object.fromEntries(vectors);
}

/** buffer: 0 for none; buffer = buffer · keep + gradient · take, step = gradient · ofGradient + buffer · ofBuffer. */
const SGD = {
  ...typed('i32', 'x', 'buffer', 'y'),
  ...typed('f32', 'rate', 'decay', 'scale', 'keep', 'take', 'ofGradient', 'ofBuffer'),
  ...typed('i32', 'from', 'to'),
};

export const sgdWasm: WasmKernel<SgdSpec> = {
  op: 'sgd',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls(spec, { x, other, y }) {
    const { momentum, dampening, nesterov, first } = spec;
    const factors = {
      ...{ rate: spec.learningRate, decay: spec.weightDecay, scale: spec.gradientScale },
      ...{ keep: first ? 0 : momentum, take: first ? 1 : 1 - dampening },
      ...{ ofGradient: nesterov ? 1 : 0, ofBuffer: nesterov ? momentum : 1 },
    };
    const buffer = momentum === 0 ? 0 : other;
    return [callOf('sgd', SGD, { x, buffer, y, ...factors, from: 0, to: spec.size }, SPLIT)];
  },

  emit(module: ModuleBuilder) {
    module.func('sgd', SGD, (f, p) => {
      const { rate, decay, scale, keep, take, ofGradient, ofBuffer } = splatted(f, p);
      const [step, gradient] = f.locals('v128', 2);
      eachVector(f, p, (place, store) => {
        f.set(gradient, f.mulAdd(f32x4.mul(load(p.x, place), scale), load(p.y, place), decay));
        f.set(step, gradient);
        f.if(p.buffer, () => {
          f.set(step, f.mulAdd(f32x4.mul(gradient, take), load(p.buffer, place), keep));
          store(p.buffer, step);
          f.set(step, f.mulAdd(f32x4.mul(step, ofBuffer), gradient, ofGradient));
        });
        store(p.y, f32x4.sub(load(p.y, place), f32x4.mul(step, rate)));
      });
    });
  },
};

/** buffer, means: 0 for none. */
const RMSPROP = {
  ...typed('i32', 'x', 'squares', 'buffer', 'means', 'y'),
  ...typed('f32', 'rate', 'decay', 'scale', 'alpha', 'rest', 'epsilon', 'momentum'), // rest: 1 - alpha
  ...typed('i32', 'from', 'to'),
};

export const rmspropWasm: WasmKernel<RmspropSpec> = {
  op: 'rmsprop',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls(spec, { x, other, y }) {
    const { size, alpha, epsilon, momentum, centered } = spec;
    const array = 4 * size;
    const factors = {
      ...{ rate: spec.learningRate, decay: spec.weightDecay, scale: spec.gradientScale },
      ...{ alpha, rest: 1 - alpha, epsilon, momentum },
    };
    const buffer = momentum > 0 ? other + array : 0;
    const means = centered ? other + (momentum > 0 ? 2 : 1) * array : 0;
    return [callOf('rmsprop', RMSPROP, { x, squares: other, buffer, means, y, ...factors, from: 0, to: size }, SPLIT)];
  },

  emit(module: ModuleBuilder) {
    module.func('rmsprop', RMSPROP, (f, p) => {
      const { rate, decay, scale, alpha, rest, epsilon, momentum } = splatted(f, p);
      const [gradient, variance, mean, step] = f.locals('v128', 4);
      eachVector(f, p, (place, store) => {
        f.set(gradient, f.mulAdd(f32x4.mul(load(p.x, place), scale), load(p.y, place), decay));
        const kept = f32x4.mul(load(p.squares, place), alpha);
        f.set(variance, f.mulAdd(kept, f32x4.mul(gradient, rest), gradient));
        store(p.squares, variance);
        f.if(p.means, () => {
          const known = load(p.means, place);
          f.set(mean, f.mulAdd(known, f32x4.sub(gradient, known), rest));
          store(p.means, mean);
          f.set(variance, f32x4.pmax(f32x4.sub(variance, f32x4.mul(mean, mean)), v128.const(0, 0, 0, 0)));
        });
        f.set(step, f32x4.div(gradient, f32x4.add(f32x4.sqrt(variance), epsilon)));
        f.if(p.buffer, () => {
          f.set(step, f.mulAdd(step, load(p.buffer, place), momentum));
          store(p.buffer, step);
        });
        store(p.y, f32x4.sub(load(p.y, place), f32x4.mul(step, rate)));
      });
    });
  },
};

/** keep: of weights, before anything else; decay: of weights, added to the gradient; root: 1 / √(1 - beta2^step). */
const ADAM = {
  ...typed('i32', 'x', 'means', 'squares', 'y'),
  ...typed('f32', 'rate', 'keep', 'decay', 'scale', 'ofMean', 'beta2', 'ofSquare', 'root', 'epsilon'),
  ...typed('i32', 'from', 'to'),
};

export const adamWasm: WasmKernel<AdamSpec> = {
  op: 'adam',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls(spec, { x, other, y }) {
    const { size, learningRate, weightDecay, decoupled, beta1, beta2, epsilon, step } = spec;
    const factors = {
      ...{ rate: learningRate / (1 - beta1 ** step), scale: spec.gradientScale, epsilon },
      ...{ keep: decoupled ? 1 - learningRate * weightDecay : 1, decay: decoupled ? 0 : weightDecay },
      ...{ ofMean: 1 - beta1, beta2, ofSquare: 1 - beta2, root: 1 / Math.sqrt(1 - beta2 ** step) },
    };
    const arrays = { x, means: other, squares: other + 4 * size, y };
    return [callOf('adam', ADAM, { ...arrays, ...factors, from: 0, to: size }, SPLIT)];
  },

  emit(module: ModuleBuilder) {
    module.func('adam', ADAM, (f, p) => {
      const { rate, keep, decay, scale, ofMean, beta2, ofSquare, root, epsilon } = splatted(f, p);
      const [weight, gradient, mean, square] = f.locals('v128', 4);
      eachVector(f, p, (place, store) => {
        f.set(weight, f32x4.mul(load(p.y, place), keep));
        f.set(gradient, f.mulAdd(f32x4.mul(load(p.x, place), scale), weight, decay));
        const known = load(p.means, place);
        f.set(mean, f.mulAdd(known, f32x4.sub(gradient, known), ofMean));
        store(p.means, mean);
        const kept = f32x4.mul(load(p.squares, place), beta2);
        f.set(square, f.mulAdd(kept, f32x4.mul(gradient, ofSquare), gradient));
        store(p.squares, square);
        const divisor = f.mulAdd(epsilon, f32x4.sqrt(square), root);
        store(p.y, f32x4.sub(weight, f32x4.div(f32x4.mul(mean, rate), divisor)));
      });
    });
  },
};
