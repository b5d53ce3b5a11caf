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

/** Bytes of a wide tensor that `fast` does not lay out either: one thread of the wasm engine, and all others. */
const WIDE_BYTES = { alone: 1.5e6, others: 16e6 };

/**
 * Whether an inverted residual is done in bands of rows (bands.ts). It is the same work with more calls, at each of which
 * threads meet. It pays where the wide tensor leaves the caches: DeepLab's layer.0 at 513, 25 MB, takes 6.04 ms in bands
 * and 6.78 without; layer.1, 10 MB, is even. At 224 one thread gains 1 % or 2 % by it in the first three blocks, 4.8 and
 * twice 1.8 MB (13.57 ms instead of 13.70 in Node 24, 18.54 instead of 18.68 in Node 20), two threads lose 6 %.
 */
export function inBands(
  spec: InvertedResidualSpec,
  { engine, threads }: { engine: Engine; threads: number },
  memory: 'fast' | 'low',
): boolean {
  if (engine === 'reference') return false;
  const { batch, inHeight, inWidth, channels } = spec.filter;
  const most = engine === 'wasm' && threads === 1 ? WIDE_BYTES.alone : WIDE_BYTES.others;
  return memory === 'low' || 4 * batch * inHeight * inWidth * channels > most;
}
