/** The kernels of training, as ../kernels.ts has those of networks that run. Only who trains loads them. */
import type { Kernel, PlainKernel, WasmKernel } from '../kernel.js';
import type { TrainingSpec } from './spec.js';

/** One plain loop for both engines. */
const PLAIN: readonly PlainKernel<TrainingSpec>[] = [];

export const TRAINING_KERNELS: readonly Kernel<TrainingSpec>[] = [
  ...PLAIN.map((kernel) => ({ ...kernel, engine: 'reference' }) as const),
  ...PLAIN.map((kernel) => ({ ...kernel, engine: 'js' }) as const),
];

/** What no kernel here supports is computed by the js kernels on the same memory. */
export const TRAINING_WASM_KERNELS: readonly WasmKernel<TrainingSpec>[] = [];
