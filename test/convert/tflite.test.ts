/**
 * The TFLite files in ../shared: four quantized ones and one of floats. What comes out is held against checkpoints that were
 * made of the same files in Python, against itself dequantized, and against transformers where there is one.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mapped } from '../../src/base/mapped.js';
import { type Converted, convert } from '../../src/entries/convert-node.js';
import {
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  Tensor,
} from '../../src/entries/main-node.js';
import { loadWeights } from '../../src/formats/load.js';
import { readSafetensors } from '../../src/formats/safetensors.js';
import { toFloat32 } from '../../src/formats/stored.js';
import { foldFactors } from '../../src/layers/batch-norm/fold.js';
import { GRAPHS } from '../../src/models/mobilenet-v2/checkpoint.js';
import type { State } from '../../src/models/mobilenet-v2/weights.js';
import { openLocalFolder } from '../../src/platforms/node/files.js';
import { temporaryFolder } from '../helpers/cli.js';
import { pythonWith } from '../helpers/python.js';
import { randomNumbers } from '../helpers/random.js';
import { shared, sharedFile, sharedFiles } from '../helpers/shared.js';
import { expectError, memoryFolder } from '../helpers/weight-files.js';

/** The files, the checkpoints in ../shared/weights that were made of them, and what they are. */
const FILES = {
  'mobilenet_v2_1.0_224_quant': {
    weights: 'mobilenet_v2_1.0_224',
    dtype: 'uint8',
    multiplier: 1,
    stride: 32,
    zero: 128,
  },
  'tf2_mobilenet_v2_1.0_224_ptq': { weights: undefined, dtype: 'int8', multiplier: 1, stride: 32, zero: -1 },
  deeplabv3_mnv2_pascal_quant: {
    weights: 'deeplabv3_mobilenet_v2_1.0_513',
    dtype: 'uint8',
    multiplier: 1,
    stride: 16,
    zero: 128,
  },
  deeplabv3_mnv2_dm05_pascal_quant: {
    weights: 'deeplabv3_mobilenet_v2_0.5_513',
    dtype: 'uint8',
    multiplier: 0.5,
    stride: 16,
    zero: 128,
  },
  deeplabv3_257_mv_gpu: {
    weights: 'deeplabv3_mobilenet_v2_0.5_257',
    dtype: 'float32',
    multiplier: 0.5,
    stride: 8,
    zero: undefined,
  },
} as const;
type Name = keyof typeof FILES;
const present = new Set(sharedFiles('tflite'));
const NAMES = (Object.keys(FILES) as Name[]).filter((name) => present.has(`${name}.tflite`));
const QUANTIZED = NAMES.filter((name) => FILES[name].zero !== undefined);

const read = (name: Name, dtype?: 'fp32') => convert(shared(`tflite/${name}.tflite`), { ...(dtype && { dtype }) });

const floatsOf = (state: State, name: string) => state.get(name)!.data as Float32Array;

/** The largest difference; an expectation for each of millions of numbers would take minutes. */
function furthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = a.length === b.length ? 0 : Number.NaN;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

/** Weights and bias of a layer with its batch norm folded, as float64. */
function folded(floats: (name: string) => Float32Array | undefined, layer: string, epsilon: number) {
  const weight = floats(`${layer}.convolution.weight`)!;
  const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
    (part) => floats(`${layer}.normalization.${part}`)!,
  );
  const { scale, bias } = foldFactors({ gamma, beta, mean, variance, epsilon });
  const each = weight.length / scale.length;
  return {
    weight: mapped(new Float64Array(weight.length), weight, (value, i) => value * scale[Math.floor(i / each)]),
    bias,
  };
}

const convolutions = ({ config, architecture }: Converted) =>
  GRAPHS[architecture](config).nodes.flatMap((node) => (node.op === 'convolution' && node.norm !== null ? [node] : []));

