/**
 * The lists of kernels of real numbers: one of loops in JavaScript, one of emitted code. Those of whole numbers are in
 * kernels-i16.ts. Tests and benches go through all of them.
 */
import { MobileNetError } from '../base/errors.js';
import { activation } from './activation/plain.js';
import { add } from './add/plain.js';
import { addWasm } from './add/wasm.js';
import { batchNorm } from './batch-norm/plain.js';
import { concat } from './concat/plain.js';
import { concatWasm } from './concat/wasm.js';
import { conv3x3Js } from './conv3x3/js.js';
import { conv3x3Reference } from './conv3x3/reference.js';
import { conv3x3Wasm } from './conv3x3/wasm.js';
import { depthwiseJs } from './depthwise/js.js';
import { depthwiseReference } from './depthwise/reference.js';
import { depthwiseWasm } from './depthwise/wasm.js';
import type { Kernel, PlainKernel, WasmKernel } from './kernel.js';
import { pointwiseJs } from './pointwise/js.js';
import { pointwiseReference } from './pointwise/reference.js';
import { pointwiseWasm } from './pointwise/wasm.js';
import { averagePool } from './pool/plain.js';
import { averagePoolWasm } from './pool/wasm.js';
import { resizeBilinear } from './resize/plain.js';
import { resizeWasm } from './resize/wasm.js';
import { kernelName, type NamedSpec, type Spec } from './spec.js';

/** One plain loop serves both engines: these run once a picture, or wait for memory more than they compute. */
const PLAIN: readonly PlainKernel<Spec>[] = [averagePool, resizeBilinear, add, concat, batchNorm, activation];

export const KERNELS: readonly Kernel[] = [
  conv3x3Reference,
  depthwiseReference,
  pointwiseReference,
  ...PLAIN.map((kernel) => ({ ...kernel, engine: 'reference' }) as const),

  conv3x3Js,
  depthwiseJs,
  pointwiseJs,
  ...PLAIN.map((kernel) => ({ ...kernel, engine: 'js' }) as const),
];

/** An operation that no kernel here supports is computed by the js kernels on the same memory. */
export const WASM_KERNELS: readonly WasmKernel[] = [
  conv3x3Wasm,
  depthwiseWasm,
  pointwiseWasm,
  averagePoolWasm,
  resizeWasm,
  addWasm,
  concatWasm,
];

/** The emitted kernel that can do this; undefined where no kernel can. */
export const findWasmKernel = (spec: Spec): WasmKernel | undefined =>
  WASM_KERNELS.find((kernel) => kernel.op === spec.op && kernel.supports(spec));

/** The first kernel that can do this, of the first engine that has one. Throws UNSUPPORTED when none can. */
export const findKernel = (spec: Spec, engines: readonly Kernel['engine'][]): Kernel =>
  firstKernel(engines, spec, (engine) =>
    KERNELS.find((kernel) => kernel.engine === engine && kernel.op === spec.op && kernel.supports(spec)),
  );

/** The kernel of the first engine for which there is one to find. Throws UNSUPPORTED when none has. */
export function firstKernel<K>(
  engines: readonly Kernel['engine'][],
  spec: NamedSpec,
  find: (engine: Kernel['engine']) => K | undefined,
): K {
  for (const engine of engines) {
    const found = find(engine);
    if (found !== undefined) return found;
  }
  const wanted = engines.map((engine) => kernelName(spec, engine)).join(' or ');
  throw new MobileNetError('UNSUPPORTED', `no kernel ${wanted}`);
}
