/** All emitted kernels as one WebAssembly module, which serves every size of every layer. */
import { MAX_PAGES } from '../tensor/memory.js';
import { ModuleBuilder } from '../tensor/wasm/assembler.js';
import { WASM_KERNELS } from './kernels.js';

/**
 * The module's bytes. A module is made either for a memory that threads share or for one that they do not, and with
 * relaxed SIMD only for engines that take it.
 */
export function emitKernels({ shared, relaxed }: { shared: boolean; relaxed?: boolean }): Uint8Array<ArrayBuffer> {
  const memory = shared ? { initial: 1, maximum: MAX_PAGES, shared } : { initial: 1 };
  const module = new ModuleBuilder(memory, { relaxed });
  for (const kernel of WASM_KERNELS) kernel.emit(module);
  return module.encode();
}

/** The file of the package that holds the same bytes (scripts/kernels.mjs writes it). */
export function kernelsFile({ shared }: { shared: boolean }): string {
  return shared ? 'kernels-shared.wasm' : 'kernels.wasm';
}
