/** The one list of kernels. Adding a kernel edits this list alone; tests and benches iterate it. */
import { MobileNetError } from '../base/errors.js';
import { activation } from './activation.js';
import { add } from './add/plain.js';
import { addWasm } from './add/wasm.js';
import { batchNorm } from './batchnorm.js';
import { concat } from './concat/plain.js';
import { concatWasm } from './concat/wasm.js';
import { conv3x3Js } from './conv3x3/js.js';
import { conv3x3Reference } from './conv3x3/reference.js';
import { conv3x3Wasm } from './conv3x3/wasm.js';
import { depthwiseJs } from './depthwise/js.js';
import { depthwiseReference } from './depthwise/reference.js';
import { depthwiseWasm } from './depthwise/wasm.js';
import { pointwiseJs } from './pointwise/js.js';
import { pointwiseReference } from './pointwise/reference.js';
import { pointwiseWasm } from './pointwise/wasm.js';
import { averagePool } from './pool/plain.js';
import { averagePoolWasm } from './pool/wasm.js';
import { resizeBilinear } from './resize/plain.js';
import { resizeWasm } from './resize/wasm.js';
import { type Engine, type Kernel, kernelName, type Spec, type WasmKernel } from './spec.js';

/** Bound by memory or done once a picture: the plain loop is already as fast as it gets. */
const PLAIN = [averagePool, resizeBilinear, add, concat, batchNorm, activation];

export const KERNELS: readonly Kernel[] = [
  conv3x3Reference,
  depthwiseReference,
  pointwiseReference,
  ...PLAIN.map((kernel): Kernel => ({ ...(kernel as Kernel), engine: 'reference' })),

  conv3x3Js,
  depthwiseJs,
  pointwiseJs,
  ...PLAIN.map((kernel): Kernel => ({ ...(kernel as Kernel), engine: 'js' })),
];

/** What they lack, the js kernels do on the same memory. */
export const WASM_KERNELS: readonly WasmKernel[] = [
  conv3x3Wasm as WasmKernel,
  depthwiseWasm as WasmKernel,
  pointwiseWasm as WasmKernel,
  averagePoolWasm as WasmKernel,
  resizeWasm as WasmKernel,
  addWasm as WasmKernel,
  concatWasm as WasmKernel,
];

/** The first kernel that can do this, of the first engine that has one. Throws UNSUPPORTED when none can. */
export function findKernel<E extends Engine>(
  spec: Spec,
  engines: readonly E[],
): E extends 'wasm' ? Kernel | WasmKernel : Kernel {
  const all: readonly (Kernel | WasmKernel)[] = [...KERNELS, ...WASM_KERNELS];
  for (const engine of engines) {
    const found = all.find((kernel) => kernel.engine === engine && kernel.op === spec.op && kernel.supports(spec));
    if (found !== undefined) return found as Kernel;
  }
  const wanted = engines.map((engine) => kernelName(spec, engine)).join(' or ');
  throw new MobileNetError('UNSUPPORTED', `no kernel ${wanted}`);
}
