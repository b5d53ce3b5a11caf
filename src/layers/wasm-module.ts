/** All emitted kernels as one WebAssembly module, which serves every size of every layer. */
import { MAX_PAGES, ModuleBuilder } from '../tensor/wasm/assembler.js';
import { WASM_KERNELS } from './kernels.js';
import { wholeNumbers } from './whole-numbers.js';

/** A module is made for a memory that threads share or for one that they do not, with relaxed SIMD or without. */
export interface KernelForm {
  /** Of real numbers, the default, or of whole ones: a network needs one of the two. */
  elements?: 'f32' | 'i16';
  shared: boolean;
  /** Multiplies and adds in one instruction, where a machine has it. Not every engine takes such a module. Of real numbers only. */
  relaxed: boolean;
}

/** The module's bytes. @param more kernels besides */
export function emitKernels(
  { elements = 'f32', shared, relaxed }: KernelForm,
  more: readonly { emit(module: ModuleBuilder): void }[] = [],
): Uint8Array<ArrayBuffer> {
  const memory = shared ? { initial: 1, maximum: MAX_PAGES, shared } : { initial: 1 };
  const module = new ModuleBuilder(memory, { relaxed });
  for (const kernel of elements === 'f32' ? WASM_KERNELS : wholeNumbers().I16_WASM_KERNELS) kernel.emit(module);
  for (const kernel of more) kernel.emit(module);
  return module.encode();
}

/** The file of the package that holds the same bytes (scripts/kernels.mjs writes it). */
export function kernelsFile({ elements, shared, relaxed }: KernelForm): string {
  return `kernels${elements === 'i16' ? '-i16' : ''}${shared ? '-shared' : ''}${relaxed ? '-relaxed' : ''}.wasm`;
}

/** All there are. */
export const KERNEL_FORMS: readonly KernelForm[] = [false, true].flatMap((shared) => [
  { shared, relaxed: false },
  { shared, relaxed: true },
  { elements: 'i16', shared, relaxed: false },
]);

/** A module that only engines with relaxed SIMD find valid. */
export function relaxedProbe(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initial: 1 }, { relaxed: true });
  module.func('probe', { a: 'v128', b: 'v128' }, (f, { a, b }) => f.set(a, f.mulAdd(a, a, b)));
  return module.encode();
}
