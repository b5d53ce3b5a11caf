/** `model.gradients`: what it gives, what it leaves alone, and what it refuses. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2Model,
  Tensor,
} from '../../src/entries/main-node.js';
import { Trainer } from '../../src/entries/train.js';
import { Session } from '../../src/runtime/training/session.js';
import { formulaTensor } from '../helpers/formula.js';
import { quantizedConfig, quantizedState } from '../helpers/quantized-models.js';
import { randomNumbers } from '../helpers/random.js';
import { waves } from '../helpers/waves.js';

const SMALL = { depth_multiplier: 0.1, image_size: 32, finegrained_output: false, initializer_range: 0.3 };
const classifier = (options: ConstructorParameters<typeof MobileNetV2Config>[0] = {}) =>
  new MobileNetV2ForImageClassification(new MobileNetV2Config({ ...SMALL, num_labels: 3, ...options }), {
    seed: 1,
    threads: 1,
  });
const DIMS = [2, 3, 33, 40];
const pixel_values = new Tensor('float32', waves(2 * 3 * 33 * 40, 0.41), DIMS);
const labels = new Tensor('int64', [2n, 0n], [2]);

describe('model.gradients', () => {
  it('gives the loss and the logits of a call, and gradients in the shapes of the parameters', async () => {
    const model = classifier();
    const { loss, logits, gradients, pixel_values: none } = await model.gradients({ pixel_values, labels });
    const output = await model({ pixel_values, labels });
    expect(loss).toBeCloseTo(output.loss!, 5);
    for (const [i, value] of output.logits.data.entries()) expect(logits.data[i]).toBeCloseTo(value, 4);
    expect(none).toBeUndefined();
    const trained = [...model.state_dict()].filter(([name]) => !/running_|num_batches/.test(name));
    expect([...gradients.keys()].sort()).toEqual(trained.map(([name]) => name).sort());
    for (const [name, { dims }] of trained) expect(gradients.get(name)!.dims).toEqual(dims);
  });

  it('has no part in the loss left out: it is that of a segmentation', async () => {
    const config = new MobileNetV2Config({ ...SMALL, num_labels: 3, output_stride: 16 });
    const model = new MobileNetV2ForSemanticSegmentation(config, { seed: 2, threads: 1 });
    const masks = new Tensor(
      'int64',
      BigInt64Array.from({ length: 2 * 20 * 30 }, (_, i) => BigInt(i % 4 === 3 ? 255 : i % 4)),
      [2, 20, 30],
    );
    const { loss, gradients } = await model.gradients({ pixel_values, labels: masks });
    expect(loss).toBeCloseTo((await model({ pixel_values, labels: masks })).loss!, 4);
    expect(gradients.has('segmentation_head.conv_pool.convolution.weight')).toBe(true);
    expect([...gradients.keys()].some((name) => name.includes('conv_1x1.'))).toBe(false);
  });

  it('leaves the model as it is, and sees weights that were replaced', async () => {
    const model = classifier();
    const before = new Map([...model.state_dict()].map(([name, { data }]) => [name, data.slice()]));
    const first = await model.gradients({ pixel_values, labels }, { batch_norm: 'train' });
    for (const [name, { data }] of model.state_dict()) expect(data, name).toEqual(before.get(name));
    expect((await model.gradients({ pixel_values, labels }, { batch_norm: 'train' })).gradients).toEqual(
      first.gradients,
    );
    const weight = model.state_dict().get('classifier.weight')! as Tensor<'float32'>;
    model.load_state_dict(
      {
        'classifier.weight': new Tensor(
          'float32',
          weight.data.map((v) => 2 * v),
          weight.dims,
        ),
      },
      { strict: false },
    );
    expect((await model.gradients({ pixel_values, labels }, { batch_norm: 'train' })).loss).not.toBeCloseTo(
      first.loss,
      3,
    );
  });

  it('calls side by side do not disturb each other', async () => {
    const model = classifier();
    const other = new Tensor('int64', [1n, 1n], [2]);
    const alone = [
      await model.gradients({ pixel_values, labels }),
      await model.gradients({ pixel_values, labels: other }),
    ];
    const together = await Promise.all(
      [labels, other, labels].map((own) => model.gradients({ pixel_values, labels: own })),
    );
    expect(together[0]).toEqual(alone[0]);
    expect(together[1]).toEqual(alone[1]);
    expect(together[2]).toEqual(alone[0]);
  });

  it('a loss of one’s own: the logit of a class, which moves as the gradient of the picture says', async () => {
    const model = classifier();
    const loss = ({ data, dims }: Tensor<'float32'>) => {
      const gradient = new Float32Array(data.length);
      for (let n = 0; n < dims[0]; n++) gradient[n * 3 + 1] = 1;
      return { loss: data.reduce((sum, value, i) => sum + (i % 3 === 1 ? value : 0), 0), gradient };
    };
    const own = await model.gradients({ pixel_values }, { loss, trainable: [], pixelGradient: true });
    expect(own.gradients.size).toBe(0);
    expect(own.pixel_values!.dims).toEqual(DIMS);
    const { data } = own.pixel_values!;
    const slope = data.reduce((sum, value) => sum + value * value, 0);
    const length = 1e-3 / Math.sqrt(slope);
    const at = async (sign: number) => {
      const moved = pixel_values.data.map((value, i) => value + sign * length * data[i]);
      return (
        await model.gradients(
          { pixel_values: new Tensor('float32', moved, DIMS) },
          { loss, trainable: [], pixelGradient: true },
        )
      ).loss;
    };
    expect(((await at(1)) - (await at(-1))) / (2 * length * slope)).toBeCloseTo(1, 1);
  });

  it('label_smoothing and classWeights count as in PyTorch', async () => {
    const model = classifier();
    const plain = (await model.gradients({ pixel_values, labels })).loss;
    const logits = (await model({ pixel_values })).logits.data;
    const nll = (n: number, k: number) =>
      Math.log([0, 1, 2].reduce((sum, j) => sum + Math.exp(logits[3 * n + j]), 0)) - logits[3 * n + k];
    expect(plain).toBeCloseTo((nll(0, 2) + nll(1, 0)) / 2, 4);
    const weighted = await model.gradients({ pixel_values, labels }, { classWeights: [3, 1, 0.5] });
    expect(weighted.loss).toBeCloseTo((0.5 * nll(0, 2) + 3 * nll(1, 0)) / 3.5, 4);
    const smoothed = await model.gradients({ pixel_values, labels }, { label_smoothing: 0.3 });
    const mean = [0, 1].reduce((sum, n) => sum + [0, 1, 2].reduce((all, k) => all + nll(n, k), 0) / 3, 0) / 2;
    expect(smoothed.loss).toBeCloseTo(0.7 * plain + 0.3 * mean, 4);
  });
});

describe('model.gradients refuses', () => {
  const model = classifier();
  const refused = async (call: Promise<unknown>, code: string, part: string) =>
    expect(call).rejects.toMatchObject({ code, message: expect.stringContaining(part) });

  it.each([
    [{ learningRate: 1 }, 'unknown option'],
    [{ batch_norm: 'eval' }, "'frozen' or 'train'"],
    [{ trainable: 'classifier' }, 'list of prefixes'],
    [{ trainable: ['clasifier.'] }, "no parameter's name begins with"],
    [{ trainable: [] }, 'nothing is asked for'],
    [{ label_smoothing: 2 }, 'from 0 to 1'],
    [{ classWeights: [1, 2] }, '3 numbers'],
    [{ dropout: new Tensor('float32', new Float32Array(3), [3]) }, 'dropout'],
    [{ loss: 1 }, 'a function of logits'],
  ])('%o', async (options, part) => {
    await refused(model.gradients({ pixel_values, labels }, options as never), 'ARG', part);
  });

  it('labels that are missing, of another shape, or of a class that there is not', async () => {
    await refused(model.gradients({ pixel_values }), 'ARG', 'labels, or a loss');
    await refused(model.gradients({ pixel_values, labels: new Tensor('int64', [1n], [1]) }), 'ARG', '2 class indices');
    await refused(
      model.gradients({ pixel_values, labels: new Tensor('int64', [1n, 7n], [2]) }),
      'ARG',
      'class 7 of image 1',
    );
  });

  it('a batch norm that would see one value, with advice', async () => {
    const one = new Tensor('float32', new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
    const call = model.gradients(
      { pixel_values: one, labels: new Tensor('int64', [1n], [1]) },
      { batch_norm: 'train' },
    );
    await refused(call, 'ARG', "batch_norm: 'frozen'");
  });

  it('a model without a head, and one that was disposed', async () => {
    const base = new MobileNetV2Model(new MobileNetV2Config(SMALL));
    await refused(base.gradients({ pixel_values, labels }), 'UNSUPPORTED', 'without a head');
    const gone = classifier();
    gone.dispose();
    await refused(gone.gradients({ pixel_values, labels }), 'DISPOSED', 'disposed');
  });

  it('a quantized model, as a trainer does', async () => {
    const config = quantizedConfig('int8');
    const whole = new MobileNetV2ForImageClassification(config, {
      state: quantizedState(config, 'classify', 'int8', 3),
    });
    const says = 'model: it is int8, and whole numbers have no gradients; train the float network';
    await refused(whole.gradients({ pixel_values, labels }), 'UNSUPPORTED', says);
    expect(() => new Trainer({ model: whole })).toThrow(says);
  });
});

describe('the memory of gradients', () => {
  it.each(['dispose', 'ten idle seconds', 'other weights'])('is given back: %s', async (how) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const [used, ended] = (['accumulate', 'dispose'] as const).map((name) => vi.spyOn(Session.prototype, name));
    onTestFinished(() => [used, ended].forEach((spy) => void spy.mockRestore()));
    // Those of tests before may end meanwhile.
    const given = () => ended.mock.contexts.filter((session) => used.mock.contexts.includes(session)).length;
    const model = classifier();
    for (const _ of [1, 2, 3]) {
      await model.gradients({ pixel_values, labels });
      await vi.advanceTimersByTimeAsync(9_000);
      expect(given()).toBe(0);
    }
    if (how === 'dispose') model.dispose();
    else if (how === 'ten idle seconds') await vi.advanceTimersByTimeAsync(1_000);
    else {
      model.load_state_dict(classifier().state_dict() as Map<string, Tensor>);
      await model.gradients({ pixel_values, labels });
    }
    await Promise.resolve();
    expect(given()).toBe(1);
    if (how === 'dispose') return;
    const { loss } = await model.gradients({ pixel_values, labels });
    expect(loss).toBeCloseTo((await model({ pixel_values, labels })).loss!, 5);
    expect(given()).toBe(1);
  });
});

/** What the loss does when every parameter moves a little along a direction is what the gradients say: the mean of many. */
const RUNS = Number(process.env.GRADIENT_RUNS ?? 4);
describe('differences of the loss', () => {
  const next = randomNumbers(11);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)];

  it.each(Array.from({ length: RUNS }, (_, run) => run))('random configuration %i', async () => {
    // Smooth activations: a difference over a kink is no derivative.
    const fields = {
      hidden_act: pick(['silu', 'gelu', 'mish', 'tanh']),
      output_stride: pick([8, 16, 32]),
      tf_padding: pick([true, false]),
      depth_divisible_by: pick([1, 4, 8]),
      expand_ratio: pick([1, 2.5, 6]),
      first_layer_is_expansion: pick([true, false]),
      num_channels: pick([1, 3]),
    };
    const segments = pick([true, false]);
    // A norm of the head sees one value a picture: of two it would make -1 and 1.
    const batch = pick(segments ? [4, 5] : [2, 3]);
    const [height, width] = [pick([33, 40, 47]), pick([32, 35, 48])];
    const config = new MobileNetV2Config({ ...SMALL, min_depth: 4, num_labels: 3, ...fields });
    const Model = segments ? MobileNetV2ForSemanticSegmentation : MobileNetV2ForImageClassification;
    const own = new Model(config, { device: 'reference' });
    // A new network has biases of 0, where the head's ReLUs have no derivative.
    const formula = [...own.state_dict()].filter(([, { type }]) => type === 'float32');
    own.load_state_dict(
      new Map(formula.map(([name, { dims }]) => [name, new Tensor('float32', formulaTensor(name, dims), dims)])),
      { strict: false },
    );
    const dims = [batch, fields.num_channels, height, width];
    const pixels = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => 2 * next() - 1);
    const targets = segments ? [batch, 9, 11] : [batch];
    const classes = BigInt64Array.from({ length: targets.reduce((a, b) => a * b) }, () => BigInt(pick([0, 1, 2])));
    const given = { labels: new Tensor('int64', classes, targets) };
    const options = { batch_norm: pick(['frozen', 'train'] as const), pixelGradient: true };
    const lossAt = async (values: Float32Array) =>
      own.gradients({ ...given, pixel_values: new Tensor('float32', values, dims) }, options);
    const { pixel_values: slope, gradients } = await lossAt(pixels);
    const start = own.state_dict();
    const squares = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
    const all = squares(slope!.data) + [...gradients.values()].reduce((sum, { data }) => sum + squares(data), 0);
    // Along the gradient itself the loss changes by the square of its norm; in float32 to some parts in a hundred.
    const along = async (step: number) => {
      const moved = new Map(
        [...start].map(([name, tensor]) => {
          const gradient = gradients.get(name);
          if (gradient === undefined) return [name, tensor] as const;
          const data = (tensor.data as Float32Array).map((value, i) => value + step * gradient.data[i]);
          return [name, new Tensor('float32', data, tensor.dims)] as const;
        }),
      );
      own.load_state_dict(moved);
      return (await lossAt(pixels.map((value, i) => value + step * slope!.data[i]))).loss;
    };
    const slopeOver = async (step: number) => ((await along(step)) - (await along(-step))) / (2 * step * all);
    // Two differences, whose errors are as 4 to 1. A step moves everything by 0.001, and the loss by 0.002 at most.
    const step = Math.min(1e-3 / Math.sqrt(all), 2e-3 / all);
    // The head's ReLUs have kinks all the same: one of three sizes must do.
    const errors = [];
    for (const size of [step, step / 4, step * 4]) {
      errors.push(Math.abs((4 * (await slopeOver(size / 2)) - (await slopeOver(size))) / 3 - 1));
      if (errors.at(-1)! < 0.05) break;
    }
    expect(Math.min(...errors), JSON.stringify({ ...fields, segments, ...options })).toBeLessThan(0.05);
  });
});
