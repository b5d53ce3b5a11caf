/**
 * The original quantized networks against LiteRT (goldens of ../shared, whose README has the recipe): every operator of the
 * four files has the same output bytes as XNNPACK's, and so have pictures and masks.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { convert } from '../../src/entries/convert-node.js';
import {
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  Tensor,
} from '../../src/entries/main-node.js';
import { findI16Kernel } from '../../src/layers/kernels-i16.js';
import type { I16Spec } from '../../src/layers/spec.js';
import type { State } from '../../src/models/mobilenet-v2/weights.js';
import { readGoldens } from '../helpers/goldens.js';
import { pythonWith } from '../helpers/python.js';
import { randomNumbers } from '../helpers/random.js';
import { shared } from '../helpers/shared.js';

const FOLDER = 'goldens/quantized/';
const there = existsSync(shared(`${FOLDER}networks.json`));
if (!there) console.warn('skipped: the quantized networks need ../shared/goldens/quantized and ../shared/tflite');

const CLASSIFIERS = ['mobilenet_v2_1.0_224_quant', 'tf2_mobilenet_v2_1.0_224_ptq'];
const SEGMENTERS = ['deeplabv3_mnv2_pascal_quant', 'deeplabv3_mnv2_dm05_pascal_quant'];
const PICTURES = ['cat', 'dog_segmentation', 'grace_hopper', 'parrot', 'bird_segmentation'];
/** What a file has before and after the network, or what moves nothing. */
const AROUND = ['QUANTIZE', 'RESHAPE', 'SOFTMAX', 'ARG_MAX'];

/** A model of a file, and how its pictures enter: a byte is what its preprocessor makes of it. */
async function load(name: string) {
  const { architecture, config, state, preprocessor } = await convert(shared(`tflite/${name}.tflite`));
  const Model =
    architecture === 'MobileNetV2ForImageClassification'
      ? MobileNetV2ForImageClassification
      : MobileNetV2ForSemanticSegmentation;
  const { image_mean: mean, image_std: std } = preprocessor as Record<string, number[]>;
  const enter = (bytes: Uint8Array, size: number) => {
    const data = new Float32Array(3 * size * size);
    for (let p = 0; p < size * size; p++) {
      for (let c = 0; c < 3; c++) data[c * size * size + p] = (bytes[3 * p + c] / 255 - mean[c]) / std[c];
    }
    return new Tensor('float32', data, [1, 3, size, size]);
  };
  return { model: new Model(config, { state, device: 'wasm' }), state, enter };
}

/** The bytes of a value as TFLite has them: NHWC, counted from 0 or −128. */
function rawBytes(value: Tensor<'float32'>, path: string, state: State): Uint8Array {
  const scale = state.get(`${path}.scale`)!.data[0] as number;
  const zero = Number(state.get(`${path}.zero_point`)!.data[0]);
  const [batch, channels, height = 1, width = 1] = value.dims;
  expect(batch).toBe(1);
  const raw = new Uint8Array(value.size);
  const pixels = height * width;
  for (let c = 0; c < channels; c++) {
    for (let p = 0; p < pixels; p++) raw[p * channels + c] = Math.round(value.data[c * pixels + p] / scale) + zero;
  }
  return raw;
}

const pathOf = (node: string) => (/^(classifier$|segmentation_head\.)/.test(node) ? node : `mobilenet_v2.${node}`);
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

function pictureOf(name: string, size: number): Uint8Array {
  if (size === 224) return readGoldens(shared(`${FOLDER}inputs_224.safetensors`)).get(name)!.data as Uint8Array;
  const { data } = PNG.sync.read(readFileSync(shared(`${FOLDER}input_${size}_${name}.png`)));
  return Uint8Array.from({ length: 3 * size * size }, (_, i) => data[Math.floor(i / 3) * 4 + (i % 3)]);
}

interface Networks {
  models: Record<string, Record<string, { ops?: { op: string; shape: number[]; xnn: string }[] }>>;
}

