/**
 * Every different convolution of a network, and every different block, in every implementation; and beside them, for every
 * engine, the network as users get it.
 */
import * as library from 'mobilenet-v2';
import { shapeOf } from '../dist/cli/shape.js';
import { NONE } from '../dist/layers/kernel.js';
import { findKernel } from '../dist/layers/kernels.js';
import { findI16Kernel } from '../dist/layers/kernels-i16.js';
import { kernelName, multiplyAdds } from '../dist/layers/spec.js';
import { implementationsFor, optionsApart, optionsOf } from './implementations.mjs';
import { MOST, rowOf } from './models.mjs';
import { makeNetwork } from './networks.mjs';
import { elementsOf, stateOf } from './quantized.mjs';
import { bytesOf } from './roofline.mjs';
import { scalarKernel } from './scalar.mjs';

/**
 * Values in [−1, 1), and weights scaled so that sums have a deviation near 1, as after batch norm; of whole numbers all of
 * int8, and multipliers that bring sums back to them.
 */
function operandsOf(spec) {
  const pixels = spec.op === 'sums' ? 1 : (spec.pixels ?? spec.inHeight * spec.inWidth);
  const outPixels = spec.op === 'sums' ? 1 : (spec.pixels ?? spec.outHeight * spec.outWidth);
  const inChannels = spec.channels ?? spec.inChannels;
  const outChannels = spec.channels ?? spec.outChannels;
  const taps = { pointwise: inChannels, sums: inChannels, depthwise3x3: 9, conv3x3: inChannels * 9 }[spec.op];
  const random = (size, scale = 1, Numbers = Float32Array) =>
    Numbers.from({ length: size }, () => (Math.random() * 2 - 1) * scale);
  if (spec.dtype !== 'f32') {
    return {
      x: random(spec.batch * pixels * inChannels, 127, Int16Array),
      weights: random(outChannels * taps, 127, spec.weights === 'i8' ? Int8Array : Int16Array),
      bias: random(spec.biasPerImage ? spec.batch * outChannels : outChannels, 2000, Int32Array),
      multiplier: new Float32Array(outChannels).fill(1 / 127 / Math.sqrt(taps)),
      other: new Int16Array(0),
      y: new (spec.op === 'sums' ? Int32Array : Int16Array)(spec.batch * outPixels * outChannels),
    };
  }
  return {
    x: random(spec.batch * pixels * inChannels),
    weights: random(outChannels * taps, 3 / Math.sqrt(taps)),
    bias: random(spec.biasPerImage ? spec.batch * outChannels : outChannels),
    residual: spec.residual ? random(spec.batch * outPixels * outChannels) : NONE,
    other: NONE,
    y: new Float32Array(spec.batch * outPixels * outChannels),
  };
}

/** An implementation without plans: the kernel alone, on operands of its own; of a block all three. */
function kernelRunner(spec, { id }) {
  if (spec.op === 'inverted_residual') {
    const runs = [spec.widen, spec.filter, spec.project].map((part) => kernelRunner(part, { id }));
    return () => {
      for (const run of runs) run();
    };
  }
  const operands = operandsOf(spec);
  if (id === 'scalar') return scalarKernel(spec, operands).run;
  const kernel = spec.dtype !== 'f32' ? findI16Kernel(spec, [id]) : findKernel(spec, [id]);
  const packed = { ...operands, weights: kernel.pack(spec, operands.weights) };
  return () => kernel.run(spec, packed);
}

/** Steps as their plan has them. */
export function stepsRunner(steps) {
  const work = steps.flatMap((step) => step.work);
  return async () => {
    for (const piece of work) {
      const pending = piece();
      if (pending !== undefined) await pending;
    }
  };
}

/** The first of each kind, and how many there are. */
function distinct(steps) {
  const kinds = new Map();
  for (const step of steps) {
    const key = JSON.stringify(step.spec);
    const known = kinds.get(key);
    if (known === undefined) kinds.set(key, { step, count: 1 });
    else known.count++;
  }
  return [...kinds.values()];
}

/**
 * Rows for `interleave`. `memory` tells how a block is done: 'low' is in bands of rows, so that its wide tensors never
 * exist, 'fast' one convolution after the other.
 */
