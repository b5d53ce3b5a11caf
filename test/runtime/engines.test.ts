/** The forms in which the kernels come: emitted, from the package's files, compiled by the caller, or not at all. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { env } from '../../src/base/env.js';
import { emitDecoder } from '../../src/codecs/jpeg/module.js';
import * as kernels from '../../src/layers/kernels-i16.js';
import { emitKernels, KERNEL_FORMS, kernelsFile, relaxedProbe } from '../../src/layers/wasm-module.js';
import { loadWholeNumbers, provideWholeNumbers, wholeNumbers } from '../../src/layers/whole-numbers.js';
import { MobileNetV2Config } from '../../src/models/mobilenet-v2/config.js';
import { MobileNetV2ForImageClassification } from '../../src/models/mobilenet-v2/image-classification.js';
import type { ModelOptions } from '../../src/models/mobilenet-v2/model-options.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { makeEngine, prepareEngine } from '../../src/runtime/engines/make.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { ROOT } from '../helpers/cli.js';
import { waves } from '../helpers/waves.js';
import { expectError } from '../helpers/weight-files.js';

const before = env.platform;
afterEach(() => {
  env.platform = before;
  vi.unstubAllGlobals();
});

const pixel_values = new Tensor('float32', waves(3 * 40 * 40), [1, 3, 40, 40]);
const logits = async (options: ModelOptions) => {
  const model = new MobileNetV2ForImageClassification(new MobileNetV2Config({ depth_multiplier: 0.35 }), options);
  const result = await model({ pixel_values });
  model.dispose();
  return result.logits.data;
};

describe('kernels', () => {
  beforeEach(() => provideWholeNumbers(kernels));

  it('of whole numbers come with the first network of them, where they are not there from the start', async () => {
    const load = vi.fn(async () => kernels);
    provideWholeNumbers(load);
    await prepareEngine('js', {}, 'f32');
    expect(load).not.toHaveBeenCalled();
    expect(wholeNumbers).toThrowError(/not loaded; load the model with from_pretrained/);
    await prepareEngine('js', {}, 'i16');
    await loadWholeNumbers();
    expect(load).toHaveBeenCalledTimes(1);
    expect(wholeNumbers()).toBe(kernels);
  });

  it('of whole numbers that cannot be loaded are an error that says so, and are asked for again', async () => {
    provideWholeNumbers(vi.fn(async () => kernels).mockRejectedValueOnce(new TypeError('404')));
    await expectError(() => prepareEngine('wasm', {}, 'i16'), { code: 'IO', says: ['quantized', 'serve every file'] });
    await prepareEngine('wasm', {}, 'i16');
    expect(wholeNumbers()).toBe(kernels);
  });

  it.each(KERNEL_FORMS)("the package's file is what is emitted (%o)", (form) => {
    const file = readFileSync(join(ROOT, 'dist', kernelsFile(form)));
    expect(new Uint8Array(file)).toEqual(emitKernels(form));
  });

  it.each([
    { shared: false, threads: 1 },
    { shared: false, threads: 2 },
    { shared: true, threads: 2 },
  ])('a compiled module may be handed in (%o)', async ({ shared, threads }) => {
    env.platform = nodePlatform;
    const wasmModule = new WebAssembly.Module(emitKernels({ shared, relaxed: WebAssembly.validate(relaxedProbe()) }));
    vi.stubGlobal('WebAssembly', { ...wasmWithout('Module', 'compile') });
    const options = { device: 'wasm', wasmModule, threads } as const;
    const engine = makeEngine('wasm', options);
    expect(engine.name).toBe('wasm');
    expect(engine.threads).toBe(shared ? 2 : 1); // a module for one thread leaves it at one
    const result = await logits(options);
    vi.unstubAllGlobals();
    expect(result).toEqual(await logits({ device: 'wasm' }));
  });

  it('a module for whole numbers serves networks of them, and no others', () => {
    const [whole, real] = (['i16', 'f32'] as const).map(
      (elements) => new WebAssembly.Module(emitKernels({ elements, shared: false, relaxed: false })),
    );
    expect(makeEngine('wasm', { wasmModule: whole }, 'i16').name).toBe('wasm');
    expect(() => makeEngine('wasm', { wasmModule: whole })).toThrowError(/wasmModule: expected kernels.wasm/);
    expect(() => makeEngine('wasm', { wasmModule: real }, 'i16')).toThrowError(/wasmModule: expected kernels-i16.wasm/);
  });

  it('a module of something else is refused by name', () => {
    const wasmModule = new WebAssembly.Module(Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    const decoder = new WebAssembly.Module(emitDecoder());
    for (const other of [wasmModule, decoder]) {
      expect(() => makeEngine('wasm', { wasmModule: other })).toThrowError(/wasmModule: expected .*kernels.wasm/);
    }
  });
});

describe('where WebAssembly is refused', () => {
  it.each([
    ['there is none', () => vi.stubGlobal('WebAssembly', undefined)],
    ['it may not compile', () => vi.stubGlobal('WebAssembly', wasmWithout('Module', 'compile'))],
    ['it may compile and not be used', () => vi.stubGlobal('WebAssembly', wasmWithout('Instance'))],
    ['there is no memory', () => vi.stubGlobal('WebAssembly', wasmWithout('Memory'))],
  ])('%s: auto is js, and wasm says why', async (_, refuse) => {
    const expected = await logits({ device: 'js' });
    refuse();
    expect(makeEngine('auto').name).toBe('js');
    expect(await logits({ device: 'auto' })).toEqual(expected);
    expect(() => makeEngine('wasm')).toThrowError(/device wasm: .*; use device auto/);
  });

  it('no shared memory leaves one thread', async () => {
    vi.stubGlobal('SharedArrayBuffer', undefined);
    expect(makeEngine('wasm', { threads: 2 }).threads).toBe(1);
  });
});

/** WebAssembly whose named constructors and functions throw, as under a strict content security policy. */
function wasmWithout(...names: string[]) {
  const refuse = () => {
    throw new WebAssembly.CompileError('refused');
  };
  const refused = Object.fromEntries(
    names.map((name) => [
      name,
      new Proxy(WebAssembly[name as 'Module'], { construct: refuse as never, apply: refuse }),
    ]),
  );
  const { Module, Instance, Memory, CompileError, LinkError, RuntimeError, compile, validate } = WebAssembly;
  return { Module, Instance, Memory, CompileError, LinkError, RuntimeError, compile, validate, ...refused };
}

it.each(['reference', 'js', 'wasm'] as const)(
  'the %s engine binds a kernel once for all specs that it serves',
  (device) => {
    const engine = makeEngine(device, { threads: 1 });
    const conv = {
      op: 'pointwise',
      dtype: 'f32',
      batch: 1,
      activation: 'relu6',
      inChannels: 8,
      outChannels: 8,
    } as const;
    const spec = { ...conv, biasPerImage: false, residual: false } as const;
    const bound = engine.kernelFor({ ...spec, pixels: 4 });
    expect(engine.kernelFor({ ...spec, pixels: 9, activation: 'none' })).toBe(bound);
    const norm = { op: 'batch_norm', dtype: 'f32', pixels: 4, channels: 8, epsilon: 1e-5 } as const; // no emitted kernel has it
    expect(engine.kernelFor(norm)).toBe(engine.kernelFor({ ...norm, pixels: 9 }));
    expect(engine.kernelFor(norm)).not.toBe(bound);
  },
);
