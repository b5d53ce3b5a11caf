/** Which kernel computes a step. Nothing above this file knows a kernel's name. */
import { findKernel } from '../../layers/kernels.js';
import type { Kernel, Spec } from '../../layers/spec.js';

/** Where a model runs: `auto` is the fastest engine here. */
export type Device = 'auto' | Kernel['engine'];

export const DEVICES: readonly Device[] = ['auto', 'js', 'reference'];

/** Engines a device takes kernels from, the first that can: the js kernels leave layers wider than any real one. */
const ENGINES: Record<Device, readonly Kernel['engine'][]> = {
  auto: ['js', 'reference'],
  js: ['js', 'reference'],
  reference: ['reference'],
};

export function chooseKernel(spec: Spec, device: Device): Kernel {
  return findKernel(spec, ENGINES[device]);
}

/** The reference engine runs the network as it is drawn; the others fold and fuse. */
export function fuses(device: Device): boolean {
  return device !== 'reference';
}
