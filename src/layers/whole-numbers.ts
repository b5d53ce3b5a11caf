/**
 * Where engines get the kernels of whole numbers from. Few networks need them, and they are 8 KB, so a page loads them with
 * the first network that does. Node and edge runtimes have them from the start: one file is opened sooner than two, and an
 * edge runtime loads nothing later. An entry says which it is.
 */
import { MobileNetError } from '../base/errors.js';
import type { I16Kernel, I16WasmKernel } from './kernel-i16.js';
import type { I16Spec } from './spec.js';

/** What kernels-i16.ts exports. */
export interface WholeNumbers {
  readonly I16_WASM_KERNELS: readonly I16WasmKernel[];
  findI16Kernel(spec: I16Spec, engines: readonly I16Kernel['engine'][]): I16Kernel;
  findI16WasmKernel(spec: I16Spec): I16WasmKernel | undefined;
}

let source: WholeNumbers | (() => Promise<WholeNumbers>) | undefined;

/** @param kernels themselves, or what loads them */
export function provideWholeNumbers(kernels: WholeNumbers | (() => Promise<WholeNumbers>)): void {
  source = kernels;
}

/** Awaited before the first engine for whole numbers is made. @throws MobileNetError IO where a page cannot load them */
export async function loadWholeNumbers(): Promise<void> {
  if (typeof source !== 'function') return;
  try {
    source = await source();
  } catch (cause) {
    const remedy = 'serve every file that the bundler wrote, and try again';
    throw new MobileNetError('IO', `the kernels of quantized networks could not be loaded; ${remedy}`, { cause });
  }
}

/** The kernels. @throws MobileNetError UNSUPPORTED where nobody has awaited them */
export function wholeNumbers(): WholeNumbers {
  if (source !== undefined && typeof source !== 'function') return source;
  throw new MobileNetError(
    'UNSUPPORTED',
    'the kernels of quantized networks are not loaded; load the model with from_pretrained, which waits for them',
  );
}
