/**
 * Checkpoints of slim that were trained for 8 bits. What comes out is held against what TensorFlow's own converter makes of the
 * same checkpoint, number by number, and against what its interpreter computes (test/goldens/convert/make_slim_quant.py).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { adapt, asQuantized } from '../../src/convert/adapt.js';
import { mapSlim } from '../../src/convert/slim.js';
import { type Converted, convert } from '../../src/entries/convert-node.js';
import { MobileNetV2ForImageClassification, Tensor } from '../../src/entries/main-node.js';
import type { StoredTensor } from '../../src/formats/stored.js';
import { readTfCheckpoint } from '../../src/formats/tf-checkpoint.js';
import { GRAPHS } from '../../src/models/mobilenet-v2/checkpoint.js';
import { temporaryFolder } from '../helpers/cli.js';
import { pythonWith } from '../helpers/python.js';
import { shared, sharedFiles } from '../helpers/shared.js';
import { expectError, memoryFolder } from '../helpers/weight-files.js';

const GOLDENS = new URL('../goldens/convert/', import.meta.url);
const golden = (name: string) => new Uint8Array(readFileSync(new URL(`slim-quant/${name}`, GOLDENS)));
const unpacked = (name: string) => new Uint8Array(gunzipSync(golden(`${name}.gz`)));
const INDEX = 'model.ckpt.index';
const DATA = 'model.ckpt.data-00000-of-00001';
const SIZE = 64;
const index = golden(INDEX);
const data = unpacked(DATA);
const folder = memoryFolder({ [INDEX]: index, [DATA]: data });

/** Names of tensors that differ, and in how many numbers by how much at most. */
function differences(ours: Converted, theirs: Converted) {
  expect([...ours.state.keys()].sort()).toEqual([...theirs.state.keys()].sort());
  let numbers = 0;
  const found: { name: string; count: number; most: number }[] = [];
  for (const [name, { type, dims, data }] of ours.state) {
    const other = theirs.state.get(name)!;
    expect([name, type, dims]).toEqual([name, other.type, other.dims]);
    const off = Array.from(data as Int8Array, (value, i) => Math.abs(Number(value) - Number(other.data[i])));
    const count = off.filter((value) => value !== 0).length;
    if (count > 0) found.push({ name, count, most: Math.max(...off) });
    numbers += off.length;
  }
  return { found, numbers };
}

/** The classes' numbers that the network computes for pictures of bytes [N,H,W,3], as the whole numbers of its last layer. */
async function answers(converted: Converted, pictures: Uint8Array, size: number): Promise<number[]> {
  const files = Object.fromEntries(converted.files());
  const model = await MobileNetV2ForImageClassification.from_pretrained(memoryFolder(files), { threads: 1 });
  const count = pictures.length / (3 * size * size);
  const pixels = new Float32Array(pictures.length);
  for (let n = 0; n < count; n++)
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < size * size; i++) {
        pixels[(n * 3 + c) * size * size + i] = (pictures[(n * size * size + i) * 3 + c] - 128) / 128;
      }
  const { logits } = await model({ pixel_values: new Tensor('float32', pixels, [count, 3, size, size]) });
  model.dispose();
  const scale = Number(converted.state.get('classifier.scale')!.data[0]);
  const zero = Number(converted.state.get('classifier.zero_point')!.data[0]);
  return Array.from(logits.data, (value) => Math.round(value / scale) + zero);
}