describe.each(NAMES)('%s', (name) => {
  const { weights, dtype, multiplier, stride } = FILES[name];

  it('is found to be what it is', async () => {
    const converted = await read(name);
    const isSegmenter = name.startsWith('deeplab');
    expect(converted).toMatchObject({ from: 'tflite', dtype, unmapped: [] });
    expect(converted.architecture).toBe(
      `MobileNetV2For${isSegmenter ? 'SemanticSegmentation' : 'ImageClassification'}`,
    );
    const { config } = converted;
    expect(config).toMatchObject({
      depth_multiplier: multiplier,
      output_stride: stride,
      tf_padding: true,
      hidden_act: 'relu6',
    });
    expect(config.num_labels).toBe(isSegmenter ? 21 : 1001);
    if (!isSegmenter) expect(config.id2label[1]).toBe('tench, Tinca tinca');
    const side = isSegmenter ? Number(/257/.exec(name)?.[0] ?? 513) : 224;
    expect(config.image_size).toBe(side);
    expect(converted.preprocessor).toMatchObject({
      size: { shortest_edge: isSegmenter ? side : 256 },
      crop_size: { height: side, width: side },
    });
  });

  it.skipIf(weights === undefined)('in floats is the checkpoint that was made of it in Python', async () => {
    const folder = await openLocalFolder(shared(`weights/${weights}`));
    const { tensors } = await loadWeights(folder);
    const converted = await read(name, 'fp32');
    const theirs = (tensor: string) => toFloat32(tensors.get(tensor)!).data;
    const ours = (tensor: string) => floatsOf(converted.state, tensor);
    const layers = convolutions(converted).filter(({ weight }) => converted.state.has(weight));
    expect(layers).toHaveLength(converted.architecture.endsWith('Classification') ? 52 : 54);
    for (const { weight, norm } of layers) {
      const layer = weight.replace('.convolution.weight', '');
      const [a, b] = [folded(ours, layer, norm!.epsilon), folded(theirs, layer, norm!.epsilon)];
      // Theirs was unfolded in float64 and rounded to float32 twice.
      const largest = furthest(a.weight, new Float64Array(a.weight.length));
      expect(furthest(a.weight, b.weight)).toBeLessThanOrEqual(4e-7 * largest);
      expect(furthest(a.bias, b.bias)).toBeLessThanOrEqual(
        3e-6 * (1 + furthest(a.bias, new Float32Array(a.bias.length))),
      );
    }
    const head = converted.architecture.endsWith('Classification')
      ? 'classifier'
      : 'segmentation_head.classifier.convolution';
    for (const part of ['weight', 'bias']) expect(furthest(ours(`${head}.${part}`), theirs(`${head}.${part}`))).toBe(0);
  });

  it('in floats folds to the very numbers of the file', async () => {
    const converted = await read(name, 'fp32');
    for (const { weight, norm } of convolutions(converted)) {
      if (!converted.state.has(weight)) continue;
      const layer = weight.replace('.convolution.weight', '');
      const fold = folded((tensor) => floatsOf(converted.state, tensor), layer, norm!.epsilon);
      expect(furthest(new Float32Array(fold.weight), floatsOf(converted.state, weight))).toBe(0);
      expect(furthest(fold.bias, floatsOf(converted.state, `${layer}.normalization.bias`))).toBe(0);
    }
  });
});

