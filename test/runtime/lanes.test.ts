/** Lanes: several lists of work at once, with the bits of one list after another; and what becomes of them when a worker dies. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { env } from '../../src/base/env.js';
import type { Platform } from '../../src/base/platform.js';
import { MobileNetV2Config, MobileNetV2ForImageClassification, Tensor } from '../../src/entries/main-node.js';
import { TRAINING_KERNELS, TRAINING_WASM_KERNELS } from '../../src/layers/backward/kernels.js';
import { lossOfLabels, startTraining } from '../../src/models/mobilenet-v2/gradients.js';
import { type LaneWork, NOTHING, type Region, type Work } from '../../src/runtime/engines/engine.js';
import { WasmEngine } from '../../src/runtime/engines/wasm/engine.js';
import { LaneTeam } from '../../src/runtime/engines/wasm/lanes.js';
import { waves } from '../helpers/waves.js';

const before = env.platform;
afterEach(() => {
  env.platform = before;
});

const usePlatform = (startWorker: NonNullable<Platform['startWorker']>): void => {
  env.platform = { ...before, startWorker };
};

const MORE = { plain: TRAINING_KERNELS, wasm: TRAINING_WASM_KERNELS, LaneTeam } as never;
const [PIXELS, CHANNELS, PICTURES] = [500, 48, 7];
const sum = { op: 'channel_sum', dtype: 'f32', pixels: PIXELS, channels: CHANNELS } as const;

/** For each picture work that adds the sums of its numbers to numbers of all, to the first of them twice. */
function picturesOn(engine: WasmEngine) {
  const floats = (length: number): Region => engine.allocate('f32', length, 'numbers');
  const totals = [floats(CHANNELS), floats(CHANNELS)];
  for (const y of totals) engine.write(y, new Float32Array(CHANNELS));
  const pictures = Array.from({ length: PICTURES }, (_, turn): LaneWork[] => {
    const x = floats(PIXELS * CHANNELS);
    engine.write(x, waves(PIXELS * CHANNELS, 0.37 + turn / 10));
    const unused = { weights: NOTHING, bias: NOTHING, multiplier: NOTHING, residual: NOTHING, other: NOTHING };
    const add = (y: Region): Work => engine.kernelFor(sum).bind(sum, { ...unused, x, y })[0];
    return [
      { work: add(totals[0]), inTurn: 'first', turn },
      { work: add(totals[1]), inTurn: 'second', turn },
      { work: add(totals[0]), inTurn: 'first', turn },
    ];
  });
  return { pictures, result: () => totals.map((y) => (engine.read(y) as Float32Array).slice()) };
}

describe.each([
  ['with workers', before.startWorker!],
  ['where workers are refused', () => Promise.reject(new Error('no workers here'))],
])('%s', (_, startWorker) => {
  it.each([2, 3, 5, 7])('%i lanes give the bits of one picture after another', async (threads) => {
    usePlatform(startWorker);
    const [alone, engine] = [1, threads].map((count) => new WasmEngine(count, 'f32', undefined, MORE));
    const wanted = picturesOn(alone);
    expect(alone.atOnce).toBeUndefined();
    const { pictures, result } = picturesOn(engine);
    const lanes = Array.from({ length: threads }, (_own, lane) =>
      pictures.filter((_works, turn) => turn % threads === lane).flat(),
    );
    const { work, free } = engine.atOnce!(lanes);
    await engine.start();
    for (let round = 0; round < 30; round++) {
      for (const own of wanted.pictures.flat()) await own.work();
      await work();
      expect(result()).toEqual(wanted.result());
      if (round % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 30)); // workers come, and sleep
    }
    free();
    engine.dispose();
  });
});

/**
 * A worker's program on a memory that stays as it is when the worker starts, until the worker itself grows it. It counts its start and
 * its lanes, and waits before it joins.
 */
const untold = (text: string) => `({ counts, ...task }) => {
  const { memory } = task;
  const { get } = Object.getOwnPropertyDescriptor(WebAssembly.Memory.prototype, 'buffer');
  const old = memory.buffer;
  let told = false;
  Object.defineProperty(memory, 'buffer', { get: () => (told ? get.call(memory) : old) });
  memory.grow = (pages) => {
    told = true;
    return WebAssembly.Memory.prototype.grow.call(memory, pages);
  };
  Atomics.store(counts, 0, 1);
  Atomics.wait(counts, 1, 0);
  return (${text.replace('lane(share', 'Atomics.add(counts, 2, 1), lane(share')})(task);
}`;

// V8 may lose the news of a growth that meets the start of a worker. The worker waited for it for ever, in a lane it had taken.
it('a worker that was not told that its memory has grown computes lanes', async () => {
  const counts = new Int32Array(new SharedArrayBuffer(12));
  usePlatform((text, task, onExit) => before.startWorker!(untold(text), { ...(task as object), counts }, onExit));
  const [alone, engine] = [1, 2].map((count) => new WasmEngine(count, 'f32', undefined, MORE));
  await engine.start();
  await vi.waitUntil(() => counts[0] === 1, { timeout: 60_000 });
  const wanted = picturesOn(alone);
  const { pictures, result } = picturesOn(engine);
  const lanes = [0, 1].map((lane) => pictures.filter((_works, turn) => turn % 2 === lane).flat());
  const { work, free } = engine.atOnce!(lanes);
  counts[1] = 1;
  Atomics.notify(counts, 1);
  while (counts[2] < 10) {
    for (const own of wanted.pictures.flat()) await own.work();
    await work();
    expect(result()).toEqual(wanted.result());
  }
  free();
  engine.dispose();
});

describe('a worker that dies', () => {
  it.each([
    ['in its lane', /\bfunctions\[program\[at\]\]/],
    ['in its part of a call', /\bfunctions\[words\[names\.FUNCTION\]\]/],
  ])('%s ends the batch, and the next one is whole', async (where, call) => {
    usePlatform((text, task, onExit) => {
      const changed = text.replace(call, '(() => { throw new Error("gone"); })');
      expect(changed).not.toBe(text);
      return before.startWorker!(changed, task, onExit);
    });
    const model = new MobileNetV2ForImageClassification(
      new MobileNetV2Config({ depth_multiplier: 0.1, image_size: 64, finegrained_output: false, num_labels: 4 }),
      { seed: 3, threads: 2 },
    );
    const session = startTraining(model, { batch_norm: where === 'in its lane' ? 'frozen' : 'train' });
    const lossOf = lossOfLabels(model, new Tensor('int32', Int32Array.of(0, 1, 2, 3), [4]), 4);
    const pixels = waves(4 * 3 * 64 * 64, 0.37);
    const batch = () => session.accumulate(pixels, [4, 3, 64, 64], lossOf);
    const died = async () => {
      for (let i = 0; i < 50; i++) await batch(); // workers take part as soon as they are there
    };
    await expect(died()).rejects.toMatchObject({ code: 'OUT_OF_MEMORY', message: expect.stringContaining('thread') });

    env.platform = before;
    await session.zeroGradients();
    const { loss } = await batch();
    expect(loss).toBeGreaterThan(0);
    expect(await session.gradientNorm()).toBeGreaterThan(0);
    session.dispose();
    model.dispose();
  });
});
