/** Checks of arguments that many functions share. TypeScript's callers pass them; those of JavaScript are told what is wrong. */
import { brandOf, isDetached } from './brands.js';
import { expected } from './errors.js';

/** @throws MobileNetError ARG for anything but a function */
export function checkFunction(value: unknown, where: string): void {
  if (typeof value !== 'function') throw expected(where, 'a function', value);
}

/** @throws MobileNetError ARG for anything but text */
export function checkText(value: unknown, where: string): asserts value is string {
  if (typeof value !== 'string') throw expected(where, 'a string', value);
}

/** @throws MobileNetError ARG for null, and for what is no object */
export function checkObject(value: unknown, where: string, what = 'an object'): asserts value is object {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) throw expected(where, what, value);
}

/** A list, or a typed array. @throws MobileNetError ARG for anything else */
export function checkSequence(value: unknown, where: string, what = 'a list'): void {
  if (Array.isArray(value)) return;
  if (ArrayBuffer.isView(value) && brandOf(value) !== 'DataView' && !isDetached(value.buffer)) return;
  throw expected(where, what, value);
}
