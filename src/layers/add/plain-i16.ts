/**
 * y = x + other of whole numbers that have scales of their own: each times a multiplier, and the sum shifted right. Where
 * x · multiplier does not fit 32 bits, it is what is left of it in 32 bits, as in emitted code.
 */
import type { PlainI16Kernel } from '../kernel-i16.js';
import type { AddI16Spec, RequantizeI16Spec } from '../spec.js';

export const addI16: PlainI16Kernel<AddI16Spec> = {
  op: 'add',
  supports: () => true,
  pack: (_spec, weights) => weights,

  run({ size, xMultiplier, otherMultiplier, shift, lo, hi }, { x, other, y }) {
    const half = 1 << (shift - 1);
    for (let i = 0; i < size; i++) {
      const sum = (Math.imul(x[i], xMultiplier) + Math.imul(other[i], otherMultiplier) + half) >> shift;
      y[i] = Math.min(Math.max(sum, lo), hi);
    }
  },
};

/** From one scale to another. */
export const requantizeI16: PlainI16Kernel<RequantizeI16Spec> = {
  op: 'requantize',
  supports: () => true,
  pack: (_spec, weights) => weights,

  run({ size, multiplier, lo, hi }, { x, y }) {
    for (let i = 0; i < size; i++) y[i] = Math.min(Math.max((Math.imul(x[i], multiplier) + 128) >> 8, lo), hi);
  },
};
