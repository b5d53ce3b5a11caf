/**
 * The lists of kernels of whole numbers, as those in kernels.ts. Nothing imports this but entries and tests: engines ask
 * whole-numbers.ts, so that a page loads it at need.
 */
import { addI16, requantizeI16 } from './add/plain-i16.js';
import { addI16Wasm, requantizeI16Wasm } from './add/wasm-i16.js';
import { argmaxI16 } from './argmax/plain.js';
import { argmaxI16Wasm } from './argmax/wasm.js';
import { concatI16 } from './concat/plain.js';
import { concatI16Wasm } from './concat/wasm.js';
import { conv3x3I16Js } from './conv3x3/js-i16.js';
import { conv3x3I16Reference } from './conv3x3/reference-i16.js';
import { conv3x3I16Wasm } from './conv3x3/wasm-i16.js';
import { depthwiseI16Js } from './depthwise/js-i16.js';
import { depthwiseI16Reference } from './depthwise/reference-i16.js';
import { depthwiseI16Wasm } from './depthwise/wasm-i16.js';
import type { I16Kernel, I16WasmKernel, PlainI16Kernel } from './kernel-i16.js';
import { firstKernel } from './kernels.js';
import { pointwiseI16Js } from './pointwise/js-i16.js';
import { pointwiseI16Reference } from './pointwise/reference-i16.js';
import { pointwiseI16Wasm } from './pointwise/wasm-i16.js';
import { averagePoolI16 } from './pool/plain-i16.js';
import { averagePoolI16Wasm } from './pool/wasm-i16.js';
import { quantize } from './quantize/plain.js';
import { quantizeWasm } from './quantize/wasm.js';
import { resizeBilinearI16 } from './resize/plain-i16.js';
import { resizeI16Wasm } from './resize/wasm-i16.js';
import type { I16Spec } from './spec.js';
import { sums } from './sums/plain.js';
import { sumsWasm } from './sums/wasm.js';

/** One plain loop of whole numbers for both engines. */
const PLAIN_I16: readonly PlainI16Kernel<I16Spec>[] = [
  quantize,
  sums,
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
  sumsWasm,
  quantizeWasm,
  averagePoolI16Wasm,
  resizeI16Wasm,
  addI16Wasm,
  concatI16Wasm,
  requantizeI16Wasm,
  argmaxI16Wasm,
];

/** The emitted kernel of whole numbers that can do this; undefined where no kernel can. */
export const findI16WasmKernel = (spec: I16Spec): I16WasmKernel | undefined =>
  I16_WASM_KERNELS.find((kernel) => kernel.op === spec.op && kernel.supports(spec));

/** As `findKernel` (kernels.ts). */
export const findI16Kernel = (spec: I16Spec, engines: readonly I16Kernel['engine'][]): I16Kernel =>
  firstKernel(engines, spec, (engine) =>
    I16_KERNELS.find((kernel) => kernel.engine === engine && kernel.op === spec.op && kernel.supports(spec)),
  );
