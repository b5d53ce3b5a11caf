/** Lanes: several lists of work at once, with the bits of one list after another; and what becomes of them when a worker dies. */
import { afterEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import type { Platform } from '../../src/base/platform.js';
import { MobileNetV2Config, MobileNetV2ForImageClassification, Tensor } from '../../src/entries/main-node.js';
import { TRAINING_KERNELS, TRAINING_WASM_KERNELS } from '../../src/layers/backward/kernels.js';
import { lossOfLabels, startTraining } from '../../src/models/mobilenet-v2/gradients.js';
import { NOTHING, type Region, type Work } from '../../src/runtime/engines/engine.js';
import { WasmEngine } from '../../src/runtime/engines/wasm/engine.js';
import { bindLanes, computeLane } from '../../src/runtime/engines/wasm/lanes.js';
import { waves } from '../helpers/waves.js';

const before = env.platform;
afterEach(() => {
  env.platform = before;
});

const usePlatform = (startWorker: NonNullable<Platform['startWorker']>): void => {
  env.platform = { ...before, startWorker };
};

const MORE = { plain: TRAINING_KERNELS, wasm: TRAINING_WASM_KERNELS, lanes: { bindLanes, computeLane } } as never;
const [PIXELS, CHANNELS, LANES] = [500, 48, 5];
const sum = { op: 'channel_sum', dtype: 'f32', pixels: PIXELS, channels: CHANNELS } as const;

/** Each lane adds the sums of its own numbers to numbers of all, twice; between them is work of the main thread. */
function lanesOn(engine: WasmEngine) {
  const floats = (length: number): Region => engine.allocate('f32', length, 'numbers');
  const totals = [floats(CHANNELS), floats(CHANNELS)];
  for (const y of totals) engine.write(y, new Float32Array(CHANNELS));
  const order: number[] = [];
  const lanes = Array.from({ length: LANES }, (_, lane) => {
    const x = floats(PIXELS * CHANNELS);
    engine.write(x, waves(PIXELS * CHANNELS, 0.37 + lane / 10));
    const unused = { weights: NOTHING, bias: NOTHING, multiplier: NOTHING, residual: NOTHING, other: NOTHING };
    const add = (y: Region): Work => engine.kernelFor(sum).bind(sum, { ...unused, x, y })[0];
    const between: Work = () => {
      order.push(lane);
    };
    return [
      { work: add(totals[0]), inTurn: 'first' },
      { work: between, inTurn: undefined },
      { work: add(totals[1]), inTurn: 'second' },
      { work: add(totals[0]), inTurn: 'first' },
    ];
  });
  return { lanes, order, result: () => totals.map((y) => (engine.read(y) as Float32Array).slice()) };
}

describe.each([
  ['with workers', before.startWorker!],
  ['where workers are refused', () => Promise.reject(new Error('no workers here'))],
])('%s', (_, startWorker) => {
  it.each([2, 3, 5])('lanes of %i threads give the bits of one after another', async (threads) => {
    usePlatform(startWorker);
    const [alone, engine] = [
      new WasmEngine(1, 'f32', undefined, MORE),
      new WasmEngine(threads, 'f32', undefined, MORE),
    ];
    const wanted = lanesOn(alone);
    // What comes before the main thread's work is done for all lanes first.
    for (const part of [
      [0, 1],
      [2, 3],
    ])
      for (const lane of wanted.lanes) for (const i of part) await lane[i].work();
    expect(alone.atOnce).toBeUndefined();

    const { lanes, order, result } = lanesOn(engine);
    await engine.start();
    const { works, free } = engine.atOnce!(lanes);
    expect(works).toHaveLength(2 + LANES);
    for (const work of works) await work();
    expect(order).toEqual(lanes.map((_own, lane) => lane));
    expect(result()).toEqual(wanted.result());
    // Again, with tickets that start anew.
    for (const work of works) await work();
    expect(result()[1]).not.toEqual(wanted.result()[1]);
    free();
    engine.dispose();
  });
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
