/** Which kernel computes a step. Nothing above this file knows a kernel's name. */
import { findKernel } from '../../layers/kernels.js';
import type { Engine, InvertedResidualSpec, Kernel, Spec, WasmKernel } from '../../layers/spec.js';

/** Where a model runs: `auto` is the fastest engine here. */
export type Device = 'auto' | Engine;

export const DEVICES: readonly Device[] = ['auto', 'wasm', 'js', 'reference'];

/** Engines that give an engine its kernels, the first that can: the js kernels leave layers wider than any real one. */
const ENGINES: Record<Engine, readonly Engine[]> = {
  wasm: ['wasm', 'js', 'reference'],
  js: ['js', 'reference'],
  reference: ['reference'],
};

export function chooseKernel(spec: Spec, engine: Engine): Kernel | WasmKernel {
  return findKernel(spec, ENGINES[engine]);
}

/** The reference engine runs the network as it is drawn; the others fold and fuse. */
export function fuses(engine: Engine): boolean {
  return engine !== 'reference';
}

/** Bytes of a wide tensor that `fast` does not lay out either. */
const WIDE_BYTES = 16e6;

/**
 * Whether an inverted residual is done in bands of rows (bands.ts). It is the same work with more calls: at 224 a pass
 * takes 10.87 ms with and 10.85 without. It pays where the wide tensor leaves the caches: DeepLab's layer.0 at 513, 25
 * MB, takes 6.04 ms in bands and 6.78 without; layer.1, 10 MB, is even.
 */
export function inBands(spec: InvertedResidualSpec, engine: Engine, memory: 'fast' | 'low'): boolean {
  if (engine === 'reference') return false;
  const { batch, inHeight, inWidth, channels } = spec.filter;
  return memory === 'low' || 4 * batch * inHeight * inWidth * channels > WIDE_BYTES;
}
