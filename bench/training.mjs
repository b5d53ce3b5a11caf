/** The kernels of training: gradients of every different convolution of a network, batch norm over a batch, optimizers. */
import * as library from 'mobilenet-v2';
import { shapeOf } from '../dist/cli/shape.js';
import { findTrainingKernel, findTrainingWasmKernel, TRAINING_WASM_KERNELS } from '../dist/layers/backward/kernels.js';
import { trainingMultiplyAdds } from '../dist/layers/backward/spec.js';
import { WASM_KERNELS } from '../dist/layers/kernels.js';
import { kernelName, multiplyAdds } from '../dist/layers/spec.js';
import { ModuleBuilder } from '../dist/tensor/wasm/assembler.js';
import { makeNetwork } from './networks.mjs';

const PAGE = 65536;

/** What goes over the pixels that a convolution makes. */
function pixelwise({ channels, outChannels = channels, pixels, outHeight, outWidth, activation }) {
  const sizes = { dtype: 'f32', pixels: pixels ?? outHeight * outWidth, channels: outChannels };
  return [
    { ...sizes, op: 'channel_sum' },
    { ...sizes, op: 'norm_moments' },
    { ...sizes, op: 'scale_shift', activation },
    { ...sizes, op: 'norm_sums' },
    { ...sizes, op: 'norm_dx' },
    ...(activation === 'none'
      ? []
      : [{ op: 'activation_dx', dtype: 'f32', size: sizes.pixels * outChannels, function: activation }]),
  ];
}

/** What a convolution needs on the way back. The gradient of the first one's input is the picture's, which no step needs. */
function backward({ activation, ...spec }) {
  switch (spec.op) {
    case 'conv3x3':
      return [{ ...spec, op: 'conv3x3_dw' }];
    case 'depthwise3x3':
      return [
        { ...spec, op: 'depthwise3x3_dw' },
        { ...spec, op: 'depthwise3x3_dx', mask: 'relu6' },
      ];
    case 'pointwise': {
      const { pixels, inChannels, outChannels } = spec;
      const before = activation === 'none' ? 'relu6' : 'none';
      return [
        { op: 'pointwise_dw', dtype: 'f32', pixels, inChannels, outChannels },
        // A clamp is before what projects, and not before what expands.
        { ...{ op: 'pointwise_dx', dtype: 'f32', pixels, inChannels, outChannels, residual: false }, mask: before },
      ];
    }
  }
}

function optimizers(size) {
  const update = { dtype: 'f32', size, learningRate: 1e-5, weightDecay: 0.01, gradientScale: 1 };
  return [
    { op: 'sum_of_squares', dtype: 'f32', size },
    { ...update, op: 'sgd', momentum: 0.9, dampening: 0, nesterov: false, first: false },
    { ...update, op: 'rmsprop', alpha: 0.9, epsilon: 1, momentum: 0.9, centered: false },
    { ...update, op: 'adam', decoupled: true, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step: 1 },
  ];
}

/** Numbers of the operands: all that are not given are empty. */
function sizesOf(spec) {
  const { batch = 1, size, pixels, op } = spec;
  const { channels, inChannels = channels, outChannels = channels } = spec;
  const input = batch * (pixels ?? spec.inHeight * spec.inWidth) * inChannels;
  const output = batch * (pixels ?? spec.outHeight * spec.outWidth) * outChannels;
  switch (op) {
    case 'pointwise_dx':
      return { x: output, weights: inChannels * outChannels, other: spec.mask === 'none' ? 0 : input, y: input };
    case 'conv3x3_dw':
    case 'pointwise_dw':
      return { x: input, other: output, y: inChannels * outChannels * (op === 'conv3x3_dw' ? 9 : 1) };
    case 'depthwise3x3_dw':
      return { x: input, other: output, y: 9 * channels };
    case 'depthwise3x3_dx':
      return { x: output, weights: 9 * channels, other: input, y: input };
    case 'channel_sum':
      return { x: input, y: channels };
    case 'norm_moments':
      return { x: input, y: 2 * channels };
    case 'scale_shift':
      return { x: input, weights: 2 * channels, y: input };
    case 'norm_sums':
      return { x: input, other: input, weights: 2 * channels, y: 2 * channels };
    case 'norm_dx':
      return { x: input, other: input, weights: 3 * channels, y: input };
    case 'activation_dx':
      return { x: size, other: size, y: size };
    case 'sum_of_squares':
      return { x: size, y: 1 };
    case 'sgd':
      return { x: size, other: size, y: size };
    default:
      return { x: size, other: 2 * size, y: size };
  }
}

