/**
 * torchvision's quantized networks, beside what torch computes with them (test/goldens/convert/make_torchvision_quant.py).
 * Its qnnpack computes as we do. Its fbgemm adds the bias as a real number, and so may be a step off.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { adapt, asQuantized } from '../../src/convert/adapt.js';
import { mapTorchvision } from '../../src/convert/torchvision.js';
import { type Converted, convert } from '../../src/entries/convert-node.js';
import { MobileNetV2ForImageClassification, Tensor } from '../../src/entries/main-node.js';
import { readPytorch } from '../../src/formats/pytorch.js';
import type { StoredTensor } from '../../src/formats/stored.js';
import { temporaryFolder } from '../helpers/cli.js';
import { pythonWith } from '../helpers/python.js';
import { expectError, memoryFolder } from '../helpers/weight-files.js';

const GOLDENS = new URL('../goldens/convert/', import.meta.url);
const golden = (name: string) =>
  new Uint8Array(gunzipSync(readFileSync(new URL(`torchvision-quant/${name}.gz`, GOLDENS))));
const floats = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer);
const SIZE = 96;
const BACKENDS = ['qnnpack', 'fbgemm'] as const;

/** How many steps of the last layer our logits are from torch's, and for how many pictures the class is the same. */
async function beside(converted: Converted, pictures: Uint8Array, wanted: Float32Array) {
  const files = Object.fromEntries(converted.files());
  const model = await MobileNetV2ForImageClassification.from_pretrained(memoryFolder(files), { threads: 1 });
  const area = SIZE * SIZE;
  const count = pictures.length / (3 * area);
  const classes = wanted.length / count;
  const scale = Number(converted.state.get('classifier.scale')!.data[0]);
  let [most, same] = [0, 0];
  for (let n = 0; n < count; n++) {
    const pixels = new Float32Array(3 * area).map(
      (_, i) => (pictures[(n * area + (i % area)) * 3 + Math.floor(i / area)] - 128) / 64,
    );
    const { logits } = await model({ pixel_values: new Tensor('float32', pixels, [1, 3, SIZE, SIZE]) });
    const theirs = wanted.subarray(n * classes, (n + 1) * classes);
    const [ours] = [logits.data];
    most = Math.max(most, ...ours.map((value, i) => Math.abs(value - theirs[i]) / scale));
    // Of classes with the same number, either may be named.
    if (theirs[ours.indexOf(Math.max(...ours))] === Math.max(...theirs)) same++;
  }
  model.dispose();
  return { most: Math.round(most), same, count };
}

describe.each(BACKENDS)('a network quantized for %s', (backend) => {
  const bytes = golden(`${backend}.pth`);
  const file = `mobilenet_v2_${backend}.pth`;

  it('stays in whole numbers', async () => {
    const converted = await convert(bytes, { file });
    expect(converted).toMatchObject({ from: 'torchvision', dtype: 'uint8', unmapped: [], notes: [] });
    expect(converted.architecture).toBe('MobileNetV2ForImageClassification');
    const { config, preprocessor, state } = converted;
    expect(config).toMatchObject({ depth_multiplier: 0.35, num_labels: 5, tf_padding: false, hidden_act: 'relu' });
    expect(config.extra.quantization_config).toEqual({ quant_method: 'mobilenet-v2', dtype: 'uint8' });
    expect(preprocessor).toMatchObject({ size: { shortest_edge: 256 }, image_mean: [0.485, 0.456, 0.406] });
    const scales = new Set(state.get('mobilenet_v2.conv_1x1.convolution.weight_scale')!.data as Float32Array);
    if (backend === 'qnnpack') expect(scales.size).toBe(1);
    else expect(scales.size).toBeGreaterThan(10);
  });

  it('computes what torch computes', async () => {
    const wanted = floats(golden(`${backend}.logits`));
    const { most, same, count } = await beside(await convert(bytes, { file }), golden('pictures'), wanted);
    expect(most).toBeLessThanOrEqual(backend === 'qnnpack' ? 0 : 1);
    expect([same, count]).toEqual([4, 4]);
  });

  it('in real numbers has weights that are whole ones times their scale', async () => {
    const [whole, real] = [await convert(bytes, { file }), await convert(bytes, { file, dtype: 'fp32' })];
    expect([real.dtype, real.config.hidden_act]).toEqual(['float32', 'relu']);
    for (const name of ['mobilenet_v2.layer.3.conv_3x3.convolution.weight', 'classifier.weight']) {
      const [numbers, scales] = [whole.state.get(name)!, whole.state.get(`${name}_scale`)!];
      const each = numbers.size / scales.size;
      const wanted = Array.from(
        numbers.data as Int8Array,
        (value, i) => value * Number(scales.data[Math.floor(i / each)]),
      );
      const got = real.state.get(name)!;
      expect(got.dims).toEqual(numbers.dims);
      got.data.forEach((value: number | bigint, i: number) => {
        expect(Math.abs(Number(value) - wanted[i])).toBeLessThanOrEqual(1e-6 * Math.abs(wanted[i]));
      });
    }
    const bias = real.state.get('mobilenet_v2.conv_1x1.normalization.bias')!;
    expect(new Set(bias.data as Float32Array).size).toBeGreaterThan(10);
  });

  it('gives the backbone alone', async () => {
    const { architecture, state, unmapped } = await convert(bytes, { file, head: false });
    expect([architecture, unmapped]).toEqual(['MobileNetV2Model', []]);
    expect([state.has('pooler.scale'), state.has('classifier.weight')]).toEqual([true, false]);
    expect(state.get('layer.0.expand_1x1.convolution.weight')!.type).toBe('int8');
  });
});

