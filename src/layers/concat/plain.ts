/**
 * Channels side by side. One plain loop serves the engines without SIMD: it only copies. (A `set` of a `subarray` a pixel
 * would allocate two views a pixel and is slower at the channel counts of this network.)
 */
import type { PlainKernel } from '../kernel.js';
import type { PlainI16Kernel } from '../kernel-i16.js';
import type { ConcatI16Spec, ConcatSpec } from '../spec.js';

export const concat: PlainKernel<ConcatSpec> = {
  op: 'concat',
  supports: () => true,
  pack: (_spec, weights) => weights,

  run: (spec, { x, other, y }) => copyBoth(spec, x, other, y),
};

export const concatI16: PlainI16Kernel<ConcatI16Spec> = {
  op: 'concat',
  supports: () => true,
  pack: (_spec, weights) => weights,
  run: (spec, { x, other, y }) => copyBoth(spec, x, other, y),
};

/** x [pixels,C1] ‖ other [pixels,C2] → y [pixels,C1+C2] */
function copyBoth<T extends Float32Array | Int16Array>(spec: ConcatSpec | ConcatI16Spec, x: T, other: T, y: T): void {
  const { pixels, channels1: C1, channels2: C2 } = spec;
  let to = 0;
  for (let p = 0; p < pixels; p++) {
    for (let c = 0; c < C1; c++) y[to++] = x[p * C1 + c];
    for (let c = 0; c < C2; c++) y[to++] = other[p * C2 + c];
  }
}