export async function layerRows(network, all, threads) {
  const elements = elementsOf(network);
  const implementations = implementationsFor(elements, all);
  const state = stateOf(network);
  const models = [];
  const make = (options) => {
    const made = makeNetwork(library, network, { ...options, ...state });
    models.push(made.model);
    return made;
  };
  /** An engine's plan, its memory filled as a run leaves it. */
  const planOf = async (implementation, { threads, memory }) => {
    const apart = implementation.device === 'wasm' && memory === 'fast';
    const options = apart
      ? optionsApart(implementation, threads, elements)
      : optionsOf(implementation, { threads, memory, elements });
    const made = make(options);
    await made.run();
    if (threads > 1) await made.run(); // threads start with the second
    return made.plan();
  };
  /** Each variant: its plans, or none where kernels stand for themselves. */
  const variants = [];
  for (const implementation of implementations) {
    if (implementation.device === 'wasm' || implementation.device === 'js') {
      for (const count of implementation.device === 'wasm' ? threads : [1]) {
        const fast = await planOf(implementation, { threads: count, memory: 'fast' });
        const low = await planOf(implementation, { threads: count, memory: 'low' });
        variants.push({ implementation, threads: count, fast, low });
      }
    } else variants.push({ implementation, threads: 1 });
  }
  const { fast, low } = variants.find((variant) => variant.fast !== undefined) ?? {
    fast: make({ device: 'js' }).plan(),
    low: make({ device: 'js', memory: 'low' }).plan(),
  };

  const convolutions = fast.steps.filter(({ spec }) => spec.op !== 'inverted_residual' && multiplyAdds(spec) > 0);
  const blocks = low.steps.filter(({ spec }) => spec.op === 'inverted_residual');
  const rows = [];
  for (const { step, count } of [...distinct(convolutions), ...distinct(blocks)]) {
    const { name, spec } = step;
    const common = {
      ...{ part: 'layers', network, batch: 1, step: name, op: spec.op, kernel: kernelName(spec, '').split('__')[0] },
      ...{ shape: shapeOf(spec), count, macs: multiplyAdds(spec), bytes: bytesOf(spec) },
    };
    for (const variant of variants) {
      const { implementation } = variant;
      const row = { ...common, implementation: implementation.id, threads: variant.threads, memory: 'fast' };
      if (variant.fast === undefined) {
        rows.push({ ...row, run: kernelRunner(spec, implementation) });
        continue;
      }
      const apart = stepsOf(variant.fast, name);
      if (apart !== null) rows.push({ ...row, run: stepsRunner(apart) });
      if (spec.op === 'inverted_residual') {
        rows.push({ ...row, memory: 'low', run: stepsRunner(stepsOf(variant.low, name)) });
      }
    }
  }
  for (const { implementation, threads } of variants) {
    if (implementation.device === undefined) continue;
    const made = make(optionsOf(implementation, { threads, elements }));
    const plan = made.plan();
    if (plan.multiplyAdds > (MOST[implementation.id] ?? Infinity)) continue;
    const own = { part: 'layers', network, batch: 1, op: 'network', implementation: implementation.id, threads };
    const { model, ...row } = rowOf({ ...own, memory: 'fast' }, made, plan);
    rows.push(row);
  }
  return {
    rows,
    close() {
      for (const model of models) model.dispose();
    },
  };
}

/** The step of that name, or where a block `first … last` is asked for, its three steps; null where there are none. */
function stepsOf({ steps }, name) {
  const [first] = name.split(' … ');
  const whole = steps.find((step) => step.name === name);
  if (whole !== undefined) return [whole];
  const from = steps.findIndex((step) => step.name === first);
  return from < 0 ? null : steps.slice(from, from + 3);
}

const by = (key, some) => [...new Set(some.map(key))].map((value) => some.filter((row) => key(row) === value));
const variantOf = ({ implementation, threads, memory }) => `${implementation} ${threads} ${memory}`;

function sum(some, kernel) {
  const of = (key) => some.reduce((total, row) => total + row[key] * row.count, 0);
  const { network, implementation, threads, memory } = some[0];
  const figures = { macs: of('macs'), bytes: of('bytes'), min: of('min'), median: of('median') };
  return { network, implementation, threads, memory, kernel, ...figures };
}

/** Sums over a network for each operation and each variant of an implementation. */
export const sumsByOperation = (rows) =>
  by(({ op }) => op, rows).flatMap((some) => by(variantOf, some).map((own) => sum(own, `all ${own[0].op}`)));

/**
 * Those, and sums over all convolutions. After them comes the network as shipped: it has a few other steps too, and is slower
 * than its sum by what the rows do not show.
 */
export function totals(all) {
  const rows = all.filter(({ op }) => op !== 'network');
  const convolutions = rows.filter(({ op }) => op !== 'inverted_residual');
  return [
    ...sumsByOperation(rows),
    ...by(variantOf, convolutions).flatMap((own) => [
      sum(own, 'all convolutions'),
      ...all
        .filter((row) => row.op === 'network' && variantOf(row) === variantOf(own[0]))
        .map((row) => ({ ...row, kernel: 'network as shipped' })),
    ]),
  ];
}
