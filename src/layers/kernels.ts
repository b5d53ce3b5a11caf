/** The lists of kernels: one of loops in JavaScript, one of emitted code. Tests and benches go through both. */
import { MobileNetError } from '../base/errors.js';
import { activation } from './activation/plain.js';
import { add } from './add/plain.js';
import { addI16, requantizeI16 } from './add/plain-i16.js';
import { addWasm } from './add/wasm.js';
import { addI16Wasm, requantizeI16Wasm } from './add/wasm-i16.js';
import { argmaxI16 } from './argmax/plain.js';
import { argmaxI16Wasm } from './argmax/wasm.js';
import { batchNorm } from './batch-norm/plain.js';
import { concat, concatI16 } from './concat/plain.js';
import { concatI16Wasm, concatWasm } from './concat/wasm.js';
import { conv3x3Js } from './conv3x3/js.js';
import { conv3x3I16Js } from './conv3x3/js-i16.js';
import { conv3x3Reference } from './conv3x3/reference.js';
import { conv3x3I16Reference } from './conv3x3/reference-i16.js';
import { conv3x3Wasm } from './conv3x3/wasm.js';
import { conv3x3I16Wasm } from './conv3x3/wasm-i16.js';
import { depthwiseJs } from './depthwise/js.js';
import { depthwiseI16Js } from './depthwise/js-i16.js';
import { depthwiseReference } from './depthwise/reference.js';
import { depthwiseI16Reference } from './depthwise/reference-i16.js';
import { depthwiseWasm } from './depthwise/wasm.js';
import { depthwiseI16Wasm } from './depthwise/wasm-i16.js';
import type { Kernel, PlainKernel, WasmKernel } from './kernel.js';
import type { I16Kernel, I16WasmKernel, PlainI16Kernel } from './kernel-i16.js';
import { pointwiseJs } from './pointwise/js.js';
import { pointwiseI16Js } from './pointwise/js-i16.js';
import { pointwiseReference } from './pointwise/reference.js';
import { pointwiseI16Reference } from './pointwise/reference-i16.js';
import { pointwiseWasm } from './pointwise/wasm.js';
import { pointwiseI16Wasm } from './pointwise/wasm-i16.js';
import { averagePool } from './pool/plain.js';
import { averagePoolI16 } from './pool/plain-i16.js';
import { averagePoolWasm } from './pool/wasm.js';
import { averagePoolI16Wasm } from './pool/wasm-i16.js';
import { quantize } from './quantize/plain.js';
import { quantizeWasm } from './quantize/wasm.js';
import { resizeBilinear } from './resize/plain.js';
import { resizeBilinearI16 } from './resize/plain-i16.js';
import { resizeWasm } from './resize/wasm.js';
import { resizeI16Wasm } from './resize/wasm-i16.js';
import { type I16Spec, kernelName, type NamedSpec, type Spec } from './spec.js';

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

/** One plain loop of whole numbers for both engines. */
const PLAIN_I16: readonly PlainI16Kernel<I16Spec>[] = [
  quantize,
  averagePoolI16,
  resizeBilinearI16,
  addI16,
  concatI16,
  requantizeI16,
  argmaxI16,
];

/** Kernels of whole numbers. */
export const I16_KERNELS: readonly I16Kernel[] = [
  conv3x3I16Reference,
  depthwiseI16Reference,
  pointwiseI16Reference,
  ...PLAIN_I16.map((kernel) => ({ ...kernel, engine: 'reference' }) as const),

  conv3x3I16Js,
  depthwiseI16Js,
  pointwiseI16Js,
  ...PLAIN_I16.map((kernel) => ({ ...kernel, engine: 'js' }) as const),
];

export const I16_WASM_KERNELS: readonly I16WasmKernel[] = [
  conv3x3I16Wasm,
  depthwiseI16Wasm,
  pointwiseI16Wasm,
  quantizeWasm,
  averagePoolI16Wasm,
  resizeI16Wasm,
  addI16Wasm,
  concatI16Wasm,
  requantizeI16Wasm,
  argmaxI16Wasm,
];

/** The emitted kernel that can do this; undefined where no kernel can. */
export const findWasmKernel = (spec: Spec): WasmKernel | undefined =>
  WASM_KERNELS.find((kernel) => kernel.op === spec.op && kernel.supports(spec));

/** The first kernel that can do this, of the first engine that has one. Throws UNSUPPORTED when none can. */
export const findKernel = (spec: Spec, engines: readonly Kernel['engine'][]): Kernel =>
  firstKernel(engines, spec, (engine) =>
    KERNELS.find((kernel) => kernel.engine === engine && kernel.op === spec.op && kernel.supports(spec)),
  );

/** The emitted kernel of whole numbers that can do this; undefined where no kernel can. */
export const findI16WasmKernel = (spec: I16Spec): I16WasmKernel | undefined =>
  I16_WASM_KERNELS.find((kernel) => kernel.op === spec.op && kernel.supports(spec));

/** As `findKernel`, of whole numbers. */
export const findI16Kernel = (spec: I16Spec, engines: readonly I16Kernel['engine'][]): I16Kernel =>
  firstKernel(engines, spec, (engine) =>
    I16_KERNELS.find((kernel) => kernel.engine === engine && kernel.op === spec.op && kernel.supports(spec)),
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