describe.each(QUANTIZED)('%s, quantized', (name) => {
  const { dtype, zero } = FILES[name];

  it('has whole numbers that stand for those of its float form', async () => {
    const [{ state, config, architecture }, floats] = [await read(name), await read(name, 'fp32')];
    expect(config.extra.quantization_config).toEqual({ quant_method: 'mobilenet-v2', dtype });
    expect(floats.config.extra.quantization_config).toBeUndefined();
    const scaleOf = (path: string) => floatsOf(state, `${path}.scale`)[0];
    for (const node of GRAPHS[architecture](config).nodes) {
      const prefix = /^(?:classifier|segmentation_head)/.test(node.name) ? '' : 'mobilenet_v2.';
      if (node.name === 'conv_1x1' && architecture.endsWith('Segmentation')) continue;
      // Every value has a scale and a zero point in its range.
      const zeroPoint = state.get(`${prefix}${node.name}.zero_point`)!;
      expect([zeroPoint.type, zeroPoint.dims, scaleOf(`${prefix}${node.name}`) > 0]).toEqual(['int32', [], true]);
      expect(Number(zeroPoint.data[0])).toBeGreaterThanOrEqual(dtype === 'uint8' ? 0 : -128);
      expect(Number(zeroPoint.data[0])).toBeLessThanOrEqual(dtype === 'uint8' ? 255 : 127);
      if (node.op !== 'convolution' && node.op !== 'linear') continue;
      const path = node.weight.slice(0, -'.weight'.length);
      const weight = state.get(`${path}.weight`)!;
      const scale = state.get(`${path}.weight_scale`)!;
      const bias = state.get(`${path}.bias`)!;
      expect([scale.type, bias.type, scale.dims, bias.dims]).toEqual([
        'float32',
        'int32',
        [node.outChannels],
        [node.outChannels],
      ]);
      const real = floatsOf(floats.state, `${path}.weight`);
      expect(weight.dims).toEqual(floats.state.get(`${path}.weight`)!.dims);
      const each = weight.size / node.outChannels;
      const zero = Number(state.get(`${path}.weight_zero_point`)?.data[0] ?? 0);
      const again = Float32Array.from(
        real,
        (_, i) => (Number(weight.data[i]) - zero) * Number(scale.data[Math.floor(i / each)]),
      );
      expect(weight.type).toBe('int8');
      expect(furthest(again, real)).toBe(0);
      const wide = weight.data.some((value: number | bigint) => value < -128 || value > 127);
      expect(weight.type).toBe(wide ? 'int16' : 'int8');
      // Biases are at the scale of input times weight.
      const input =
        node.input === 'pixel_values'
          ? node.input
          : `${/^(?:classifier|segmentation_head)/.test(node.input) ? '' : 'mobilenet_v2.'}${node.input}`;
      const shift = floatsOf(
        floats.state,
        node.op === 'linear' ? 'classifier.bias' : (node.bias ?? `${node.norm!.prefix}.bias`),
      );
      const products = Float64Array.from(
        shift,
        (_, k) => Number(bias.data[k]) * scaleOf(input) * Number(scale.data[k]),
      );
      const ratios = shift.map((value, k) => (value === 0 ? products[k] : products[k] / value - 1));
      expect(furthest(ratios, new Float32Array(ratios.length))).toBeLessThanOrEqual(3e-7);
    }
    expect(Number(state.get('pixel_values.zero_point')!.data[0])).toBe(zero);
  });

  it('turns a byte of a picture into the number of the file', async () => {
    const { state, preprocessor } = await read(name);
    const scale = floatsOf(state, 'pixel_values.scale')[0];
    const zeroPoint = Number(state.get('pixel_values.zero_point')!.data[0]);
    const { image_mean, image_std, rescale_factor } = preprocessor as Record<string, number[]>;
    const low = dtype === 'uint8' ? 0 : -128;
    for (let byte = 0; byte < 256; byte++) {
      const value = Math.fround((byte * Number(rescale_factor) - image_mean[0]) / image_std[0]);
      const raw = Math.fround(value / scale) + zeroPoint;
      expect(Math.abs(raw - (byte + low))).toBeLessThan(1e-3);
    }
  });

  it('is written as it is, and not as half of it', async () => {
    const converted = await read(name);
    const files = converted.files();
    const { tensors } = readSafetensors(files.get('model.safetensors')!, { file: name });
    expect([...tensors.keys()].sort()).toEqual([...converted.state.keys()].sort());
    const stored = { float32: 'F32', int32: 'I32', int16: 'I16', int8: 'I8', int64: 'I64' } as const;
    for (const [tensor, { type, data }] of converted.state) {
      const { dtype, bytes } = tensors.get(tensor)!;
      expect(dtype).toBe(stored[type]);
      expect(Buffer.compare(bytes, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))).toBe(0);
    }
    const config = JSON.parse(new TextDecoder().decode(files.get('config.json')));
    expect(config.quantization_config).toEqual({ quant_method: 'mobilenet-v2', dtype });
    await expectError(async () => converted.files({ dtype: 'float16' }), { code: 'ARG', says: ["dtype: 'fp32'"] });
  });
});

