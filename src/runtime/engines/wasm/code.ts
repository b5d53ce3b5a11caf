/** The emitted kernels as code that runs: compiled, instantiated on a memory, and warmed up. */
import { env } from '../../../base/env.js';
import { expected } from '../../../base/errors.js';
import { WASM_KERNELS } from '../../../layers/kernels.js';
import type { Spec } from '../../../layers/spec.js';
import { emitKernels, type KernelForm, kernelsFile, relaxedProbe } from '../../../layers/wasm-module.js';
import { MAX_PAGES } from '../../../tensor/wasm/assembler.js';
import type { KernelSet } from '../engine.js';

/** The kind of kernels. */
type Elements = 'f32' | 'i16';

/** Node and pages that are cross-origin isolated. */
export function canShareMemory(): boolean {
  const unable = typeof SharedArrayBuffer === 'undefined' || globalThis.crossOriginIsolated === false;
  return !unable && env.platform.startWorker !== undefined;
}

type MoreKernels = KernelSet['wasm'];

/** An instance on a memory of its own. A module is made for a shared memory or for one that is not. */
export function instantiate(
  elements: Elements,
  share: boolean,
  given: WebAssembly.Module | undefined,
  more?: MoreKernels,
) {
  if (share) {
    try {
      const code = given ?? compiledKernels(elements, true, more);
      const memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
      return { memory, code, instance: new WebAssembly.Instance(code, { env: { memory } }) };
    } catch {
      // No room for the addresses of 4 GiB, or a module for one thread. Without threads it may still do.
    }
  }
  const code = given ?? compiledKernels(elements, false, more);
  const memory = new WebAssembly.Memory({ initial: 1 });
  return { memory, code, instance: new WebAssembly.Instance(code, { env: { memory } }) };
}

/** Compiled kernels by the names of their files. */
const compiled = new Map<string, WebAssembly.Module>();
/** The same with further kernels, which have no files. */
const compiledWith = new WeakMap<MoreKernels, Map<string, WebAssembly.Module>>();

/**
 * The form for this engine. Relaxed SIMD where it is taken: 1.0 at 224 needs 9.67 ms instead of 10.53 in Node 24, and
 * 9.9 instead of 10.7 in Chromium 156. Its sums are rounded once and not twice, so they differ in the last bit.
 */
function formHere(elements: Elements, shared: boolean): KernelForm {
  if (elements === 'i16') return { elements, shared, relaxed: false };
  relaxedHere ??= WebAssembly.validate(relaxedProbe());
  return { shared, relaxed: relaxedHere };
}
let relaxedHere: boolean | undefined;

/** Emitted and compiled when first needed, once. Throws what WebAssembly throws where that is refused. */
function compiledKernels(elements: Elements, shared: boolean, more: MoreKernels | undefined): WebAssembly.Module {
  const form = formHere(elements, shared);
  const file = kernelsFile(form);
  const known = more === undefined ? compiled : (compiledWith.get(more) ?? new Map<string, WebAssembly.Module>());
  if (more !== undefined) compiledWith.set(more, known);
  let module = known.get(file);
  if (module === undefined) {
    module = new WebAssembly.Module(emitKernels(form, more));
    known.set(file, module);
  }
  return module;
}

/** A function that every module of the kind has. */
const FIRST_FUNCTION: Record<Elements, string> = { f32: 'pointwise', i16: 'quantize_i16' };

/** A module that was handed in must be the kernels, and those of the numbers that the network has. */
export function checkModule(module: WebAssembly.Module | undefined, elements: Elements): void {
  if (module === undefined) return;
  const isModule = Object.prototype.toString.call(module) === '[object WebAssembly.Module]';
  const ours = isModule && WebAssembly.Module.exports(module).some(({ name }) => name === FIRST_FUNCTION[elements]);
  const memory =
    ours && WebAssembly.Module.imports(module).some(({ name, kind }) => name === 'memory' && kind === 'memory');
  if (memory) return;
  const file = kernelsFile({ elements, shared: false, relaxed: false });
  throw expected('wasmModule', `${file} of this package, compiled`, module);
}

/**
 * Compiles, from the platform's file where it has one, and warms up: both happen beside the reading of weights, and take
 * 70 ms less until the first result in Node. Throws where compiling is refused.
 */
export async function compileAhead(elements: Elements, shared: boolean): Promise<void> {
  const form = formHere(elements, shared);
  const file = kernelsFile(form);
  if (compiled.has(file)) return;
  const bytes = (await env.platform.readKernels?.(file)) ?? emitKernels(form);
  const module = await WebAssembly.compile(bytes);
  compiled.set(file, module);
  if (elements === 'f32') warmUp(module, shared);
}

const size = { dtype: 'f32', batch: 1, activation: 'relu6' } as const;
const map = { ...size, inHeight: 16, inWidth: 16, padTop: 1, padLeft: 1 } as const;
const halved = { outHeight: 8, outWidth: 8, stride: 2 } as const;
const SAMPLES: readonly Spec[] = [
  { op: 'pointwise', ...size, pixels: 64, inChannels: 64, outChannels: 64, biasPerImage: false, residual: false },
  { op: 'depthwise3x3', ...map, channels: 16, outHeight: 16, outWidth: 16, stride: 1, dilation: 1 },
  { op: 'depthwise3x3', ...map, channels: 16, ...halved, dilation: 1 },
  { op: 'conv3x3', ...map, inChannels: 3, outChannels: 32, ...halved },
  {
    op: 'average_pool',
    dtype: 'f32',
    batch: 1,
    inHeight: 7,
    inWidth: 7,
    channels: 64,
    kernelHeight: 7,
    kernelWidth: 7,
  },
];

/**
 * Calls the kernels on next to nothing. V8 compiles a function when it is first called, to slow code, and once more, in
 * another thread, when it has been busy for a while; the fast code takes over with the next call. A first picture would
 * be computed by the slow code, one that is decoded meanwhile finds the fast one: 14 ms became 2 for a layer.
 */
function warmUp(module: WebAssembly.Module, shared: boolean): void {
  const { instance } = instantiate('f32', shared, module);
  const functions = instance.exports as Record<string, (...args: number[]) => void>;
  const at = { x: 4096, weights: 4096, bias: 4096, residual: 4096, other: 4096, y: 32768, zeros: 4096 };
  for (const spec of SAMPLES) {
    const kernel = WASM_KERNELS.find(({ op }) => op === spec.op)!;
    for (let round = 0; round < 8; round++) {
      for (const { name, args } of kernel.calls(spec, at)) functions[name](...args);
    }
  }
}
