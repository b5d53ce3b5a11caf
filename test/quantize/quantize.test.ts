/** Whole networks: what the engines make of a quantized model is what plain loops make of it, and near to the float model. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  MobileNetError,
  MobileNetV2Config,
  type MobileNetV2ConfigOptions,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
  MobileNetV2Model,
  Tensor,
} from '../../src/entries/main-node.js';
import { type QuantizeOptions, quantize } from '../../src/entries/quantize.js';
import { stripes } from '../helpers/tiny.js';
import { picture, waves } from '../helpers/waves.js';
import { simulate } from './simulate.js';

const folder = mkdtempSync(join(tmpdir(), 'quantize-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TINY = {
  depth_multiplier: 0.35,
  image_size: 32,
  finegrained_output: false,
  initializer_range: 0.25,
  num_labels: 7,
};
const config = (fields: MobileNetV2ConfigOptions = {}) => new MobileNetV2Config({ ...TINY, ...fields });
const CLASSES = {
  classifier: MobileNetV2ForImageClassification,
  segmenter: MobileNetV2ForSemanticSegmentation,
  backbone: MobileNetV2Model,
};
const pictures = (count: number, size = 32) =>
  Array.from({ length: count }, (_, n) => picture(n * 3.1, [1, 3, size, size]));
const processor = new MobileNetV2ImageProcessor({ size: { shortest_edge: 32 }, crop_size: 32 });

const CASES = [
  ['classifier', {}, 32],
  ['classifier', { tf_padding: false, first_layer_is_expansion: false }, 45],
  ['segmenter', { output_stride: 8 }, 33],
  ['backbone', { hidden_act: 'relu' }, 32],
] as const;

describe.each(['int8', 'int16'] as const)('%s', (dtype) => {
  it.each(CASES)('%s %j: every value is that of plain loops', async (kind, fields, size) => {
    const model = new CLASSES[kind](config(fields), { seed: 3, threads: 1 });
    const seen = pictures(4, size);
    const quantized = await quantize(model, { pixel_values: seen, dtype });
    const names = model.graph.nodes.map(({ name }) => name);
    const [pixels] = seen;
    const found = await quantized.model.activations(pixels, names);
    const wanted = simulate(model.graph, quantized.state, dtype, pixels);
    for (const name of names) {
      const { data, scale, channels, height, width } = wanted.get(name)!;
      const size = height * width;
      const got = found.get(name)!.data;
      const different = got.findIndex((x, i) => {
        const [c, p] = [Math.floor(i / size), i % size];
        return x !== Math.fround(data[p * channels + c] * Math.fround(scale));
      });
      expect(different, name).toBe(-1);
      expect(new Set(got).size, name).toBeGreaterThan(1); // it tells something
    }
    model.dispose();
    quantized.model.dispose();
  });

  it.each(CASES)('%s %j: near to the float network', async (kind, fields, size) => {
    const model = new CLASSES[kind](config(fields), { seed: 3, threads: 1 });
    const { report, model: whole } = await quantize(model, { pixel_values: pictures(8, size), dtype });
    // Of an untrained network, where errors of one layer grow in the next: 8 bits a sixth, 12 bits a fiftieth.
    expect(report.error).toBeLessThan(dtype === 'int8' ? 0.17 : 0.02);
    expect(report.error).toBeGreaterThan(0);
    expect(report.layers).toHaveLength(model.graph.nodes.length);
    expect(report.pictures).toBe(8);
    expect(report.compared).toBe(8);
    expect(report.agreement === null).toBe(kind === 'backbone');
    if (dtype === 'int16' && report.agreement !== null) expect(report.agreement).toBeGreaterThan(0.95);
    for (let i = 1; i < report.layers.length; i++) {
      expect(report.layers[i].error).toBeLessThanOrEqual(report.layers[i - 1].error);
    }
    model.dispose();
    whole.dispose();
  });
});

describe('pictures', () => {
  const files = [0, 1, 2, 3].map((n) => {
    const file = join(folder, `${n}.png`);
    writeFileSync(file, stripes(n, 40, 36));
    return file;
  });

  it('come with a processor, which then makes whole numbers of their bytes', async () => {
    const model = new MobileNetV2ForImageClassification(config(), { seed: 5, threads: 1 });
    const steps: string[] = [];
    const quantized = await quantize(model, {
      images: files,
      processor,
      progress_callback: ({ status, pictures }) => steps.push(`${status} ${pictures}`),
    });
    expect(steps).toEqual([1, 2, 3, 4].map((n) => `calibrate ${n}`).concat([1, 2, 3, 4].map((n) => `compare ${n}`)));
    expect(quantized.processor!.image_mean).toEqual([127 / 255, 127 / 255, 127 / 255].map((x) => expect.closeTo(x, 6)));
    const { pixel_values } = await quantized.processor!(files[0]);
    const scale = Number(quantized.state.get('pixel_values.scale')!.data[0]);
    for (const x of pixel_values.data as Float32Array)
      expect(Math.abs(x / scale - Math.round(x / scale))).toBeLessThan(1e-3);
    // The same network: what the half step adds at the front, the first bias takes away.
    const float = (await model.activations((await processor(files[0])).pixel_values, ['conv_stem.first_conv'])).get(
      'conv_stem.first_conv',
    )!;
    const whole = (await quantized.model.activations(pixel_values, ['conv_stem.first_conv'])).get(
      'conv_stem.first_conv',
    )!;
    const step = Number(quantized.state.get('mobilenet_v2.conv_stem.first_conv.scale')!.data[0]);
    let [sum, inside] = [0, 0];
    const [, C, H, W] = float.dims;
    for (let c = 0; c < C; c++)
      for (let y = 1; y < H - 1; y++)
        for (let x = 1; x < W - 1; x++, inside++)
          sum += (whole.data[(c * H + y) * W + x] - float.data[(c * H + y) * W + x]) / step;
    expect(Math.abs(sum / inside)).toBeLessThan(0.05);
    await quantized.save_pretrained(join(folder, 'saved'));
    const again = await MobileNetV2ForImageClassification.from_pretrained(join(folder, 'saved'), { threads: 1 });
    expect((await again({ pixel_values })).logits).toEqual((await quantized.model({ pixel_values })).logits);
    const own = await MobileNetV2ImageProcessor.from_pretrained(join(folder, 'saved'));
    expect((await own(files[1])).pixel_values).toEqual((await quantized.processor!(files[1])).pixel_values);
    for (const each of [model, quantized.model, again]) each.dispose();
  });

  it('with 12 bits the processor stays', async () => {
    const model = new MobileNetV2ForImageClassification(config(), { seed: 5, threads: 1 });
    const quantized = await quantize(model, { images: files, processor, dtype: 'int16' });
    expect(quantized.processor).toBe(processor);
    expect(quantized.state.get('pixel_values.scale')!.data[0]).toBeCloseTo(1 / 255, 8);
    model.dispose();
    quantized.model.dispose();
  });
});

describe('odd networks', () => {
  it('with dead layers', async () => {
    const model = new MobileNetV2ForImageClassification(config(), { seed: 3, threads: 1 });
    const state = model.state_dict();
    // A projection of zeros before an addition, and channels whose variance is so great that nothing is left of them.
    state.get('mobilenet_v2.layer.1.reduce_1x1.convolution.weight')!.data.fill(0 as never);
    state.get('mobilenet_v2.layer.4.conv_3x3.normalization.running_var')!.data.fill(1e30 as never);
    model.load_state_dict(state);
    const seen = pictures(3);
    for (const dtype of ['int8', 'int16'] as const) {
      const quantized = await quantize(model, { pixel_values: seen, dtype });
      expect(quantized.report.error).toBeLessThan(0.2);
      const { logits } = await quantized.model({ pixel_values: seen[0] });
      const numbers = simulate(model.graph, quantized.state, dtype, seen[0]).get('classifier')!;
      expect([...logits.data]).toEqual(Array.from(numbers.data, (q) => Math.fround(q * Math.fround(numbers.scale))));
      quantized.model.dispose();
    }
    model.dispose();
  });

  it('several pictures at once, and one after another, and as they come', async () => {
    const model = new MobileNetV2ForImageClassification(config(), { seed: 3, threads: 1 });
    const each = pictures(4);
    const all = new Tensor(
      'float32',
      each.flatMap(({ data }) => [...data]),
      [4, 3, 32, 32],
    );
    async function* later() {
      yield* each;
    }
    const [one, ...others] = await Promise.all(
      [all, each, later()].map(async (pixel_values) => {
        const { state, model: whole, report } = await quantize(model, { pixel_values });
        whole.dispose();
        return { state, report };
      }),
    );
    for (const other of others) {
      expect([...other.state].map(([name, { data }]) => `${name} ${data}`)).toEqual(
        [...one.state].map(([name, { data }]) => `${name} ${data}`),
      );
      expect(other.report.agreement).toBe(one.report.agreement);
    }
    model.dispose();
  });
});

describe('what cannot be', () => {
  const model = new MobileNetV2ForImageClassification(config(), { seed: 3, threads: 1 });
  afterAll(() => model.dispose());
  const some = pictures(1);

  const REFUSALS: [string, unknown, RegExp][] = [
    ['dtype', { pixel_values: some, dtype: 'int4' }, /dtype: expected 'int8' or 'int16', got/],
    [
      'observer',
      { pixel_values: some, observer: 'entropy' },
      /observer: expected minmax, average, percentile, mse, got/,
    ],
    ['a scale for all channels', { pixel_values: some, per_channel: false }, /per_channel: expected true: .* %/],
    ['7 bits', { pixel_values: some, reduce_range: true }, /reduce_range: expected false: .* %/],
    ['biasCorrection', { pixel_values: some, biasCorrection: 1 }, /biasCorrection/],
    ['no pictures', {}, /expected images or pixel_values, got neither/],
    ['both', { pixel_values: some, images: ['x.png'], processor }, /got both/],
    ['an empty list', { pixel_values: [] }, /expected pictures .* got none/],
    ['a number', { pixel_values: 3 }, /pixel_values: expected a Tensor/],
    ['images alone', { images: ['x.png'] }, /processor: expected a MobileNetV2ImageProcessor/],
    ['another processor', { images: ['x.png'], processor: {} }, /processor: expected a MobileNetV2ImageProcessor/],
    ['an unknown option', { pixel_values: some, calibrate: 3 }, /calibrate/],
    ['bytes', { pixel_values: new Tensor('uint8', new Uint8Array(3072), [1, 3, 32, 32]) }, /expected a float32 Tensor/],
    ['pixels of another kind', { pixel_values: [new Tensor('float32', waves(1024), [1, 1, 32, 32])] }, /\[N,3,H,W\]/],
  ];
  it.each(REFUSALS)('%s', async (_, options, message) => {
    const failure = await quantize(model, options as QuantizeOptions).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(MobileNetError);
    expect((failure as MobileNetError).message).toMatch(message);
  });

  it('a quantized model, or no model', async () => {
    const { model: whole } = await quantize(model, { pixel_values: some });
    await expect(quantize(whole, { pixel_values: some })).rejects.toThrow(/is int8 already/);
    await expect(quantize({} as never, { pixel_values: some })).rejects.toThrow(/expected a model of this package/);
    whole.dispose();
  });

  it('an activation that is no bound', async () => {
    const swish = new MobileNetV2ForImageClassification(config({ hidden_act: 'swish' }), { threads: 1 });
    await expect(quantize(swish, { pixel_values: some })).rejects.toThrow(/swish has no form for whole numbers/);
    swish.dispose();
  });

  it('weights that are not finite', async () => {
    const broken = new MobileNetV2ForImageClassification(config(), { seed: 3, threads: 1 });
    const state = broken.state_dict();
    state.get('mobilenet_v2.layer.3.reduce_1x1.normalization.bias')!.data[0] = Number.NaN as never;
    broken.load_state_dict(state);
    await expect(quantize(broken, { pixel_values: some })).rejects.toThrow(/layer\.3\.reduce_1x1: .* not finite/);
    broken.dispose();
  });

  it('ends early with the reason of its signal', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const job = quantize(model, {
      pixel_values: pictures(50),
      signal: stop.signal,
      progress_callback: ({ pictures: n }) => n === 2 && stop.abort(reason),
    });
    await expect(job).rejects.toBe(reason);
  });
});