/** Values in [0, 1), so that what optimizers divide by is positive. */
const random = (values) => {
  for (let i = 0; i < values.length; i++) values[i] = Math.random();
  return values;
};

/** A kernel of JavaScript on operands of its own. */
function plainRunner(spec, engine) {
  const kernel = findTrainingKernel(spec, [engine]);
  const sizes = { weights: 0, bias: 0, residual: 0, other: 0, ...sizesOf(spec) };
  const operands = Object.fromEntries(
    Object.entries(sizes).map(([role, size]) => [role, random(new Float32Array(size))]),
  );
  if (operands.weights.length > 0) operands.weights = kernel.pack(spec, operands.weights);
  return () => kernel.run(spec, operands);
}

/**
 * Emitted kernels: for each spec that has one, what runs it. They all work at the begin of one memory, each on what the others
 * have left there, after numbers as above.
 */
function wasmRunners(specs, relaxed) {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new ModuleBuilder({ initial: 1 }, { relaxed });
  for (const kernel of [...WASM_KERNELS, ...TRAINING_WASM_KERNELS]) kernel.emit(module);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory } });
  const need = (end) => {
    const more = Math.ceil(end / PAGE) - memory.buffer.byteLength / PAGE;
    if (more > 0) memory.grow(more);
  };
  const runners = new Map(
    specs.flatMap((spec) => {
      const kernel = findTrainingWasmKernel(spec);
      if (kernel === undefined) return [];
      const at = { x: 0, weights: 0, bias: 0, residual: 0, other: 0, y: 0, zeros: 64 };
      let end = 128;
      for (const [role, size] of Object.entries(sizesOf(spec))) {
        const packed = role === 'weights' && size > 0 ? kernel.pack(spec, new Float32Array(size)).length : size;
        at[role] = end;
        end += 4 * packed + 64 - ((4 * packed) % 64);
      }
      need(end);
      const calls = kernel.calls(spec, at);
      const run = () => {
        for (const { name, args } of calls) exports[name](...args);
      };
      return [[spec, run]];
    }),
  );
  random(new Float32Array(memory.buffer, 128));
  return runners;
}

/** As of the convolution, and `12544×96` of what goes over pixels. */
function trainingShape(spec) {
  const [, forward] = /^(conv3x3|depthwise3x3|pointwise)_d[wx]$/.exec(spec.op) ?? [];
  if (forward !== undefined) return shapeOf({ batch: 1, ...spec, op: forward });
  return spec.size === undefined ? `${spec.pixels}×${spec.channels}` : String(spec.size);
}

/** Rows for `interleave`, for one picture of the network. */
export function trainingRows(network, implementations) {
  const { model, plan } = makeNetwork(library, network, { device: 'js' });
  const convolutions = plan().steps.filter(({ spec }) => multiplyAdds(spec) > 0);
  const parameters = convolutions.reduce((sum, { spec }) => {
    const { channels = 1, inChannels = channels, outChannels = 1, op } = spec;
    return sum + inChannels * outChannels * (op === 'pointwise' ? 1 : 9);
  }, 0);
  model.dispose();
  const kinds = new Map();
  const all = convolutions.flatMap(({ spec }) => [...backward(spec), ...pixelwise(spec)]);
  for (const spec of [...all, ...optimizers(parameters)]) {
    const key = JSON.stringify(spec);
    const known = kinds.get(key) ?? { spec, count: 0 };
    kinds.set(key, { ...known, count: known.count + 1 });
  }
  const distinct = [...kinds.values()].sort((a, b) => (a.spec.op < b.spec.op ? -1 : a.spec.op > b.spec.op ? 1 : 0));

  const rows = implementations.flatMap(({ id, device, relaxed }) => {
    if (device === undefined) return [];
    const emitted =
      device === 'wasm'
        ? wasmRunners(
            distinct.map(({ spec }) => spec),
            relaxed,
          )
        : null;
    return distinct.flatMap(({ spec, count }) => {
      if (emitted !== null && !emitted.has(spec)) return [];
      const run = emitted === null ? plainRunner(spec, id) : emitted.get(spec);
      const numbers = Object.values(sizesOf(spec)).reduce((sum, size) => sum + size, 0);
      return {
        ...{ part: 'training', network, batch: 1, implementation: id, threads: 1, memory: 'fast' },
        ...{
          op: spec.op,
          kernel: kernelName(spec, '').split('__')[0],
          shape: trainingShape(spec),
          count,
          bytes: 4 * numbers,
        },
        ...{ macs: trainingMultiplyAdds(spec), run },
      };
    });
  });
  return { rows, close() {} };
}