/** transformers on the same pixels: its output, and which tensors it missed. */
const RECIPE = `
import sys, json, numpy, torch, transformers
folder, pixels, out, name = sys.argv[1:5]
transformers.logging.set_verbosity_error()
x = torch.from_numpy(numpy.fromfile(pixels, dtype=numpy.float32)).reshape(json.loads(sys.argv[5]))
model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
with torch.no_grad(): logits = model.eval()(pixel_values=x).logits
logits.contiguous().numpy().astype(numpy.float32).tofile(out)
print(json.dumps({key: sorted(info[key]) for key in ('missing_keys', 'unexpected_keys')}))
`;
const python = NAMES.length > 0 ? pythonWith(['torch', 'transformers', 'numpy'], 'loading in transformers') : undefined;

it.skipIf(python === undefined).each(NAMES)('%s in floats loads in transformers', { timeout: 0 }, async (name) => {
  const converted = await read(name, 'fp32');
  const folder = temporaryFolder();
  await converted.save_pretrained(folder);
  const side = Number(converted.config.image_size);
  const dims = [1, 3, side, side];
  const next = randomNumbers(7);
  const pixels = Float32Array.from({ length: 3 * side * side }, () => 2 * next() - 1);
  const [pixelFile, outFile] = ['pixels.bin', 'out.bin'].map((file) => join(folder, file));
  writeFileSync(pixelFile, pixels);
  const args = ['-c', RECIPE, folder, pixelFile, outFile, converted.architecture, JSON.stringify(dims)];
  const info = JSON.parse(execFileSync(python!, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  expect(info.unexpected_keys).toEqual([]);
  expect(
    info.missing_keys.filter((key: string) => !key.startsWith('mobilenet_v2.conv_1x1.') || !name.startsWith('deeplab')),
  ).toEqual([]);
  const theirs = new Float32Array(new Uint8Array(readFileSync(outFile)).buffer);
  const own = memoryFolder(Object.fromEntries(converted.files()));
  const model = name.startsWith('deeplab')
    ? await MobileNetV2ForSemanticSegmentation.from_pretrained(own, { threads: 1 })
    : await MobileNetV2ForImageClassification.from_pretrained(own, { threads: 1 });
  const { logits } = await model({ pixel_values: new Tensor('float32', pixels, dims) });
  model.dispose();
  const largest = furthest(theirs, new Float32Array(theirs.length));
  expect(logits.data).toHaveLength(theirs.length);
  expect(furthest(logits.data as Float32Array, theirs)).toBeLessThanOrEqual(1e-4 * Math.max(1, largest));
});

describe('options', () => {
  const file = sharedFile('tflite/mobilenet_v2_1.0_224_quant.tflite');

  it.skipIf(file === undefined)('head: false takes the backbone alone', async () => {
    const converted = await convert(file!, { head: false });
    expect(converted).toMatchObject({ architecture: 'MobileNetV2Model', dtype: 'uint8' });
    expect(converted.state.has('layer.3.conv_3x3.convolution.weight')).toBe(true);
    expect(converted.state.has('pooler.scale')).toBe(true);
    expect([...converted.state.keys()].filter((name) => /classifier|mobilenet_v2/.test(name))).toEqual([]);
    const floats = await convert(file!, { head: false, dtype: 'float32' });
    expect(floats.state.get('conv_1x1.convolution.weight')!.dims).toEqual([1280, 320, 1, 1]);
  });

  it.skipIf(file === undefined)('labels and size replace those of the file', async () => {
    const labels = Array.from({ length: 1001 }, (_, i) => `class ${i}`);
    const { config, preprocessor } = await convert(file!, { labels, size: 192 });
    expect(config.id2label[7]).toBe('class 7');
    expect(config.image_size).toBe(192);
    expect(preprocessor).toMatchObject({ size: { shortest_edge: 219 }, crop_size: { height: 192, width: 192 } });
  });

  it('dtype is fp32 or nothing', () =>
    expectError(() => convert(new Uint8Array(9), { dtype: 'int8' as 'fp32' }), { code: 'ARG', says: ['fp32'] }));
});
