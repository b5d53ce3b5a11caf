/** The models' own behaviour: what is fused, what is computed, what is refused. Numbers are in goldens.test.ts. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MobileNetError } from '../../src/base/errors.js';
import { MobileNetV2Model } from '../../src/models/mobilenet-v2/base-model.js';
import { MobileNetV2Config, type MobileNetV2ConfigOptions } from '../../src/models/mobilenet-v2/config.js';
import { MobileNetV2ForImageClassification } from '../../src/models/mobilenet-v2/image-classification.js';
import { MobileNetV2ForSemanticSegmentation } from '../../src/models/mobilenet-v2/semantic-segmentation.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { byAnUlp, expectAsClose, expectClose } from '../helpers/close.js';
import { picture, waves } from '../helpers/waves.js';

const SMALL = { depth_multiplier: 0.1, depth_divisible_by: 4, min_depth: 4, num_labels: 5 } as const;
/** Weights large enough to keep signals alive through 50 layers. */
const LIVELY = { ...SMALL, initializer_range: 0.5 };

async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    expect(error, String(error)).toBeInstanceOf(MobileNetError);
    return (error as MobileNetError).code;
  }
  return 'nothing thrown';
}

/** A state whose batch norms are not the identity, so that folding has something to fold. */
function unsettle(
  model: MobileNetV2Model | MobileNetV2ForImageClassification | MobileNetV2ForSemanticSegmentation,
): void {
  for (const [name, { data }] of model.state_dict()) {
    const values = data as Float32Array;
    if (name.endsWith('running_var')) for (let i = 0; i < values.length; i++) values[i] = 0.5 + (i % 7) / 7;
    if (name.endsWith('running_mean') || name.endsWith('.bias')) {
      for (let i = 0; i < values.length; i++) values[i] = ((i % 5) - 2) / 10;
    }
  }
}

