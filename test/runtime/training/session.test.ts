/** What a session promises: bits that no thread changes, groups of pictures, states that go on, errors that help. */
import { afterAll, describe, expect, it } from 'vitest';
import {
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  type ModelOptions,
  Tensor,
} from '../../../src/entries/main-node.js';
import { lossOfLabels, startTraining } from '../../../src/models/mobilenet-v2/gradients.js';
import type { Optimizer, SessionOptions, TrainingSession } from '../../../src/runtime/training/types.js';
import { waves } from '../../helpers/waves.js';

const config = new MobileNetV2Config({
  ...{ depth_multiplier: 0.1, image_size: 64, finegrained_output: false, initializer_range: 0.3, num_labels: 4 },
});
const DIMS = [5, 3, 65, 49] as const;
const PIXELS = waves(5 * 3 * 65 * 49, 0.37);
const LABELS = new Tensor('int64', [3n, 0n, 1n, -100n, 2n], [5]);
const ADAM: Optimizer = { op: 'adam', decoupled: true, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

const open: TrainingSession[] = [];
afterAll(() => {
  for (const session of open) session.dispose();
});

function start(options: SessionOptions = {}, model: ModelOptions = { threads: 1 }) {
  const own = new MobileNetV2ForImageClassification(config, { seed: 3, ...model });
  const session = startTraining(own, options);
  open.push(session);
  const lossOf = lossOfLabels(own, LABELS, DIMS[0]);
  const accumulate = () => session.accumulate(PIXELS, [...DIMS], lossOf);
  const step = async () => {
    await session.zeroGradients();
    const { loss } = await accumulate();
    await session.update(ADAM, { learningRate: 1e-3, weightDecay: 0.01 });
    return loss;
  };
  return { session, accumulate, step };
}

async function gradientsOf(session: TrainingSession): Promise<Map<string, Float32Array>> {
  const result = new Map<string, Float32Array>();
  for (const { name } of session.parameters) result.set(name, await session.gradient(name));
  return result;
}

/** The largest difference, of the largest number in all. */
function apart(a: ReadonlyMap<string, Float32Array>, b: ReadonlyMap<string, Float32Array>): number {
  let [largest, worst] = [0, 0];
  for (const [name, values] of a) {
    const others = b.get(name)!;
    for (const [i, value] of values.entries()) {
      largest = Math.max(largest, Math.abs(value));
      worst = Math.max(worst, Math.abs(value - others[i]));
    }
  }
  return worst / largest;
}

describe.each(['frozen', 'train'] as const)('batch_norm: %s', (batch_norm) => {
  it('weights have the same bits after two steps, whatever the threads', async () => {
    const states = [];
    for (const threads of [1, 2, 3]) {
      const { session, step } = start({ batch_norm }, { threads });
      await step();
      await step();
      states.push(await session.state());
    }
    expect(states[1]).toEqual(states[0]);
    expect(states[2]).toEqual(states[0]);
  });

  it('with `recompute` gradients have the same bits', async () => {
    const [plain, again] = [start({ batch_norm }), start({ batch_norm, recompute: true })];
    await plain.accumulate();
    await again.accumulate();
    expect(await gradientsOf(again.session)).toEqual(await gradientsOf(plain.session));
  });

  it('goes on from copies of weights and of what the optimizer remembers as if nothing had been', async () => {
    const whole = start({ batch_norm });
    await whole.step();
    const [state, memory] = [await whole.session.state(), await whole.session.optimizerState()];
    await whole.step();
    const other = start({ batch_norm });
    await other.session.load(state);
    await other.session.loadOptimizerState(memory);
    await other.step();
    expect(await other.session.state()).toEqual(await whole.session.state());
    expect(await other.session.optimizerState()).toEqual(await whole.session.optimizerState());
  });

  it('the loss falls', async () => {
    const { step } = start({ batch_norm });
    const first = await step();
    for (let k = 0; k < 8; k++) await step();
    expect(await step()).toBeLessThan(first);
  });
});

it('groups of pictures change rounding alone', async () => {
  const results = [];
  for (const picturesAtOnce of [1, 2, 3, 5]) {
    const { session, accumulate } = start({ picturesAtOnce });
    const { loss, logits } = await accumulate();
    results.push({ loss, logits, gradients: await gradientsOf(session) });
  }
  for (const { loss, logits, gradients } of results.slice(1)) {
    expect(loss).toBeCloseTo(results[0].loss, 5);
    expect(logits).toEqual(results[0].logits);
    expect(apart(gradients, results[0].gradients)).toBeLessThan(1e-5);
  }
});

it('batches add up', async () => {
  const { session, accumulate } = start();
  await accumulate();
  await accumulate();
  const twice = await gradientsOf(session);
  const once = start();
  await once.accumulate();
  const doubled = new Map(
    [...(await gradientsOf(once.session))].map(([name, values]) => [name, values.map((v) => 2 * v)]),
  );
  expect(apart(twice, doubled)).toBeLessThan(1e-6);
  const norm = await session.gradientNorm();
  const squares = [...twice.values()].reduce((sum, values) => values.reduce((all, v) => all + v * v, sum), 0);
  expect(norm / Math.sqrt(squares)).toBeCloseTo(1, 5);
});

it('gradients that were read take no more until they are zeroed', async () => {
  const { session, accumulate } = start();
  await accumulate();
  await session.gradientNorm();
  await expect(accumulate()).rejects.toMatchObject({ code: 'ARG', message: expect.stringContaining('zeroGradients') });
  await session.zeroGradients();
  await accumulate();
});

it.each(['frozen', 'train'] as const)(
  'forward leaves gradients alone, also those that were read: %s',
  async (batch_norm) => {
    const { session, accumulate } = start({ batch_norm });
    const { logits } = await accumulate();
    const gradients = await gradientsOf(session);
    expect((await session.forward(PIXELS, [...DIMS])).data).toEqual(logits.data);
    expect(await gradientsOf(session)).toEqual(gradients);
    const moving = 'mobilenet_v2.conv_1x1.normalization.running_mean';
    const before = (await session.state()).get(moving)!;
    await session.forward(PIXELS, [...DIMS]);
    const after = (await session.state()).get(moving)!;
    if (batch_norm === 'train') expect(after).not.toEqual(before);
    else expect(after).toEqual(before);
  },
);

it('trains what it is told to, and nothing else', async () => {
  const trainable = ['mobilenet_v2.layer.15.', 'classifier.'];
  const { session, step } = start({ trainable });
  const before = await session.state();
  await step();
  const after = await session.state();
  for (const [name, values] of after) {
    const isTrained = trainable.some((prefix) => name.startsWith(prefix)) && !name.includes('running_');
    if (isTrained) expect(values, name).not.toEqual(before.get(name));
    else expect(values, name).toEqual(before.get(name));
  }
});

it('refuses pixels and masks of another size', async () => {
  const { session } = start();
  const lossOf = () => ({ loss: 0, gradient: new Float32Array(4) });
  await expect(session.accumulate(PIXELS.subarray(1), [...DIMS], lossOf)).rejects.toMatchObject({ code: 'ARG' });
  const call = session.accumulate(PIXELS, [...DIMS], lossOf, { dropout: new Float32Array(3) });
  await expect(call).rejects.toMatchObject({ code: 'ARG', message: expect.stringContaining('dropout') });
  await expect(session.accumulate(PIXELS, [...DIMS], lossOf)).resolves.toMatchObject({ loss: 0 });
});

it('refuses prefixes of no parameter, states of other shapes, and use after dispose', async () => {
  expect(() => start({ trainable: ['head.'] })).toThrow(expect.objectContaining({ code: 'ARG' }));
  const { session } = start();
  await expect(session.load(new Map([['classifier.bias', new Float32Array(3)]]))).rejects.toMatchObject({
    code: 'SHAPE',
  });
  await expect(session.load(new Map([['classifier', new Float32Array(4)]]))).rejects.toMatchObject({ code: 'ARG' });
  await expect(session.gradient('classifier')).rejects.toMatchObject({ code: 'ARG' });
  session.dispose();
  await expect(session.gradientNorm()).rejects.toMatchObject({ code: 'DISPOSED' });
});

it('an abort ends a call, and the session can be used on', async () => {
  const { session, accumulate } = start();
  const own = AbortSignal.abort();
  const call = session.accumulate(PIXELS, [...DIMS], () => ({ loss: 0, gradient: new Float32Array(4) }), {
    signal: own,
  });
  await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  await session.zeroGradients();
  expect((await accumulate()).loss).toBeGreaterThan(0);
});