describe('a checkpoint that was trained for 8 bits', () => {
  it('is quantized as TensorFlow quantizes it', async () => {
    const ours = await convert(folder, { file: INDEX });
    const theirs = await convert(unpacked('model.tflite'), { file: 'model.tflite' });
    expect(ours).toMatchObject({ from: 'slim', dtype: 'uint8', unmapped: [], notes: [] });
    expect(ours.architecture).toBe('MobileNetV2ForImageClassification');
    expect(ours.config.extra.quantization_config).toEqual({ quant_method: 'mobilenet-v2', dtype: 'uint8' });
    const { found, numbers } = differences(ours, theirs);
    expect(found).toEqual([]);
    expect(numbers).toBe(251502);
  });

  it('computes what the interpreter of TensorFlow Lite computes', async () => {
    const ours = await convert(folder, { file: INDEX });
    expect(await answers(ours, unpacked('pictures'), SIZE)).toEqual(Array.from(unpacked('outputs')));
  });

  it('takes bytes of pictures as they are', async () => {
    const { preprocessor, state } = await convert(folder, { file: INDEX });
    const { image_mean, image_std } = preprocessor as Record<string, number[]>;
    const scale = Number(state.get('pixel_values.scale')!.data[0]);
    for (let byte = 0; byte < 256; byte++) {
      expect((byte / 255 - image_mean[0]) / image_std[0] / scale + 128).toBeCloseTo(byte, 6);
    }
  });

  it('gives real numbers where they are asked for, with their own preprocessing', async () => {
    const { dtype, state, preprocessor, config } = await convert(folder, { file: INDEX, dtype: 'fp32' });
    expect([dtype, preprocessor?.image_mean]).toEqual(['float32', [0.5, 0.5, 0.5]]);
    expect(config.extra.quantization_config).toBeUndefined();
    expect(state.get('mobilenet_v2.conv_1x1.normalization.weight')!.type).toBe('float32');
  });

  it('gives the backbone alone', async () => {
    const { state, architecture } = await convert(folder, { file: INDEX, head: false });
    expect(architecture).toBe('MobileNetV2Model');
    expect(state.get('layer.3.conv_3x3.convolution.weight')!.type).toBe('int8');
    expect(state.has('pooler.scale')).toBe(true);
    expect([...state.keys()].filter((name) => /^classifier|^mobilenet_v2/.test(name))).toEqual([]);
  });
});

/** The checkpoint with some of its tensors under other names, with other numbers, or left out. */
async function changed(change: (tensors: Map<string, StoredTensor>) => void) {
  const tensors = await readTfCheckpoint(index, folder, { file: INDEX });
  change(tensors);
  const mapping = mapSlim(tensors, INDEX, { head: true });
  return asQuantized(adapt(mapping, INDEX, {}), mapping.quantized!, INDEX).state;
}

const withNumber = (stored: StoredTensor, value: number): StoredTensor => ({
  ...stored,
  bytes: new Uint8Array(Float32Array.of(value).buffer),
});

describe('its ranges', () => {
  const LAYER = 'MobilenetV2/expanded_conv_4/project/act_quant';
  const SUM = 'MobilenetV2/expanded_conv_4/post_activation_bypass_quant';
  const rename = (tensors: Map<string, StoredTensor>, from: string, to: string) => {
    for (const end of ['min', 'max']) {
      tensors.set(`${to}/${end}`, tensors.get(`${from}/${end}`)!);
      tensors.delete(`${from}/${end}`);
    }
  };

  it.each([
    [LAYER, LAYER.replace('act_quant', 'conv_quant')],
    [SUM, SUM.replace(/\w+$/, 'add_quant')],
    [SUM, SUM.replace(/\w+$/, 'act_quant')],
  ])('%s may be %s', async (from, to) => {
    const same = await changed(() => {});
    const state = await changed((tensors) => rename(tensors, from, to));
    expect([...state].map(([name, { data }]) => [name, data])).toEqual(
      [...same].map(([name, { data }]) => [name, data]),
    );
  });

  it('that are missing are named', async () => {
    const without = (...names: string[]) =>
      changed((tensors) => {
        for (const name of names) tensors.delete(name);
      });
    const says = ["dtype: 'fp32'"];
    for (const name of [`${LAYER}/min`, `${SUM}/max`, 'MobilenetV2/Conv/weights_quant/max']) {
      await expectError(() => without(name), { code: 'QUANT', file: INDEX, tensor: name, says: [...says, name] });
    }
    await expectError(() => without(`${LAYER}/min`, `${LAYER}/max`, `${SUM}/min`), {
      code: 'QUANT',
      says: ['lacks 3'],
    });
  });

  it.each([
    ['min', 1e6, 'QUANT'],
    ['max', -1e6, 'QUANT'],
    ['max', Number.NaN, 'NONFINITE'],
    ['min', -Infinity, 'NONFINITE'],
  ] as const)('with %s %d are refused', async (end, value, code) => {
    const wrong = changed((tensors) =>
      tensors.set(`${LAYER}/${end}`, withNumber(tensors.get(`${LAYER}/${end}`)!, value)),
    );
    await expectError(() => wrong, { code, file: INDEX, says: [LAYER] });
  });

  it('with which a bias leaves 32 bits are refused', async () => {
    const wrong = changed((tensors) => {
      for (const [end, value] of [['min', -1e-9] as const, ['max', 1e-9] as const]) {
        const name = `MobilenetV2/Conv_1/weights_quant/${end}`;
        tensors.set(name, withNumber(tensors.get(name)!, value));
      }
    });
    await expectError(() => wrong, { code: 'QUANT', tensor: 'mobilenet_v2.conv_1x1.convolution.bias' });
  });
});