describe('what is wrong with one', () => {
  const FILE = 'model.pth';
  async function changed(change: (tensors: Map<string, StoredTensor>) => void) {
    const { tensors } = await readPytorch(golden('fbgemm.pth'), { file: FILE });
    change(tensors);
    const mapping = mapTorchvision(tensors, FILE, { head: true });
    return asQuantized(adapt(mapping, FILE, {}), mapping.quantized!, FILE).state;
  }
  const withFields = (name: string, fields: (stored: StoredTensor) => Partial<StoredTensor>) =>
    changed((tensors) => {
      const stored = tensors.get(name)!;
      tensors.set(name, { ...stored, ...fields(stored) });
    });
  const one = (value: number) => () => ({
    dtype: 'F32' as const,
    bytes: new Uint8Array(Float32Array.of(value).buffer),
  });
  const WEIGHT = 'features.3.conv.1.0.weight';

  it('scales and zero points that are missing, by name', async () => {
    for (const name of ['quant.scale', 'features.3.skip_add.zero_point', 'features.18.0.scale', 'classifier.1.scale']) {
      await expectError(() => changed((tensors) => tensors.delete(name)), {
        code: 'QUANT',
        tensor: name,
        says: [name],
      });
    }
  });

  it('those of a block that has no sum may be missing', async () => {
    const state = await changed((tensors) => {
      for (const part of ['scale', 'zero_point']) tensors.delete(`features.2.skip_add.${part}`);
    });
    expect(state.has('mobilenet_v2.layer.1.add.scale')).toBe(true);
    expect(state.has('mobilenet_v2.layer.0.add.scale')).toBe(false);
  });

  it.each([
    ['quant.scale', 0],
    ['quant.scale', Number.NaN],
    ['features.18.0.scale', Infinity],
    ['features.18.0.zero_point', 256],
    ['features.18.0.zero_point', 0.5],
    ['features.18.0.zero_point', -1],
  ])('%s of %d', async (name, value) => {
    await expectError(() => withFields(name, one(value)), { code: 'QUANT', file: FILE, tensor: name });
  });

  it('weights that are not quantized as the others are', async () => {
    const expected = { code: 'QUANT', file: FILE, tensor: WEIGHT } as const;
    await expectError(() => withFields(WEIGHT, () => ({ dtype: 'U8' })), expected);
    const bad = (fields: object) => () =>
      withFields(WEIGHT, ({ quantization }) => ({ quantization: { ...quantization!, ...fields } }));
    await expectError(bad({ axis: 1 }), expected);
    await expectError(bad({ axis: null, scales: [1], zeroPoints: [128] }), expected);
    const mixed = withFields(WEIGHT, ({ quantization }) => ({
      quantization: { ...quantization!, zeroPoints: quantization!.zeroPoints.map((_, i) => i % 2) },
    }));
    await expectError(() => mixed, expected);
  });

  it('a bias that leaves 32 bits', async () => {
    const name = 'features.0.0.bias';
    const huge = withFields(name, ({ dims }) => ({
      bytes: new Uint8Array(new Float32Array(dims[0]).fill(1e9).buffer),
    }));
    await expectError(() => huge, { code: 'QUANT', tensor: name });
  });

  it('a classifier of another shape of file is found too', async () => {
    const packed = 'classifier.1._packed_params._packed_params';
    const wanted = await changed(() => {});
    const state = await changed((tensors) => {
      for (const [i, part] of ['weight', 'bias'].entries()) {
        tensors.set(`classifier.1._packed_params.${part}`, tensors.get(`${packed}.${i}`)!);
        tensors.delete(`${packed}.${i}`);
      }
    });
    expect(state.get('classifier.weight')!.data).toEqual(wanted.get('classifier.weight')!.data);
    expect(state.get('classifier.bias')!.data).toEqual(wanted.get('classifier.bias')!.data);
  });
});

const python = pythonWith(['torch', 'torchvision'], "torchvision's quantized networks");

it.skipIf(python === undefined)('networks made at random, beside torch', { timeout: 0 }, async () => {
  const place = temporaryFolder();
  const recipe = fileURLToPath(new URL('make_torchvision_quant.py', GOLDENS));
  execFileSync(python!, [recipe, place], { stdio: ['ignore', 'ignore', 'pipe'] });
  const pictures = new Uint8Array(readFileSync(join(place, 'pictures')));
  const wanted = floats(new Uint8Array(readFileSync(join(place, 'qnnpack.logits'))));
  const { most, same, count } = await beside(await convert(join(place, 'qnnpack.pth')), pictures, wanted);
  expect([most, same, count]).toEqual([0, 16, 16]);
  for (const backend of BACKENDS) {
    const [{ state }, legacy] = [
      await convert(join(place, `${backend}.pth`)),
      await convert(join(place, `${backend}.legacy.pth`)),
    ];
    expect([...legacy.state.keys()]).toEqual([...state.keys()]);
    for (const [name, { data }] of legacy.state) expect([name, data]).toEqual([name, state.get(name)!.data]);
  }
});
