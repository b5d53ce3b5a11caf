/** Row R3: memory that cannot be had ends one call with OUT_OF_MEMORY, costs no memory for good, and the model goes on. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { MobileNetV2ForImageClassification, ModelOptions } from '../../src/entries/main-node.js';
import { type Dims, picture } from '../helpers/waves.js';
import { Ledger, timed } from './ledger.js';
import { classifier } from './models.js';

const ledger = new Ledger('memory', 'npx vitest run test/reliability/memory.test.ts');
afterEach(() => vi.restoreAllMocks());

const outOfMemory = expect.objectContaining({ name: 'MobileNetError', code: 'OUT_OF_MEMORY' });

/** Lets `WebAssembly.Memory.grow` fail where told to; the memories that asked to grow, and how often. */
function watchGrowth(refuse: (count: number) => boolean) {
  const { grow } = WebAssembly.Memory.prototype;
  const asked: WebAssembly.Memory[] = [];
  vi.spyOn(WebAssembly.Memory.prototype, 'grow').mockImplementation(function (this: WebAssembly.Memory, pages) {
    asked.push(this);
    if (refuse(asked.length)) throw new RangeError('WebAssembly.Memory.grow(): Unable to grow instance memory');
    return grow.call(this, pages);
  });
  return asked;
}

const WASM: [string, ModelOptions][] = [
  ['1 thread', { device: 'wasm', threads: 1 }],
  ['2 threads', { device: 'wasm', threads: 2 }],
  ['2 threads, little memory', { device: 'wasm', threads: 2, memory: 'low' }],
];

describe.each(WASM)('growth refused, %s', (name, options) => {
  it('at every allocation of a first call in turn: the next call is right, in no more memory', async () => {
    const pixel_values = picture(1, [1, 3, 96, 96]);
    const asked = watchGrowth(() => false);
    const sound = classifier(options);
    const { data: expected } = (await sound({ pixel_values })).logits;
    sound.dispose();
    const times = asked.length;
    const size = asked.at(-1)!.buffer.byteLength;
    expect(times).toBeGreaterThan(3);
    let failed = 0;
    for (let nth = 1; nth <= times; nth++) {
      vi.restoreAllMocks();
      const memories = watchGrowth((count) => count === nth);
      const attempt = async (model: MobileNetV2ForImageClassification) => (await model({ pixel_values })).logits.data;
      let model: MobileNetV2ForImageClassification | undefined;
      const { error } = await timed(async () => {
        model = classifier(options);
        return attempt(model);
      });
      expect(error, `growth ${nth} of ${times}`).toEqual(outOfMemory);
      failed++;
      expect(await attempt(model!)).toEqual(expected);
      // Growth by one page more can come from the other order of allocations.
      expect(memories.at(-1)!.buffer.byteLength).toBeLessThanOrEqual(size * 1.1);
      model!.dispose();
    }
    ledger.add({ what: `Memory growth refused at every allocation of a first call, ${name}`, tried: failed });
  });

  it('for a larger picture a hundred times: smaller ones are bit-equal before and after it', async () => {
    const model = classifier(options);
    const small = picture(1, [1, 3, 64, 64]);
    const { data: expected } = (await model({ pixel_values: small })).logits;
    const large = picture(2, [4, 3, 256, 256]);
    const asked = watchGrowth(() => true);
    for (let i = 0; i < 100; i++) {
      await expect(model({ pixel_values: large })).rejects.toEqual(outOfMemory);
    }
    expect((await model({ pixel_values: small })).logits.data).toEqual(expected);
    const before = asked.at(-1)!.buffer.byteLength;
    vi.restoreAllMocks();
    const { logits } = await model({ pixel_values: large });
    const fresh = classifier(options);
    expect(logits.data).toEqual((await fresh({ pixel_values: large })).logits.data);
    expect(asked.at(-1)!.buffer.byteLength).toBeGreaterThan(before); // views of the old buffer are gone
    expect((await model({ pixel_values: small })).logits.data).toEqual(expected);
    ledger.add({ what: `Memory growth refused for a larger picture, ${name}`, tried: 100 });
    model.dispose();
    fresh.dispose();
  });
});

describe.each([
  ['wasm', { device: 'wasm', threads: 1 }],
  ['wasm, little memory', { device: 'wasm', threads: 1, memory: 'low' }],
  ['js', { device: 'js' }],
  ['reference', { device: 'reference' }],
] as [string, ModelOptions][])('sizes beyond any memory, %s', (name, options) => {
  it.each<Dims>([
    [1, 3, 65_536, 65_536],
    [1, 3, 1, 2 ** 40],
    [1_000_000, 3, 4096, 4096],
    [2 ** 52, 3, 2 ** 52, 2 ** 52],
    [Number.MAX_SAFE_INTEGER, 3, 1, 1],
  ])('[%i,%i,%i,%i] is refused at once', async (...dims) => {
    const model = classifier(options);
    const pixel_values = picture(1, [1, 3, 32, 32]);
    const { data: expected } = (await model({ pixel_values })).logits;
    const { ms, error } = await timed(() => model.plan(dims));
    // More than addresses can tell apart is refused before it is asked for.
    expect(error).toMatchObject({ name: 'MobileNetError', code: expect.stringMatching(/^(LIMIT|OUT_OF_MEMORY)$/) });
    expect(ms).toBeLessThan(2000);
    expect((await model({ pixel_values })).logits.data).toEqual(expected);
    ledger.add({ what: `Sizes beyond any memory, ${name}`, tried: 1, worstMs: ms });
    model.dispose();
  });
});
