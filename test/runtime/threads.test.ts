/** Threads change who computes, never what; and no worker is needed, not even one that took work and died. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import type { Platform } from '../../src/base/platform.js';
import { MobileNetV2Config } from '../../src/models/mobilenet-v2/config.js';
import { MobileNetV2ForImageClassification } from '../../src/models/mobilenet-v2/image-classification.js';
import type { ModelOptions } from '../../src/models/mobilenet-v2/model-options.js';
import { MobileNetV2ForSemanticSegmentation } from '../../src/models/mobilenet-v2/semantic-segmentation.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { type Dims, picture as pictureOf } from '../helpers/waves.js';

const before = env.platform;
/** Workers started and not yet gone. */
let running = 0;
let started = 0;

/** Node's platform, with the text of the workers' program changed, or with no workers at all. */
function usePlatform(changes: { source?: (text: string) => string; startWorker?: Platform['startWorker'] }): void {
  const { source = (text) => text } = changes;
  env.platform = {
    ...nodePlatform,
    async startWorker(text, task, onExit) {
      const worker = await nodePlatform.startWorker!(source(text), task, (clean) => {
        running--;
        onExit(clean);
      });
      running++;
      started++;
      return worker;
    },
    ...(changes.startWorker && { startWorker: changes.startWorker }),
  };
}

beforeEach(() => {
  running = 0;
  started = 0;
  usePlatform({});
});
afterEach(async () => {
  env.platform = before;
  await until(() => running === 0); // every test gives its workers back
});

const picture = (seed: number, dims: Dims = [1, 3, 61, 96]) => pictureOf(seed, dims);
const SMALL = { depth_multiplier: 0.35, num_labels: 21, initializer_range: 0.2 };
const classifier = (options: ModelOptions) =>
  new MobileNetV2ForImageClassification(new MobileNetV2Config(SMALL), { seed: 5, device: 'wasm', ...options });
const segmenter = (options: ModelOptions) =>
  new MobileNetV2ForSemanticSegmentation(new MobileNetV2Config({ ...SMALL, output_stride: 16 }), {
    ...{ seed: 5, device: 'wasm' as const },
    ...options,
  });

/** Until workers have come or gone. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
}

/** Long enough for started workers to join. */
const joined = () => new Promise((resolve) => setTimeout(resolve, 150));

describe('threads', () => {
  it.each([
    { name: 'classification', make: classifier },
    { name: 'segmentation', make: segmenter },
  ])('$name: results are bit-equal for 1, 2, 3 and 7', async ({ make }) => {
    const inputs = [picture(1), picture(2, [2, 3, 64, 33]), picture(3, [1, 3, 224, 224])];
    const expected: Tensor[] = [];
    for (const threads of [1, 2, 3, 7]) {
      const model = make({ threads });
      await model.warmup([1, 3, 32, 32]);
      await joined();
      for (const [i, pixel_values] of inputs.entries()) {
        for (let repeat = 0; repeat < 5; repeat++) {
          const { logits } = await model({ pixel_values });
          if (threads === 1) expected[i] = logits;
          expect(logits.data).toEqual(expected[i].data);
        }
      }
      model.dispose();
    }
    expect(started).toBe(1 + 2 + 6);
  });

  it('runs that overlap give what they give one by one', async () => {
    const model = classifier({ threads: 2 });
    const inputs = Array.from({ length: 64 }, (_, i) => picture(i, [1, 3, 32 + (i % 3), 32]));
    const alone = [];
    for (const pixel_values of inputs) alone.push((await model({ pixel_values })).logits.data);
    const together = await Promise.all(inputs.map((pixel_values) => model({ pixel_values })));
    expect(together.map(({ logits }) => logits.data)).toEqual(alone);
    model.dispose();
  });

  it('two models do not disturb each other, and one may go while it runs', async () => {
    const [a, b] = [classifier({ threads: 2 }), segmenter({ threads: 2 })];
    const pixel_values = picture(1);
    const [fromA, fromB] = [(await a({ pixel_values })).logits.data, (await b({ pixel_values })).logits.data];
    const results = Promise.all([a({ pixel_values }), b({ pixel_values }), a({ pixel_values })]);
    a.dispose();
    const [first, second, third] = await results;
    expect(first.logits.data).toEqual(fromA);
    expect(second.logits.data).toEqual(fromB);
    expect(third.logits.data).toEqual(fromA);
    await expect(a({ pixel_values })).rejects.toThrowError(/disposed/);
    b.dispose();
  });

  it('start with the second run', async () => {
    const model = classifier({ threads: 3 });
    await model({ pixel_values: picture(1) });
    expect(started).toBe(0);
    await model({ pixel_values: picture(1) });
    expect(started).toBe(2);
    model.dispose();
  });

  it.each([0, 65, 1.5, Number.NaN, '2', null])('refuses %s of them', (threads) => {
    expect(() => classifier({ threads: threads as number })).toThrowError(/threads: expected 'auto' or a whole number/);
  });
});

