/**
 * Models of whole numbers: every engine, every number of threads and both memory modes give the same bits, files keep them,
 * and what cannot be is refused by name.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2Model,
  Tensor,
} from '../../src/entries/main-node.js';
import type { RawType } from '../../src/graph/quantization.js';
import { quantizedConfig, quantizedState } from '../helpers/quantized-models.js';
import { waves } from '../helpers/waves.js';

const folder = mkdtempSync(join(tmpdir(), 'quantized-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TYPES = ['uint8', 'int8', 'int16'] as const satisfies RawType[];
const pixels = (size: number, batch = 1) =>
  new Tensor('float32', waves(batch * 3 * size * size, 0.37), [batch, 3, size, size]);

/** All tensors in one text; to compare them one number after another takes a test half a minute. */
const bytesOf = (state: Map<string, Tensor>) =>
  [...state]
    .map(([name, { type, data, dims }]) => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return `${name} ${type} [${dims}] ${createHash('sha256').update(bytes).digest('hex')}`;
    })
    .join('\n');

const ENGINES = [
  { device: 'js' },
  { device: 'js', memory: 'low' },
  ...[1, 2, 3].flatMap((threads) =>
    (['fast', 'low'] as const).map((memory) => ({ device: 'wasm', threads, memory }) as const),
  ),
] as const;

describe.each(TYPES)('%s', (type) => {
  it.each([
    ['a classifier', 32, 1, {}],
    ['a classifier of odd pictures', 45, 2, { tf_padding: false }],
    ['a classifier whose first layer expands', 33, 1, { first_layer_is_expansion: false }],
  ] as const)('%s has the same bits on every engine', async (_, size, batch, fields) => {
    const config = quantizedConfig(type, fields);
    const state = quantizedState(config, 'classify', type, 7);
    const pixel_values = pixels(size, batch);
    const reference = new MobileNetV2ForImageClassification(config, { device: 'reference', state });
    const wanted = await reference({ pixel_values, output_hidden_states: true });
    expect(new Set(wanted.hidden_states![10].data).size).toBeGreaterThan(10); // it tells something
    for (const options of ENGINES) {
      const model = new MobileNetV2ForImageClassification(config, { ...options, state });
      const found = await model({ pixel_values, output_hidden_states: true });
      const again = await model({ pixel_values }); // other threads compute from the second call on
      model.dispose();
      expect(found, JSON.stringify(options)).toEqual(wanted);
      expect(again.logits).toEqual(wanted.logits);
    }
  });

  it('a segmenter has the same bits on every engine', async () => {
    const config = quantizedConfig(type, { output_stride: 8 });
    const state = quantizedState(config, 'segment', type, 11);
    const pixel_values = pixels(65);
    const reference = new MobileNetV2ForSemanticSegmentation(config, { device: 'reference', state });
    const wanted = await reference({ pixel_values, output_hidden_states: [10] });
    expect(new Set(wanted.hidden_states![0].data).size).toBeGreaterThan(10);
    expect(new Set(wanted.logits.data).size).toBeGreaterThan(1);
    for (const options of ENGINES) {
      const model = new MobileNetV2ForSemanticSegmentation(config, { ...options, state });
      await model({ pixel_values });
      expect((await model({ pixel_values })).logits, JSON.stringify(options)).toEqual(wanted.logits);
      model.dispose();
    }
  });

  it('is written and read', async () => {
    const config = quantizedConfig(type);
    const model = new MobileNetV2ForImageClassification(config, { state: quantizedState(config, 'classify', type, 3) });
    const place = join(folder, type);
    await model.save_pretrained(place);
    const read = await MobileNetV2ForImageClassification.from_pretrained(place, { dtype: type });
    expect(bytesOf(read.state_dict())).toBe(bytesOf(model.state_dict()));
    expect(await read({ pixel_values: pixels(32) })).toEqual(await model({ pixel_values: pixels(32) }));
    const base = await MobileNetV2Model.from_pretrained(place, { add_pooling_layer: false });
    const { last_hidden_state } = await base(pixels(32));
    const own = await model.activations(pixels(32), ['last_hidden_state']);
    expect(last_hidden_state).toEqual(own.get('last_hidden_state'));
  });

  it('is near its own real numbers', async () => {
    const place = join(folder, type);
    const whole = await MobileNetV2ForImageClassification.from_pretrained(place);
    const real = await MobileNetV2ForImageClassification.from_pretrained(place, { dtype: 'fp32' });
    expect(real.config.extra.quantization_config).toBeUndefined();
    const layer = 'conv_stem.conv_3x3'; // further on, roundings that add up say nothing about a fault
    const [a, b] = await Promise.all([whole, real].map((model) => model.activations(pixels(32), [layer])));
    const scale = Number(whole.state_dict().get(`mobilenet_v2.${layer}.scale`)!.data[0]);
    let most = 0;
    for (const [i, value] of a.get(layer)!.data.entries())
      most = Math.max(most, Math.abs(value - b.get(layer)!.data[i]));
    expect(most).toBeLessThan(8 * scale);
    expect(most).toBeGreaterThan(0);
  });
});

