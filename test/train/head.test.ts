/** The last layer by itself, against PyTorch (test/goldens/train/make.py): loss, norm of the gradients, rate, and the weights after 5 steps. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MobileNetV2Config, Tensor } from '../../src/entries/main-node.js';
import { lossOfLabels, startTraining } from '../../src/models/mobilenet-v2/gradients.js';
import type { TrainingSession } from '../../src/runtime/training/types.js';
import { checkOptimizerOptions, memoryNames, type OptimizerName, optimizerOf } from '../../src/train/optimizers.js';
import { scheduleOf } from '../../src/train/schedules.js';
import { formulaTensor } from '../helpers/formula.js';

interface Case {
  optim: OptimizerName;
  weight_decay: number;
  clip: number;
  smoothing: number;
  weights: number[] | null;
  dropout: number;
  rows: { loss: number; grad_norm: number; lr: number }[];
  weight: number[];
  bias: number[];
}
const { classes, channels, batch, learning_rate, steps, cases } = JSON.parse(
  readFileSync(new URL('../goldens/train/head.json', import.meta.url), 'utf8'),
) as { classes: number; channels: number; batch: number; learning_rate: number; steps: number; cases: Case[] };

const OPTIONS = {
  adamw_torch: '',
  adam: '',
  sgd: 'momentum=0.9, nesterov=true',
  rmsprop: 'alpha=0.9,momentum=0.9,eps=1.',
};
const ADAM = { adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8 };

const config = new MobileNetV2Config({ num_labels: classes });
const graph = {
  inChannels: channels,
  nodes: [
    {
      ...{
        op: 'linear' as const,
        name: 'classifier',
        input: 'pixel_values',
        inChannels: channels,
        outChannels: classes,
      },
      ...{ weight: 'classifier.weight', bias: 'classifier.bias' },
    },
  ],
  outputs: new Map([['logits', 'classifier']]),
};
const freshHead = (device: 'wasm' | 'js' | 'reference' = 'wasm') =>
  startTraining(
    {
      ...{ config, graph, device, engineOptions: { threads: 1 } },
      state_dict: () =>
        new Map([
          ['classifier.weight', tensorOf('classifier.weight', [classes, channels])],
          ['classifier.bias', tensorOf('classifier.bias', [classes])],
        ]),
    },
    { picturesAtOnce: batch },
  );
const tensorOf = (name: string, dims: number[]) => new Tensor('float32', formulaTensor(name, dims), dims);

/** Runs some of the steps. Gives what PyTorch's rows have. */
async function train(session: TrainingSession, golden: Case, from: number, to: number) {
  const { optim, weight_decay: weightDecay, clip, smoothing, weights, dropout } = golden;
  const options = OPTIONS[optim as keyof typeof OPTIONS];
  const optimizer = optimizerOf(optim, ADAM, checkOptimizerOptions(optim, options === '' ? {} : options));
  const schedule = scheduleOf('linear', { learning_rate, warmup: 1, steps, stepsPerEpoch: 1 });
  const rows = [];
  for (let step = from; step < to; step++) {
    const x = formulaTensor(`features.${step}`, [batch, channels]);
    const mask = formulaTensor(`dropout.${step}`, [batch, channels]).map((v) => (v > -0.5 ? 1 / (1 - dropout) : 0));
    const labels = Int32Array.from({ length: batch }, (_, n) => (3 * step + 2 * n) % classes);
    const how = { label_smoothing: smoothing, classWeights: weights ?? undefined };
    const lossOf = lossOfLabels({ graph, config }, new Tensor('int32', labels, [batch]), batch, how);
    await session.zeroGradients();
    const factors = dropout > 0 ? { dropout: mask } : {};
    const { loss } = await session.accumulate(x, [batch, channels, 1, 1], lossOf, factors);
    const grad_norm = await session.gradientNorm();
    const gradientScale = clip > 0 ? Math.min(1, clip / (grad_norm + 1e-6)) : 1;
    const lr = learning_rate * schedule(step);
    await session.update(optimizer, { learningRate: lr, weightDecay, gradientScale, decayed: 'matrices' });
    rows.push({ loss, grad_norm, lr });
  }
  return rows;
}

describe('the head takes PyTorch’s steps', () => {
  it.each(cases)('$optim, decay $weight_decay, clip $clip, smoothing $smoothing, dropout $dropout', async (golden) => {
    const session = freshHead();
    const rows = await train(session, golden, 0, steps);
    for (const [step, row] of rows.entries()) {
      for (const [name, value] of Object.entries(golden.rows[step]))
        expect(row[name as keyof typeof row], `${name} of step ${step}`).toBeCloseTo(value, 4);
    }
    const state = await session.state();
    const deviation = (name: string, wanted: number[]) =>
      Math.max(...wanted.map((value, i) => Math.abs(state.get(name)![i] - value)));
    expect(deviation('classifier.weight', golden.weight)).toBeLessThan(2e-6);
    expect(deviation('classifier.bias', golden.bias)).toBeLessThan(2e-6);
  });

  it.each(cases)('and goes on with $optim to the bit', async (golden) => {
    const whole = freshHead();
    await train(whole, golden, 0, steps);
    const first = freshHead();
    await train(first, golden, 0, 2);
    const second = freshHead();
    await second.load(await first.state());
    const kept = await first.optimizerState();
    const optimizer = optimizerOf(golden.optim, ADAM, golden.optim === 'sgd' ? { momentum: 0.9 } : {});
    if (golden.optim.startsWith('adam')) {
      expect(kept.memory.get('classifier.weight')).toHaveLength(memoryNames(optimizer).length);
    }
    await second.loadOptimizerState(kept);
    await train(second, golden, 2, steps);
    expect(await second.state()).toEqual(await whole.state());
  });
});