describe('without workers', () => {
  const expected = async () => (await classifier({ threads: 1 })({ pixel_values: picture(1) })).logits.data;

  it('computes alone where starting one is refused, and does not ask again', async () => {
    let asked = 0;
    usePlatform({
      async startWorker() {
        asked++;
        throw new Error('refused');
      },
    });
    const model = classifier({ threads: 3 });
    for (let i = 0; i < 4; i++)
      expect((await model({ pixel_values: picture(1) })).logits.data).toEqual(await expected());
    expect(asked).toBe(1);
  });

  it.each([
    ['throws before it joins', (text: string) => text.replace('for (;;) {', "throw new Error('early'); for (;;) {")],
    ['exits with a chunk in hand', (text: string) => text.replace('compute(share, last)', 'process.exit(1)')],
    [
      'throws with a chunk in hand',
      (text: string) => text.replace('compute(share, last)', "(() => { throw new Error('dies'); })()"),
    ],
  ])('a worker that %s costs its call nothing but time', async (_, source) => {
    usePlatform({
      source: (text) => {
        const changed = source(text);
        expect(changed).not.toBe(text);
        return changed;
      },
    });
    const model = classifier({ threads: 2 });
    const pixel_values = picture(1);
    const wanted = await expected();
    for (let i = 0; i < 30; i++) {
      const begin = performance.now();
      expect((await model({ pixel_values })).logits.data).toEqual(wanted);
      expect(performance.now() - begin).toBeLessThan(10_000);
      if (i % 5 === 1) await joined();
    }
    expect(started).toBeLessThanOrEqual(10); // and then it lets it be
    model.dispose();
  });

  it('workers that went home while the event loop had no turn are started again', async () => {
    usePlatform({ source: (text) => text.replace('names.CLAIM, claim, idle)', 'names.CLAIM, claim, 400)') });
    const model = classifier({ threads: 2 });
    const pixel_values = picture(1);
    for (let i = 0; i < 3; i++) await model({ pixel_values });
    await joined();
    for (let i = 0; i < 3; i++) await model({ pixel_values });
    expect(started).toBe(1);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 800);
    for (let i = 0; i < 20 && started === 1; i++) await model({ pixel_values });
    expect(started).toBe(2);
    model.dispose();
  });

  it('a worker that is ended from outside costs its call nothing but time', async () => {
    const model = classifier({ threads: 3 });
    const pixel_values = picture(1);
    const wanted = await expected();
    const { startWorker } = env.platform;
    env.platform.startWorker = async (...args) => {
      const worker = await startWorker!(...args);
      setTimeout(() => worker.terminate(), 160);
      return worker;
    };
    for (let i = 0; i < 40; i++) {
      expect((await model({ pixel_values })).logits.data).toEqual(wanted);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(started).toBeGreaterThan(2);
    model.dispose();
  });
});

it('the process ends by itself, with workers asleep', () => {
  const program = `
    import { MobileNetV2Config, MobileNetV2Model, Tensor } from 'mobilenet-v2';
    const model = new MobileNetV2Model(new MobileNetV2Config({ depth_multiplier: 0.35 }), { threads: 2 });
    const pixel_values = new Tensor('float32', new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
    for (let i = 0; i < 20; i++) await model({ pixel_values });
    const done = performance.now();
    // Below the time after which an idle worker goes home. What comes before takes as long as the machine is busy.
    process.on('exit', () => console.log(performance.now() - done < 8000 ? 'at once' : 'late'));
  `;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    encoding: 'utf8',
  });
  expect({ stdout, stderr, status }).toEqual({ stdout: 'at once\n', stderr: '', status: 0 });
});