describe('what is refused', () => {
  const config = quantizedConfig('int8');
  const state = quantizedState(config, 'classify', 'int8', 5);
  const made = (name: string, tensor: Tensor<'float32' | 'int32' | 'int8'>) =>
    new MobileNetV2ForImageClassification(config, { state: new Map([...state, [name, tensor]]) });
  const path = 'mobilenet_v2.layer.3.conv_3x3';

  it.each([
    [`${path}.scale`, new Tensor('float32', [0], []), /expected a finite number above 0, got 0/],
    [`${path}.scale`, new Tensor('float32', [Number.NaN], []), /got NaN/],
    [`${path}.zero_point`, new Tensor('int32', [128], []), /from -128 to 127, as int8 has them, got 128/],
  ])('%s', (name, tensor, message) => {
    const why = expect.objectContaining({ code: 'QUANT', tensor: name, message: expect.stringMatching(message) });
    expect(() => made(name, tensor)).toThrowError(why);
  });

  it('scales of weights', () => {
    const name = `${path}.convolution.weight_scale`;
    const scales = state.get(name)!.data.slice() as Float32Array;
    scales[2] = -1;
    const why = expect.objectContaining({ code: 'QUANT', tensor: name, message: expect.stringContaining('channel 2') });
    expect(() => made(name, new Tensor('float32', scales, [scales.length]))).toThrowError(why);
  });

  it('weights that are missing, whatever strict says', () => {
    const model = new MobileNetV2ForImageClassification(config, { state });
    const less = new Map([...state].filter(([name]) => !name.includes('conv_1x1')));
    const wanted = expect.objectContaining({
      code: 'WEIGHTS',
      message: expect.stringMatching(/5 missing .*a quantized model needs all of them and no others/),
    });
    for (const strict of [true, false]) {
      expect(() => model.load_state_dict(less, { strict })).toThrowError(wanted);
    }
    expect(() => model.load_state_dict(less)).not.toThrowError(/strict: false/);
  });

  it('scales whose products leave float32', async () => {
    const name = `${path}.convolution.weight_scale`;
    const scales = new Float32Array(state.get(name)!.size).fill(3e38);
    const huge = new Map<string, Tensor<'float32' | 'int32' | 'int8'>>([
      ...state,
      [name, new Tensor('float32', scales, [scales.length])],
      [`${path}.scale`, new Tensor('float32', [1e-30], [])],
    ] as never);
    const model = new MobileNetV2ForImageClassification(config, { state: huge });
    await expect(model(pixels(32))).rejects.toThrowError(expect.objectContaining({ code: 'QUANT', tensor: name }));
  });

  it('sums that could leave 32 bits', async () => {
    const name = `${path}.convolution.bias`;
    const bias = new Int32Array(state.get(name)!.size).fill(2 ** 31 - 1);
    const model = made(name, new Tensor('int32', bias, [bias.length]));
    await expect(model(pixels(32))).rejects.toThrowError(
      expect.objectContaining({ code: 'QUANT', message: expect.stringMatching(/conv_3x3.*more than 32 bits hold/) }),
    );
  });

  it('weights of real numbers, other methods, types that are unknown', async () => {
    const model = new MobileNetV2ForImageClassification(config, { state });
    const name = `${path}.convolution.weight`;
    const real = new Map<string, Tensor>([...state, [name, state.get(name)!.to('float32')]]);
    expect(() => model.load_state_dict(real)).toThrowError(expect.objectContaining({ code: 'DTYPE' }));
    const unknown = MobileNetV2Config.from_dict({
      quantization_config: { quant_method: 'mobilenet-v2', dtype: 'int3' },
    });
    expect(() => new MobileNetV2ForImageClassification(unknown, { state })).toThrowError(/expected one of uint8, int8/);
    expect(() => new MobileNetV2ForImageClassification(config)).toThrowError(/a new model has real numbers/);
    const smooth = quantizedConfig('int8', { hidden_act: 'silu' });
    expect(() => new MobileNetV2ForImageClassification(smooth, { state })).toThrowError(/silu has no form for whole/);
    await expect(model.save_pretrained(join(folder, 'half'), { dtype: 'float16' })).rejects.toThrowError(
      /this model is quantized and is written as it is/,
    );
  });
});
