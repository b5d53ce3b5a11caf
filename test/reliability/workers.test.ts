/** Rows R1, K1 to K4: threads that die at any moment, overlapping calls, models side by side. See models/threads.test.ts. */
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import type { Platform, WorkerHandle } from '../../src/base/platform.js';
import type { ModelOptions } from '../../src/entries/main-node.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { randomNumbers } from '../helpers/random.js';
import { SEED } from '../helpers/seed.js';
import { type Dims, picture } from '../helpers/waves.js';
import { Ledger, timed } from './ledger.js';
import { classifier } from './models.js';

const ledger = new Ledger('workers', 'npx vitest run test/reliability/workers.test.ts');

const before = env.platform;
/** Workers that run, and how many were ever started. */
let running: Set<WorkerHandle>;
let started: number;

function usePlatform(startWorker: NonNullable<Platform['startWorker']> = nodePlatform.startWorker!): void {
  env.platform = {
    ...nodePlatform,
    async startWorker(text, task, onExit) {
      const worker: WorkerHandle = await startWorker(text, task, (clean) => {
        running.delete(worker);
        onExit(clean);
      });
      running.add(worker);
      started++;
      return worker;
    },
  };
}

beforeEach(() => {
  running = new Set();
  started = 0;
  usePlatform();
});
afterEach(async () => {
  for (let i = 0; i < 500 && running.size > 0; i++) await pause(10);
  env.platform = before;
  expect(running.size).toBe(0);
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A worker with something else in place of `compute(share, last)`. */
const faulty =
  (replacement: string): NonNullable<Platform['startWorker']> =>
  (text, task, onExit) => {
    const changed = text.replace('compute(share, last)', replacement);
    expect(changed).not.toBe(text);
    return nodePlatform.startWorker!(changed, task, onExit);
  };

/** The same in a thread that is given little memory. */
const cramped =
  (replacement: string): NonNullable<Platform['startWorker']> =>
  async (text, task, onExit) => {
    const changed = text.replace('compute(share, last)', replacement);
    const worker = new Worker(`(${changed})(require('node:worker_threads').workerData);`, {
      eval: true,
      workerData: task,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
    });
    worker.unref();
    worker.on('error', () => {});
    worker.on('exit', (code) => onExit(code === 0));
    return { terminate: () => worker.terminate() };
  };

describe('a worker in the middle of a layer', () => {
  it.each([
    ['runs out of memory', '(() => { const all = []; for (;;) all.push(new Array(1e5).fill(0)); })()'],
    ['runs out of stack', '(function deeper() { deeper(); })()'],
    ['throws what is no error', '(() => { throw null; })()'],
    ['aborts by a trap', 'new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0,97,115,109])))'],
    ['exits', 'process.exit(3)'],
    ['exits as if all were well', 'process.exit(0)'],
    ['rejects without being heard', "(Promise.reject(new Error('unheard')), compute(share, last))"],
  ])('that %s costs its call nothing but time', async (what, replacement) => {
    const pixel_values = picture(1, [1, 3, 96, 96]);
    const alone = classifier({ device: 'wasm', threads: 1 });
    const { data: expected } = (await alone({ pixel_values })).logits;
    usePlatform((what.includes('memory') ? cramped : faulty)(replacement));
    const model = classifier({ device: 'wasm', threads: 3 });
    let worst = 0;
    for (let i = 0; i < 20; i++) {
      const { ms, value, error } = await timed(() => model({ pixel_values }));
      expect(error).toBeUndefined();
      expect(value!.logits.data).toEqual(expected);
      worst = Math.max(worst, ms);
      if (i % 4 === 1) await pause(100);
    }
    expect(started).toBeGreaterThan(1);
    expect(started).toBeLessThanOrEqual(30); // and then it lets it be
    expect(worst).toBeLessThan(1000);
    ledger.add({ what: `Worker that ${what} in the middle of a layer`, tried: 20, worstMs: worst });
    model.dispose();
  });

  it('killed at random moments of two models that run side by side: every result is what it is alone', async () => {
    console.log(`workers: FUZZ_SEED=${SEED}`);
    const random = randomNumbers(SEED);
    const inputs: Dims[] = [
      [1, 3, 64, 64],
      [2, 3, 48, 80],
      [1, 3, 96, 33],
    ];
    const models = [classifier({ device: 'wasm', threads: 3 }), classifier({ device: 'wasm', threads: 2 })];
    const alone = classifier({ device: 'wasm', threads: 1 });
    const pictures = inputs.map((dims, i) => picture(i, dims));
    const expected: Float32Array[] = [];
    for (const pixel_values of pictures) expected.push((await alone({ pixel_values })).logits.data);
    let kills = 0;
    let worst = 0;
    for (let round = 0; round < 150; round++) {
      const calls = Array.from({ length: 4 }, () => {
        const which = Math.floor(random() * pictures.length);
        const model = models[Math.floor(random() * models.length)];
        const signal = new AbortController().signal; // lets events in, and kills with them
        return timed(() => model({ pixel_values: pictures[which], signal })).then(({ ms, value }) => {
          worst = Math.max(worst, ms);
          expect(value!.logits.data).toEqual(expected[which]);
        });
      });
      const victims = [...running].filter(() => random() < 0.3);
      setTimeout(
        () => {
          for (const victim of victims) {
            kills++;
            void victim.terminate();
          }
        },
        Math.floor(random() * 10),
      );
      await Promise.all(calls);
      if (random() < 0.3) await pause(60);
    }
    expect(kills).toBeGreaterThan(0);
    expect(worst).toBeLessThan(2000);
    ledger.add({ what: 'Workers killed at random moments, two models', tried: kills, worstMs: worst, seed: SEED });
    for (const model of models) model.dispose();
  });
});

describe('the same bits', () => {
  const ENGINES: [string, ModelOptions][] = [
    ...[1, 2, 3, 7].flatMap((threads): [string, ModelOptions][] =>
      (['fast', 'low'] as const).map((memory) => [
        `wasm, ${threads} threads, ${memory}`,
        { device: 'wasm', threads, memory },
      ]),
    ),
  ];
  const DIMS: Dims[] = [
    [1, 3, 32, 32],
    [3, 3, 57, 41],
    [1, 3, 1, 1],
    [1, 3, 2, 223],
    [2, 3, 160, 96],
  ];

  it.each(ENGINES)('%s: as one thread has, for every shape, output stride and overlap', async (name, options) => {
    for (const config of [{}, { tf_padding: false, output_stride: 8 }]) {
      const alone = classifier({ device: 'wasm', threads: 1 }, config);
      const model = classifier(options, config);
      await model({ pixel_values: picture(0) });
      await model({ pixel_values: picture(0) });
      await pause(150); // threads join
      const pictures = DIMS.map((dims, i) => picture(i, dims));
      const expected = [];
      for (const pixel_values of pictures) expected.push((await alone({ pixel_values })).logits.data);
      const overlapping = Array.from({ length: 16 }, (_, i) => i % pictures.length);
      const results = await Promise.all(overlapping.map((i) => model({ pixel_values: pictures[i] })));
      for (const [n, i] of overlapping.entries()) expect(results[n].logits.data).toEqual(expected[i]);
      ledger.add({ what: `Bits of one thread: ${name}`, tried: overlapping.length });
      model.dispose();
    }
  });

  it('K2: a result that is kept stays as it was', async () => {
    for (const options of [{ device: 'js' }, { device: 'wasm', threads: 2 }] as ModelOptions[]) {
      const model = classifier(options);
      const output = await model({ pixel_values: picture(1), output_hidden_states: true });
      const kept = [output.logits, ...output.hidden_states!];
      const before = kept.map(({ data }) => data.slice());
      for (let i = 2; i < 10; i++) await model({ pixel_values: picture(i), output_hidden_states: true });
      expect(kept.map(({ data }) => data)).toEqual(before);
      ledger.add({ what: 'Results kept over later calls', tried: kept.length });
      model.dispose();
    }
  });
});

describe('K3: dispose during a call', () => {
  it.each([
    ['wasm, 1 thread', { device: 'wasm', threads: 1 }],
    ['wasm, 3 threads', { device: 'wasm', threads: 3 }],
    ['js', { device: 'js' }],
  ] as [string, ModelOptions][])('%s: calls begun end well, later ones are DISPOSED', async (name, options) => {
    const pixel_values = picture(3, [1, 3, 96, 96]);
    const { data: expected } = (await classifier(options)({ pixel_values })).logits;
    for (let round = 0; round < 15; round++) {
      const model = classifier(options);
      await model({ pixel_values });
      const { signal } = new AbortController();
      const calls = Array.from({ length: 8 }, () => model({ pixel_values, signal }));
      await pause(round * 2);
      model.dispose();
      model.dispose();
      await expect(model({ pixel_values })).rejects.toMatchObject({ code: 'DISPOSED' });
      for (const { logits } of await Promise.all(calls)) expect(logits.data).toEqual(expected);
    }
    ledger.add({ what: `Disposed while 8 calls run, ${name}`, tried: 15 });
  });
});