describe('folding and fusing', () => {
  const config = fc.record({
    depth_multiplier: fc.constantFrom(0.1, 0.25, 0.35),
    depth_divisible_by: fc.constantFrom(1, 3, 4, 8),
    min_depth: fc.constantFrom(1, 4, 8),
    expand_ratio: fc.constantFrom(1, 2.5, 6),
    output_stride: fc.constantFrom(2, 4, 8, 16, 32),
    first_layer_is_expansion: fc.boolean(),
    finegrained_output: fc.constant(false),
    tf_padding: fc.boolean(),
    num_channels: fc.constantFrom(1, 2, 3),
    hidden_act: fc.constantFrom('relu6', 'relu', 'gelu', 'silu', 'linear'),
    num_labels: fc.constantFrom(2, 5),
  });
  const size = fc.integer({ min: 1, max: 40 });

  it.each([
    ['classification', MobileNetV2ForImageClassification],
    ['segmentation', MobileNetV2ForSemanticSegmentation],
  ] as const)('%s: the fused js engine equals the network as it is drawn', async (_, Model) => {
    await fc.assert(
      fc.asyncProperty(config, size, size, fc.constantFrom(1, 2), async (options, height, width, batch) => {
        const full = new MobileNetV2Config({ ...options, initializer_range: 0.3 });
        const drawn = new Model(full, { device: 'reference', seed: 3 });
        unsettle(drawn);
        const fused = new Model(full, { device: 'js', seed: 3 });
        fused.load_state_dict(drawn.state_dict());
        const inputs = {
          pixel_values: picture(1, [batch, full.num_channels, height, width]),
          output_hidden_states: true,
        };
        const expected = await drawn(inputs);
        const shaken = await drawn({ ...inputs, pixel_values: byAnUlp(inputs.pixel_values) });
        const actual = await fused(inputs);
        expectAsClose(actual.logits, shaken.logits, expected.logits);
        for (let i = 0; i < 16; i++) {
          expectAsClose(actual.hidden_states![i], shaken.hidden_states![i], expected.hidden_states![i]);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('the plan of the last call keeps its arena, however many others are looked at meanwhile', async () => {
    const model = new MobileNetV2ForImageClassification(new MobileNetV2Config({ depth_multiplier: 0.35 }));
    const data = waves(3 * 32 * 32);
    const running = model({ pixel_values: new Tensor('float32', data, [1, 3, 32, 32]) });
    await Promise.resolve();
    const plan = model.plan([1, 3, 32, 32]);
    for (const size of [40, 48, 56, 64, 72]) model.plan([1, 3, size, size]);
    expect(model.plan([1, 3, 32, 32])).toBe(plan);
    await running;
  });

  it('a segmentation plan has no resize, no concatenation and no conv_1x1', () => {
    const model = new MobileNetV2ForSemanticSegmentation(new MobileNetV2Config(SMALL), { device: 'js' });
    const plan = model.plan([1, 3, 65, 65]);
    expect(plan.steps.map(({ spec }) => spec.op)).not.toContain('resize_bilinear');
    expect(plan.steps.map(({ spec }) => spec.op)).not.toContain('concat');
    expect(plan.steps.map(({ name }) => name)).not.toContain('conv_1x1');
    expect(plan.steps.at(-2)!.name).toBe('segmentation_head.conv_projection');
  });

  it('the 1.0-224 network is the 300 M multiply-adds of the paper, in 54 fused steps', () => {
    const model = new MobileNetV2ForImageClassification(new MobileNetV2Config({ num_labels: 1001 }), { device: 'js' });
    const plan = model.plan([1, 3, 224, 224]);
    expect(plan.multiplyAdds / 1e6).toBeCloseTo(300.8, 1);
    expect(plan.steps.length).toBe(54);
    // The largest pair alive at once is layer.0's expanded map and its filtered half: 96·(112² + 56²) floats.
    expect(plan.arenaBytes).toBe(96 * (112 * 112 + 56 * 56) * 4);
  });
});

describe('hidden states', () => {
  it('are all sixteen, or those asked for in that order', async () => {
    const model = new MobileNetV2Model(new MobileNetV2Config(LIVELY), { device: 'js' });
    const pixel_values = picture(1, [1, 3, 48, 40]);
    const { hidden_states: all } = await model({ pixel_values, output_hidden_states: true });
    expect(all!.length).toBe(16);
    const { hidden_states: some } = await model({ pixel_values, output_hidden_states: [9, 2] });
    expect(some).toEqual([all![9], all![2]]);
    const { hidden_states: none } = await model({ pixel_values });
    expect(none).toBeUndefined();
    expect(await model.hidden_states(pixel_values, [9, 2, 9])).toEqual([all![9], all![2], all![9]]);
    expect(await model.hidden_states(pixel_values, true)).toEqual(all);
  });

  it('alone need no step after the last of them', () => {
    const model = new MobileNetV2Model(new MobileNetV2Config(SMALL), { device: 'js' });
    const stepsOf = (output_hidden_states: boolean | number[], hiddenStatesOnly = false) =>
      model.plan([1, 3, 32, 32], { output_hidden_states, hiddenStatesOnly }).steps.map(({ name }) => name);
    // Three of the stem, three a block; after the blocks conv_1x1 and the pooling.
    expect(stepsOf(false)).toHaveLength(3 + 16 * 3 + 2);
    expect(stepsOf([9])).toHaveLength(3 + 16 * 3 + 2);
    expect(stepsOf([9, 2], true)).toHaveLength(3 + 10 * 3);
    expect(stepsOf([9], true).at(-1)).toBe('layer.9.reduce_1x1');
    expect(stepsOf([0], true)).toHaveLength(3 + 3);
  });

  it('are planned where the configuration asks for them, and a misspelt option is refused', async () => {
    const asks = new MobileNetV2Model(new MobileNetV2Config({ ...SMALL, output_hidden_states: true }), {
      device: 'js',
    });
    expect(asks.plan([1, 3, 32, 32]).outputs).toHaveLength(2 + 16);
    expect(asks.plan([1, 3, 32, 32], { output_hidden_states: false }).outputs).toHaveLength(2);
    for (const options of [{ hidden_states_alone: true }, [9], true]) {
      expect(await codeOf(() => asks.plan([1, 3, 32, 32], options as never))).toBe('ARG');
    }
  });

  it.each([[[]], [false as never], [undefined as never], [[16]]])('alone refuses %j', async (which) => {
    const model = new MobileNetV2Model(new MobileNetV2Config(SMALL));
    expect(await codeOf(() => model.hidden_states(picture(1, [1, 3, 32, 32]), which))).toBe('ARG');
    expect(
      await codeOf(() => model.plan([1, 3, 32, 32], { output_hidden_states: which, hiddenStatesOnly: true })),
    ).toBe('ARG');
  });

  it.each([[[16]], [[-1]], [[1.5]], ['all' as never]])('refuses %j', async (output_hidden_states) => {
    const model = new MobileNetV2Model(new MobileNetV2Config(SMALL));
    expect(await codeOf(() => model({ pixel_values: picture(1, [1, 3, 32, 32]), output_hidden_states }))).toBe('ARG');
  });
});

describe('pooling', () => {
  it('7×7 at 224 is the global one as a grid of one, and slides over larger inputs', async () => {
    const config = new MobileNetV2Config(LIVELY);
    const global = new MobileNetV2ForImageClassification(config, { seed: 5 });
    const sliding = new MobileNetV2ForImageClassification(config, { seed: 5, pool: '7x7' });
    const pixel_values = picture(1, [1, 3, 224, 224]);
    const one = (await sliding({ pixel_values })).logits;
    expect(one.dims).toEqual([1, 5, 1, 1]);
    expectClose(one.view(1, 5), (await global({ pixel_values })).logits);
    const grid = (await sliding({ pixel_values: picture(1, [1, 3, 288, 256]) })).logits;
    expect(grid.dims).toEqual([1, 5, 3, 2]);
  });

  it('a base model without pooling has no pooler_output', async () => {
    const model = new MobileNetV2Model(new MobileNetV2Config(SMALL), { add_pooling_layer: false });
    const output = await model({ pixel_values: picture(1, [2, 3, 33, 47]) });
    expect(Object.keys(output)).toEqual(['last_hidden_state']);
    expect(output.last_hidden_state.dims).toEqual([2, 1280, 2, 2]);
  });
});

describe('random initialisation', () => {
  it('depends on the seed alone and has the deviation asked for', () => {
    const config = new MobileNetV2Config({ num_labels: 10 });
    const a = new MobileNetV2ForImageClassification(config, { seed: 7 }).state_dict();
    const b = new MobileNetV2ForImageClassification(config, { seed: 7 }).state_dict();
    const c = new MobileNetV2ForImageClassification(config, { seed: 8 }).state_dict();
    const name = 'mobilenet_v2.conv_1x1.convolution.weight';
    expect(a.get(name)).toEqual(b.get(name));
    expect(a.get(name)).not.toEqual(c.get(name));
    const values = a.get(name)!.data as Float32Array;
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    expect(Math.abs(mean)).toBeLessThan(1e-3);
    expect(Math.abs(deviation / 0.02 - 1)).toBeLessThan(0.01);
    expect(a.get('mobilenet_v2.conv_1x1.normalization.running_var')!.data.every((v) => v === 1)).toBe(true);
    expect(a.get('classifier.bias')!.data.every((v) => v === 0)).toBe(true);
    expect(a.get('mobilenet_v2.conv_1x1.normalization.num_batches_tracked')).toEqual(new Tensor('int64', [0n], []));
  });
});

describe('state', () => {
  const config = new MobileNetV2Config(SMALL);

  it('goes from a classifier into a base model and back', async () => {
    const classifier = new MobileNetV2ForImageClassification(config, { seed: 1 });
    const base = new MobileNetV2Model(config, { seed: 2 });
    base.load_state_dict(classifier.state_dict());
    const pixel_values = picture(1, [1, 3, 40, 40]);
    const { pooler_output } = await base({ pixel_values });
    const headless = new MobileNetV2ForImageClassification(new MobileNetV2Config({ ...SMALL, num_labels: 0 }));
    headless.load_state_dict(classifier.state_dict(), { strict: false });
    expectClose((await headless({ pixel_values })).logits, pooler_output!);

    const other = new MobileNetV2ForImageClassification(config, { seed: 3 });
    other.load_state_dict(base.state_dict());
    expect(other.newlyInitialized).toEqual(['classifier.weight', 'classifier.bias']);
  });

  // Row S10: everything that is wrong is named.
  it('names every tensor that is missing, unexpected or transposed', async () => {
    const model = new MobileNetV2ForImageClassification(config);
    const state = new Map<string, Tensor>(model.state_dict());
    const bias = 'mobilenet_v2.layer.3.conv_3x3.normalization.bias';
    state.delete(bias);
    state.set('surprise', new Tensor('float32', [1], [1]));
    const weight = state.get('classifier.weight')!;
    state.set('classifier.weight', weight.permute(1, 0));
    const error = await Promise.resolve()
      .then(() => model.load_state_dict(state))
      .catch((e) => e);
    expect(error).toMatchObject({ code: 'WEIGHTS', names: ['classifier.weight', bias, 'surprise'] });
    expect(error.message).toContain('expected [5,1280], got [1280,5]');
    expect(model.state_dict().get('classifier.weight')).toBe(weight); // the model is as it was
  });

  it('of a classifier is no segmenter, nor the reverse: the message says what it is for', async () => {
    const classifier = new MobileNetV2ForImageClassification(config);
    const segmenter = new MobileNetV2ForSemanticSegmentation(config);
    const refusal = (load: () => void) =>
      Promise.resolve()
        .then(load)
        .catch((error) => error);
    expect(await refusal(() => segmenter.load_state_dict(classifier.state_dict()))).toMatchObject({
      code: 'WEIGHTS',
      message: expect.stringMatching(/a model that segments, got one that classifies; .*image-classification/),
    });
    expect(await refusal(() => classifier.load_state_dict(segmenter.state_dict()))).toMatchObject({
      code: 'WEIGHTS',
      message: expect.stringMatching(/a model that classifies, got one that segments; .*image-segmentation/),
    });
    segmenter.load_state_dict(classifier.state_dict(), { strict: false });
    expect(segmenter.newlyInitialized[0]).toBe('segmentation_head.conv_pool.convolution.weight');
    new MobileNetV2Model(config).load_state_dict(segmenter.state_dict());
  });

  it('names one transposed tensor with both shapes', async () => {
    const model = new MobileNetV2ForImageClassification(config);
    const state = new Map<string, Tensor>(model.state_dict());
    state.set('classifier.weight', state.get('classifier.weight')!.permute(1, 0));
    const error = await Promise.resolve()
      .then(() => model.load_state_dict(state))
      .catch((e) => e);
    expect(error).toMatchObject({ code: 'SHAPE', tensor: 'classifier.weight' });
  });

  it('lists at most twenty of many, counts the rest, and stays under 500 characters', async () => {
    const model = new MobileNetV2ForImageClassification(config);
    const error = await Promise.resolve()
      .then(() => model.load_state_dict({ 'mobilenet_v2.x': new Tensor('float32', [1], [1]) }))
      .catch((e) => e);
    expect(error.code).toBe('WEIGHTS');
    expect(error.message.length).toBeLessThan(500);
    expect(error.message).toMatch(/and \d+ more/);
    expect(error.names.length).toBeGreaterThan(250);
  });

  it('strict: false takes what fits and leaves the rest as it was', async () => {
    const model = new MobileNetV2ForImageClassification(config);
    const before = model.state_dict();
    const bias = new Tensor('float32', [1, 2, 3, 4, 5], [5]);
    model.load_state_dict({ surprise: bias, 'classifier.bias': bias }, { strict: false });
    const after = model.state_dict();
    expect(after.get('classifier.bias')!.tolist()).toEqual([1, 2, 3, 4, 5]);
    expect(after.get('classifier.weight')).toBe(before.get('classifier.weight'));
    expect(model.newlyInitialized).toContain('classifier.weight');
    expect(model.newlyInitialized).not.toContain('classifier.bias');
    const error = await Promise.resolve()
      .then(() => model.load_state_dict({ surprise: bias }, { strict: false }))
      .catch((e) => e);
    expect(error).toMatchObject({ code: 'WEIGHTS', message: expect.stringContaining('surprise') });
    expect(model.state_dict().get('classifier.bias')!.tolist()).toEqual([1, 2, 3, 4, 5]);
  });

  it('with what training puts before every name, even where one name lacks it', () => {
    const model = new MobileNetV2ForImageClassification(config);
    const state = model.state_dict();
    const wrapped = (prefix: string) =>
      new Map([...state].map(([name, tensor]) => [name === 'classifier.bias' ? name : prefix + name, tensor]));
    for (const prefix of ['module.', '_orig_mod.module.', 'model.', 'net.backbone.']) {
      const other = new MobileNetV2ForImageClassification(config, { seed: 9 });
      other.load_state_dict(wrapped(prefix));
      expect(other.newlyInitialized).toEqual([]);
      expect([...other.state_dict().keys()]).toEqual([...state.keys()]);
    }
    const base = new MobileNetV2Model(config);
    base.load_state_dict(
      new Map<string, Tensor>([...wrapped('module.'), ['n_averaged', new Tensor('int64', [4n], [])]]),
    );
    expect(base.newlyInitialized).toEqual([]);
  });

  it('the weights are taken before their average', () => {
    const model = new MobileNetV2ForImageClassification(config);
    const other = new MobileNetV2ForImageClassification(config, { seed: 9 });
    const both = new Map<string, Tensor>();
    for (const [name, tensor] of other.state_dict()) both.set(`ema_model.module.${name}`, tensor);
    for (const [name, tensor] of model.state_dict()) both.set(`model.${name}`, tensor);
    const third = new MobileNetV2ForImageClassification(config, { seed: 3 });
    third.load_state_dict(both);
    expect(third.state_dict().get('classifier.weight')!.tolist()).toEqual(
      model.state_dict().get('classifier.weight')!.tolist(),
    );
  });
});

describe('what is refused', () => {
  let model: MobileNetV2ForImageClassification;
  beforeAll(() => {
    model = new MobileNetV2ForImageClassification(new MobileNetV2Config(LIVELY));
  });

  // Rows A1 to A3.
  it.each<[string, () => unknown]>([
    ['nothing', () => undefined],
    ['an array', () => [1, 2, 3]],
    ['uint8 pixels', () => new Tensor('uint8', new Uint8Array(3 * 32 * 32), [1, 3, 32, 32])],
    ['three dimensions', () => new Tensor('float32', new Float32Array(3 * 32 * 32), [3, 32, 32])],
    ['a channel too few', () => new Tensor('float32', new Float32Array(2 * 32 * 32), [1, 2, 32, 32])],
    ['NHWC', () => new Tensor('float32', new Float32Array(3 * 32 * 32), [1, 32, 32, 3])],
    ['batch 0', () => new Tensor('float32', new Float32Array(0), [0, 3, 32, 32])],
    ['height 0', () => new Tensor('float32', new Float32Array(0), [1, 3, 0, 32])],
    ['NaN', () => new Tensor('float32', new Float32Array(3 * 32 * 32).fill(Number.NaN), [1, 3, 32, 32])],
    ['infinity', () => new Tensor('float32', new Float32Array(3 * 32 * 32).fill(Infinity), [1, 3, 32, 32])],
    [
      'shared memory',
      () => new Tensor('float32', new Float32Array(new SharedArrayBuffer(4 * 3 * 32 * 32)), [1, 3, 32, 32]),
    ],
    [
      'a detached buffer',
      () => {
        const tensor = picture(1, [1, 3, 32, 32]);
        structuredClone(tensor.data, { transfer: [tensor.data.buffer as ArrayBuffer] });
        return tensor;
      },
    ],
  ])('%s as pixel_values', async (_, make) => {
    expect(await codeOf(() => model({ pixel_values: make() as Tensor }))).toBe('ARG');
    // and an earlier model is still usable
    expect((await model({ pixel_values: picture(1, [1, 3, 32, 32]) })).logits.dims).toEqual([1, 5]);
  });

  it.each<[string, MobileNetV2ConfigOptions, () => Tensor]>([
    ['a class out of range', {}, () => new Tensor('int64', [5n], [1])],
    ['too many labels', {}, () => new Tensor('int64', [1n, 2n], [2])],
    ['float targets of the wrong shape', {}, () => new Tensor('float32', [1, 0], [1, 2])],
    ['no tensor', {}, () => 3 as never],
  ])('%s as labels', async (_, options, make) => {
    const own = new MobileNetV2ForImageClassification(new MobileNetV2Config({ ...SMALL, ...options }));
    expect(await codeOf(() => own({ pixel_values: picture(1, [1, 3, 32, 32]), labels: make() }))).toBe('ARG');
  });

  it('an unknown device, activation, pool or seed', async () => {
    const config = new MobileNetV2Config(SMALL);
    expect(await codeOf(() => new MobileNetV2Model(config, { device: 'gpu' as never }))).toBe('ARG');
    expect(await codeOf(() => new MobileNetV2Model(config, { pool: '3x3' as never }))).toBe('ARG');
    expect(await codeOf(() => new MobileNetV2Model(config, { seed: 0.5 }))).toBe('ARG');
    const strange = new MobileNetV2Config({ ...SMALL, hidden_act: 'relu7' });
    expect(['CONFIG', 'UNSUPPORTED']).toContain(await codeOf(() => new MobileNetV2Model(strange)));
  });

  it('use after dispose, but not a second dispose', async () => {
    const own = new MobileNetV2Model(new MobileNetV2Config(SMALL));
    own.dispose();
    own.dispose();
    expect(await codeOf(() => own({ pixel_values: picture(1, [1, 3, 32, 32]) }))).toBe('DISPOSED');
    expect(await codeOf(() => own.state_dict())).toBe('DISPOSED');
    expect(await codeOf(() => own.plan([1, 3, 32, 32]))).toBe('DISPOSED');
    expect(await codeOf(() => own.hidden_states(picture(1, [1, 3, 32, 32]), [0]))).toBe('DISPOSED');
    expect(await codeOf(() => own.load_state_dict({}))).toBe('DISPOSED');
  });

  it('a result is kept when the model runs again, and overlapping calls equal serial ones', async () => {
    const inputs = [1, 2, 3, 4].map((seed) => ({ pixel_values: picture(seed, [1, 3, 32, 32]) }));
    const first = (await model(inputs[0])).logits;
    const copy = first.clone();
    const serial = [];
    for (const input of inputs) serial.push((await model(input)).logits);
    expect(first).toEqual(copy);
    expect((await Promise.all(inputs.map((input) => model(input)))).map(({ logits }) => logits)).toEqual(serial);
  });
});