/** Under our name of a layer, slim's. */
function scopeOf(layer: string): string {
  const [, block, part] = /^layer\.(\d+)\.(\w+)$/.exec(layer) ?? [];
  const parts: Record<string, string> = { expand_1x1: 'expand', conv_3x3: 'depthwise', reduce_1x1: 'project' };
  if (block !== undefined) {
    return part === 'add'
      ? `expanded_conv_${Number(block) + 1}/add`
      : `expanded_conv_${Number(block) + 1}/${parts[part]}`;
  }
  const others: Record<string, string> = {
    'conv_stem.first_conv': 'Conv',
    'conv_stem.conv_3x3': 'expanded_conv/depthwise',
    'conv_stem.reduce_1x1': 'expanded_conv/project',
    conv_1x1: 'Conv_1',
    classifier: 'Logits/Conv2d_1c_1x1',
  };
  return others[layer];
}

describe.skipIf(!sharedFiles('tflite').includes('mobilenet_v2_1.0_224_quant.tflite'))('the published network', () => {
  it('comes out as it was converted, from its weights and ranges in the names of slim', async () => {
    const file = shared('tflite/mobilenet_v2_1.0_224_quant.tflite');
    const [whole, floats] = [await convert(file), await convert(file, { dtype: 'fp32' })];
    const tensors = new Map<string, StoredTensor>();
    const add = (name: string, dims: readonly number[], values: Float32Array) =>
      tensors.set(name, { name, dims, dtype: 'F32', file: 'made', offset: 0, bytes: new Uint8Array(values.buffer) });
    const numberOf = (name: string) => Number(whole.state.get(name)?.data[0] ?? 0);
    const range = (name: string, scale: number, zero: number, lowest: number) => {
      add(`${name}/min`, [], Float32Array.of((lowest - zero) * scale));
      add(`${name}/max`, [], Float32Array.of((255 - zero) * scale));
    };
    for (const node of GRAPHS[whole.architecture](floats.config).nodes) {
      const ours = node.name === 'classifier' ? node.name : `mobilenet_v2.${node.name}`;
      const scope = `MobilenetV2/${scopeOf(node.name)}`;
      if (node.op === 'average_pool') continue;
      const what = node.op === 'add' ? scope.replace(/add$/, 'add_quant') : `${scope}/act_quant`;
      range(what, numberOf(`${ours}.scale`), numberOf(`${ours}.zero_point`), 0);
      if (node.op !== 'convolution' && node.op !== 'linear') continue;
      const path = node.op === 'linear' ? ours : `${ours}.convolution`;
      const { data, dims } = floats.state.get(`${path}.weight`)!;
      const [k, c, r = 1, s = 1] = dims;
      // [K,C,R,S] to [R,S,C,K], a depthwise one to [R,S,K,1].
      const isDepthwise = node.op === 'convolution' && node.groups > 1;
      const moved = new Float32Array(data.length);
      for (let i = 0; i < data.length; i++) {
        const [out, rest] = [Math.floor(i / (c * r * s)), i % (c * r * s)];
        const [input, tap] = [Math.floor(rest / (r * s)), rest % (r * s)];
        moved[(tap * c + input) * k + out] = Number(data[i]);
      }
      add(
        `${scope}/${isDepthwise ? 'depthwise_weights' : 'weights'}`,
        isDepthwise ? [r, s, k, 1] : [r, s, c, k],
        moved,
      );
      // Of the state, weights count from their zero point less 128, or from 0 where they fit.
      const numbers = whole.state.get(`${path}.weight`)!.data as Int8Array;
      const scale = numberOf(`${path}.weight_scale`);
      const own = whole.state.get(`${path}.weight_zero_point`);
      const zero =
        own === undefined ? 1 - numbers.reduce((least, one) => Math.min(least, one)) : Number(own.data[0]) + 128;
      range(`${scope}/weights_quant`, scale, zero, 1);
      if (node.op === 'linear') add(`${scope}/biases`, [k], floats.state.get('classifier.bias')!.data as Float32Array);
      else {
        const norm = { gamma: 'weight', beta: 'bias', moving_mean: 'running_mean', moving_variance: 'running_var' };
        for (const [theirs, part] of Object.entries(norm)) {
          add(
            `${scope}/BatchNorm/${theirs}`,
            [k],
            floats.state.get(`${ours}.normalization.${part}`)!.data as Float32Array,
          );
        }
      }
    }
    const mapping = mapSlim(tensors, 'made', { head: true });
    const { state } = asQuantized(adapt(mapping, 'made', {}), mapping.quantized!, 'made');
    expect(mapping.unmapped).toEqual([]);
    const again: Converted = { ...whole, state };
    // A scale went through the two ends of its range, which are rounded to float32.
    for (const [name, { data, dims }] of state) {
      if (!/scale$/.test(name)) continue;
      const exact = whole.state.get(name)!;
      data.forEach((value: number | bigint, i: number) => {
        expect(Math.abs(Number(value) / Number(exact.data[i]) - 1)).toBeLessThan(2e-7);
      });
      state.set(name, new Tensor('float32', exact.data as Float32Array, dims));
    }
    expect(differences(again, whole)).toEqual({ found: [], numbers: 3507334 });
  });
});