describe.skipIf(!there)('the original quantized networks', () => {
  const { models } = there
    ? (JSON.parse(readFileSync(shared(`${FOLDER}networks.json`), 'utf8')) as Networks)
    : { models: {} };

  it.each([...CLASSIFIERS, ...SEGMENTERS])('%s: every operator has LiteRT’s bytes', async (name) => {
    const [picture, { ops }] = Object.entries(models[name]).find(([, about]) => about.ops !== undefined)!;
    const { model, state, enter } = await load(name);
    const size = CLASSIFIERS.includes(name) ? 224 : 513;
    const nodes = model.graph.nodes.map((node) => node.name).filter((node) => state.has(`${pathOf(node)}.scale`));
    const values = await model.activations(enter(pictureOf(picture, size), size), nodes);
    const ours = new Set([...values].map(([node, value]) => digest(rawBytes(value, pathOf(node), state))));
    // The last two of a segmenter enlarge the logits; masks below look at them.
    const wanted = ops!.filter(
      ({ op, shape }) => !AROUND.includes(op) && !(op === 'RESIZE_BILINEAR' && shape[3] === 21),
    );
    expect(wanted.length).toBeGreaterThan(60);
    expect(wanted.filter(({ xnn }) => !ours.has(xnn)).map(({ op, shape }) => `${op} [${shape}]`)).toEqual([]);
  });

  it.each(CLASSIFIERS)('%s: the logits of five pictures', async (name) => {
    const goldens = readGoldens(shared(`${FOLDER}${name}.safetensors`));
    const { model, state, enter } = await load(name);
    for (const picture of PICTURES) {
      const { logits } = await model(enter(pictureOf(picture, 224), 224));
      const wanted = goldens.get(`${picture}.xnn.logits`)!.data as Uint8Array;
      expect(Buffer.compare(rawBytes(logits, 'classifier', state), new Uint8Array(wanted.buffer)), picture).toBe(0);
    }
  });

  it.each(SEGMENTERS)('%s: the masks of three pictures', async (name) => {
    const { model, state, enter } = await load(name);
    const min = -Number(state.get('segmentation_head.classifier.zero_point')!.data[0]);
    for (const picture of ['bird_segmentation', 'dog_segmentation', 'grace_hopper']) {
      const { logits } = await model(enter(pictureOf(picture, 513), 513));
      const raw = Int16Array.from(rawBytes(logits, 'segmentation_head.classifier', state), (byte) => byte + min);
      const classes = classesOf(raw, logits.dims[2], 513, min);
      const { data } = PNG.sync.read(readFileSync(shared(`${FOLDER}${name}_${picture}_xnn.png`)));
      const wanted = Uint8Array.from(classes, (_, i) => data[4 * i]);
      expect(Buffer.compare(Uint8Array.from(classes), wanted), picture).toBe(0);
    }
  });
});

const python = there ? pythonWith(['ai_edge_litert', 'numpy'], 'New pictures against LiteRT') : undefined;

describe.skipIf(python === undefined)('new pictures against LiteRT', () => {
  // The operator that makes the logits, by its place in the file.
  it.each([
    [CLASSIFIERS[0], 63, 224, 24],
    [CLASSIFIERS[1], 65, 224, 24],
    [SEGMENTERS[0], 68, 513, 2],
    [SEGMENTERS[1], 68, 513, 4],
  ])('%s', async (name, operator, size, count) => {
    const folder = mkdtempSync(join(tmpdir(), 'litert-'));
    const pictures = Array.from({ length: count }, (_, i) => newPicture(i, size));
    writeFileSync(join(folder, 'pictures'), Buffer.concat(pictures));
    const script = fileURLToPath(new URL('litert-logits.py', import.meta.url));
    const [from, to] = ['pictures', 'logits'].map((file) => join(folder, file));
    execFileSync(python!, [script, shared(`tflite/${name}.tflite`), String(operator), from, to], { stdio: 'pipe' });
    const wanted = readFileSync(to);
    rmSync(folder, { recursive: true });
    const { model, state, enter } = await load(name);
    const path = size === 224 ? 'classifier' : 'segmentation_head.classifier';
    const found: Uint8Array[] = [];
    for (const picture of pictures) found.push(rawBytes((await model(enter(picture, size))).logits, path, state));
    expect(Buffer.concat(found).equals(wanted)).toBe(true);
    expect(new Set(wanted).size).toBeGreaterThan(50);
  });
});

/** A part of a photograph, mirrored or not, or waves of color: pictures that no golden has. */
function newPicture(seed: number, size: number): Uint8Array {
  const random = randomNumbers(seed + 1);
  const names = ['bird_segmentation', 'dog_segmentation', 'grace_hopper'];
  const photograph = pictureOf(names[seed % 3], 513);
  const [left, top, mirrored] = [random(), random(), random() < 0.5 ? 1 : -1];
  const isWaves = seed % 4 === 3;
  return Uint8Array.from({ length: 3 * size * size }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % size, Math.floor(i / 3 / size), i % 3];
    if (isWaves) return 128 + 127 * Math.sin((x * left + y * top) * (0.1 + 0.2 * c) + c);
    const column = (Math.floor(left * 513) + mirrored * x + 1026) % 513;
    return photograph[3 * (((Math.floor(top * 513) + y) % 513) * 513 + column) + c];
  });
}

/** What the file does after the logits: enlarged as whole numbers, then the class with the most. */
function classesOf(x: Int16Array, from: number, to: number, min: number): Int16Array {
  const channels = x.length / from / from;
  const run = (spec: I16Spec, input: Int16Array, length: number) => {
    const y = new Int16Array(length);
    const none = { weights: new Int8Array(0), bias: new Int32Array(0), multiplier: new Float32Array(0) };
    findI16Kernel(spec, ['js', 'reference']).run(spec, { ...none, x: input, other: new Int16Array(0), y });
    return y;
  };
  const sizes = { batch: 1, inHeight: from, inWidth: from, channels, outHeight: to, outWidth: to, alignCorners: true };
  const large = run({ op: 'resize_bilinear', dtype: 'i16', ...sizes, min }, x, to * to * channels);
  return run({ op: 'argmax', dtype: 'i16', pixels: to * to, channels }, large, to * to);
}
