/** What is compared: the implementations that there are of every convolution, the plainest first. */
import * as kernels from '../dist/layers/kernels-i16.js';
import { emitKernels, relaxedProbe } from '../dist/layers/wasm-module.js';
import { provideWholeNumbers } from '../dist/layers/whole-numbers.js';

provideWholeNumbers(kernels);

const ALL = [
  { id: 'reference', title: 'reference', device: 'reference' },
  { id: 'js', title: 'JavaScript', device: 'js' },
  /** scalar.mjs; no engine of the library. */
  { id: 'scalar', title: 'wasm, scalar' },
  { id: 'simd', title: 'wasm, SIMD', device: 'wasm', relaxed: false },
  { id: 'relaxed', title: 'wasm, relaxed SIMD', device: 'wasm', relaxed: true },
];

/** Relaxed SIMD where this Node takes it. */
export const IMPLEMENTATIONS = ALL.filter(({ relaxed }) => !relaxed || WebAssembly.validate(relaxedProbe()));

const modules = new Map();

/**
 * Options of a wasm model that does one convolution after the other. One thread has the widest blocks in bands, two have
 * not: so for one thread this is a model for two, and whoever runs its steps does not start the second.
 */
export const optionsApart = (implementation, threads = 1, elements = 'f32') =>
  optionsOf(implementation, { threads: Math.max(2, threads), elements });

/** Those that a network is measured in: relaxed SIMD and the scalar kernels are of real numbers only. */
export const implementationsFor = (elements, implementations) =>
  elements === 'f32' ? implementations : implementations.filter(({ id }) => id !== 'relaxed' && id !== 'scalar');

/** A model's options. */
export function optionsOf({ device, relaxed }, { threads = 1, memory = 'fast', elements = 'f32' } = {}) {
  if (device !== 'wasm') return { device, memory };
  const form = { elements, shared: threads > 1, relaxed };
  const key = JSON.stringify(form);
  if (!modules.has(key)) modules.set(key, new WebAssembly.Module(emitKernels(form)));
  return { device, threads, memory, wasmModule: modules.get(key) };
}