const python = pythonWith(['tensorflow'], 'TensorFlow beside our conversion of its checkpoints');

describe.skipIf(python === undefined)('beside TensorFlow', () => {
  const make = (...flags: string[]): string => {
    const place = temporaryFolder();
    const recipe = fileURLToPath(new URL('make_slim_quant.py', GOLDENS));
    execFileSync(python!, [recipe, place, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
    return place;
  };
  /** Its 1/√x is not the nearest float32 (slim-quant.ts), so that one weight in 10,000 may be the next one. */
  const almostAll = ({ found, numbers }: ReturnType<typeof differences>) => {
    const weights = found.filter(({ name }) => name.endsWith('.convolution.weight'));
    expect(found).toEqual(weights);
    expect(weights.every(({ most }) => most === 1)).toBe(true);
    const count = weights.reduce((sum, one) => sum + one.count, 0);
    console.log(`beside TensorFlow: ${count} of ${numbers} numbers are off by one`);
    expect(count).toBeLessThan(1e-4 * numbers);
    return count;
  };

  it('a classifier', { timeout: 0 }, async () => {
    const place = make();
    const ours = await convert(join(place, INDEX));
    const count = almostAll(differences(ours, await convert(join(place, 'model.tflite'))));
    const pictures = new Uint8Array(readFileSync(join(place, 'pictures')));
    const wanted = Array.from(readFileSync(join(place, 'outputs')));
    const got = await answers(ours, pictures, SIZE);
    if (count === 0) expect(got).toEqual(wanted);
    else expect(got.every((value, i) => Math.abs(value - wanted[i]) <= 1)).toBe(true);
  });

  it('a segmenter', { timeout: 0 }, async () => {
    const place = make('--deeplab');
    const ours = await convert(join(place, INDEX));
    expect(ours.architecture).toBe('MobileNetV2ForSemanticSegmentation');
    almostAll(differences(ours, await convert(join(place, 'model.tflite'))));
  });
});
