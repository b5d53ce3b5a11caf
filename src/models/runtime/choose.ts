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

/** Whether an inverted residual is done in bands of rows (bands.ts). */
export function inBands(_spec: InvertedResidualSpec, engine: Engine, memory: 'fast' | 'low'): boolean {
  if (engine === 'reference') return false;
  return memory === 'low';
}
