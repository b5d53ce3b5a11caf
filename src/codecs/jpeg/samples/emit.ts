import type { ModuleBuilder } from '../../../tensor/wasm/assembler.js';
import { emitColors } from './color.js';
import { emitIdct8 } from './idct.js';
import { emitReducedIdcts } from './idct-reduced.js';
import { emitUpsampling } from './upsample.js';

/** Adds the functions that make rows of pixels of coefficients. `Reconstruction` calls them. */
export function emitSamples(module: ModuleBuilder): void {
  emitIdct8(module);
  emitReducedIdcts(module);
  emitUpsampling(module);
  emitColors(module);
}
