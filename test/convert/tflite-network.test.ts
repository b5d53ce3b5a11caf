/** Networks written by code, so that every number that comes out is known; and files as models, as users load them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import { openModelFile } from '../../src/convert/model-file.js';
import { convert } from '../../src/entries/convert-node.js';
import {
  AutoConfig,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2Model,
  pipeline,
  RawImage,
  Tensor,
} from '../../src/entries/main-node.js';
import { normalizationOf } from '../../src/formats/tflite/metadata.js';
import { readTflite } from '../../src/formats/tflite/tflite.js';
import { temporaryFolder } from '../helpers/cli.js';
import { listenInTest } from '../helpers/loopback.js';
import { shared, sharedFiles } from '../helpers/shared.js';
import {
  type NetworkOptions,
  normalizationMetadata,
  type TfliteWriter,
  tfliteNetwork,
} from '../helpers/tflite-files.js';
import { waves } from '../helpers/waves.js';
import { concat, expectError, memoryFolder, utf8, zip } from '../helpers/weight-files.js';

const file = 'net.tflite';
const segmenter = {
  architecture: 'MobileNetV2ForSemanticSegmentation',
  size: 33,
  config: { output_stride: 16 },
} as const;

const CASES: Record<string, NetworkOptions> = {
  'uint8, as TensorFlow 1 converts': { dtype: 'uint8', last: 'SOFTMAX' },
  'int8, as Keras converts': { dtype: 'int8', keras: true, last: 'SOFTMAX' },
  'uint8 segmenter': { dtype: 'uint8', ...segmenter },
  'int8 segmenter of stride 8': {
    dtype: 'int8',
    ...segmenter,
    config: { output_stride: 8, depth_multiplier: 0.5, depth_divisible_by: 4 },
  },
  float32: { dtype: 'float32' },
  'float32 with float16 weights': { dtype: 'float32', half: true, keras: true },
  'float32 segmenter': { dtype: 'float32', ...segmenter },
  'a backbone with its pooling': { dtype: 'int8', architecture: 'MobileNetV2Model' },
  'relu in place of relu6': { dtype: 'float32', config: { hidden_act: 'relu' } },
};

describe.each(Object.entries(CASES))('%s', (_, options) => {
  it('every number has its place', async () => {
    const { bytes, found, config } = tfliteNetwork(options);
    const converted = await convert(bytes, { file });
    expect(converted.architecture).toBe(options.architecture ?? 'MobileNetV2ForImageClassification');
    expect(converted.dtype).toBe(options.dtype);
    for (const field of [
      'output_stride',
      'hidden_act',
      'depth_multiplier',
      'depth_divisible_by',
      'tf_padding',
    ] as const) {
      expect([field, converted.config[field]]).toEqual([field, config[field]]);
    }
    const { state } = converted;
    if (options.dtype === 'float32') {
      // Batch norm is a shift.
      for (const [name, { data, dims }] of found) {
        const ours = state.get(name) ?? state.get(name.replace('.convolution.bias', '.normalization.bias'));
        expect([name, ours?.dims, Array.from(ours!.data as Float32Array)]).toEqual([name, dims, Array.from(data)]);
      }
      return;
    }
    expect([...state.keys()].filter((name) => !name.endsWith('.weight_zero_point')).sort()).toEqual(
      [...found.keys()].sort(),
    );
    for (const [name, { data, dims }] of found) {
      const ours = state.get(name)!;
      const zero = Number(state.get(`${name}_zero_point`)?.data[0] ?? 0);
      const values = Array.from(ours.data as Int8Array, (value) => value - zero);
      expect([name, ours.dims, values]).toEqual([name, dims, Array.from(data)]);
    }
  });
});

describe('what a file of floats may do before and after the network', () => {
  const keras = (change: (writer: TfliteWriter) => void, more: Partial<NetworkOptions> = {}) =>
    tfliteNetwork({ dtype: 'float32', keras: true, ...more, change }).bytes;

  /** Puts operators between the input and the first layer. */
  function enters(writer: TfliteWriter, steps: [op: 'MUL' | 'SUB' | 'ADD', values: number[]][]): void {
    const [input] = writer.inputs;
    const first = writer.operators.splice(0);
    let value = writer.tensor({ dims: [1, 32, 32, 3], type: 'F32', name: 'bytes' });
    writer.inputs = [value];
    steps.forEach(([op, values], i) => {
      const data = new Uint8Array(Float32Array.from(values).buffer);
      const constant = writer.tensor({ dims: [values.length], type: 'F32', data });
      const out = i === steps.length - 1 ? input : writer.tensor({ dims: [1, 32, 32, 3], type: 'F32' });
      writer.operator(op, [value, constant], [out], [op === 'MUL' ? 21 : op === 'SUB' ? 28 : 11, { 0: ['i8', 0] }]);
      value = out;
    });
    writer.operators.push(...first);
  }

  it('scaling becomes mean and deviation of pixels', async () => {
    const bytes = keras((writer) =>
      enters(writer, [
        ['MUL', [1 / 127.5]],
        ['SUB', [1]],
      ]),
    );
    const { preprocessor, notes } = await convert(bytes, { file });
    expect(notes).toEqual([]);
    for (const name of ['image_mean', 'image_std']) {
      for (const value of preprocessor![name] as number[]) expect(value).toBeCloseTo(0.5, 6);
    }
    const own = keras((writer) => enters(writer, [['ADD', [1, 2, 3]]]));
    const { preprocessor: other } = await convert(own, { file, pixelRange: [0, 1] });
    expect(other!.image_mean).toEqual([-1, -2, -3]);
  });

  it('metadata say how pixels are normalized', async () => {
    const says = (mean: number[], std: number[], more: (writer: TfliteWriter) => void = () => {}) =>
      keras((writer) => {
        writer.metadata = normalizationMetadata(mean, std);
        more(writer);
      });
    const { preprocessor, notes } = await convert(says([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]), { file });
    expect(notes).toEqual([]);
    const { image_mean, image_std } = preprocessor as Record<string, number[]>;
    for (const [c, mean] of [0.485, 0.456, 0.406].entries()) expect(image_mean[c]).toBeCloseTo(mean, 6);
    for (const [c, std] of [0.229, 0.224, 0.225].entries()) expect(image_std[c]).toBeCloseTo(std, 6);
    // One for all channels, and layers of the file after it: (x / 2 + 1) is what the first layer gets.
    const after = await convert(
      says([0], [2], (writer) => enters(writer, [['ADD', [1]]])),
      { file },
    );
    for (const mean of after.preprocessor!.image_mean as number[]) expect(mean).toBeCloseTo(-2 / 255, 6);
    for (const std of after.preprocessor!.image_std as number[]) expect(std).toBeCloseTo(2 / 255, 6);
    // What the caller says counts more.
    const told = await convert(says([0], [1]), { file, pixelRange: [0, 1] });
    expect(told.preprocessor!.image_std).toEqual([1, 1, 1]);
  });

  it.each([
    [
      [0, 0],
      [1, 1],
    ],
    [[], []],
    [[Number.NaN], [1]],
    [[0], [0]],
    [[0], [Infinity]],
  ])('metadata of mean %j and deviation %j say nothing', async (mean, std) => {
    const bytes = keras((writer) => {
      writer.metadata = normalizationMetadata(mean, std);
    });
    const { preprocessor, notes } = await convert(bytes, { file });
    expect(preprocessor!.image_mean).toEqual([0.5, 0.5, 0.5]);
    expect(notes.join()).toContain('does not say between which numbers pixels lie');
  });

  it('metadata that are damaged end in an error of ours', async () => {
    const metadata = normalizationMetadata([127.5], [127.5]);
    let refused = 0;
    for (let at = 0; at < metadata.length; at++) {
      for (const damaged of [metadata.subarray(0, at), metadata.map((byte, i) => (i === at ? byte ^ 0xff : byte))]) {
        try {
          normalizationOf(damaged, file);
        } catch (error) {
          expect(error).toMatchObject({ code: 'FLATBUFFER', file: `${file}/TFLITE_METADATA` });
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(metadata.length);
  });

  it.each(sharedFiles('tflite').filter((name) => /mobilenet_v2.*\.tflite$/.test(name) && !name.startsWith('deeplab')))(
    'the metadata of %s are read',
    (name) => {
      const { metadata } = readTflite(new Uint8Array(readFileSync(shared(`tflite/${name}`))), { file: name });
      expect(normalizationOf(metadata!, name)).toEqual({ mean: [127.5], std: [127.5] });
    },
  );

  it('one output and a sigmoid are two classes', async () => {
    const { state, config, notes } = await convert(
      keras(() => {}, { last: 'LOGISTIC', config: { num_labels: 1, problem_type: null } }),
      { file },
    );
    expect(config.num_labels).toBe(2);
    expect(notes.join()).toContain('two classes');
    expect(Array.from(state.get('classifier.weight')!.data.subarray(0, 8) as Float32Array)).toEqual(
      new Array(8).fill(0),
    );
    const whole = tfliteNetwork({ dtype: 'int8', keras: true, last: 'LOGISTIC', config: { num_labels: 1 } });
    const quantized = await convert(whole.bytes, { file });
    const { data, dims } = quantized.state.get('classifier.weight')!;
    expect(dims[0]).toBe(2);
    expect(Array.from(data.subarray(0, dims[1]) as Int8Array)).toEqual(new Array(dims[1]).fill(0));
    expect(Array.from(data.subarray(dims[1]) as Int8Array)).toEqual(
      Array.from(whole.found.get('classifier.weight')!.data),
    );
    expect(quantized.state.get('classifier.bias')!.data[0]).toBe(0);
  });

  it('several and a sigmoid are labels that may be together', async () => {
    const { config } = await convert(
      keras(() => {}, { last: 'LOGISTIC' }),
      { file },
    );
    expect(config).toMatchObject({ num_labels: 5, problem_type: 'multi_label_classification' });
  });

  it('padding apart from the convolution, as Keras has it', async () => {
    const padded = (amounts: number[]) =>
      keras((writer) => {
        const at = writer.operators.findIndex(({ op }) => op === 'CONV_2D');
        const conv = writer.operators[at];
        const table = writer.tensor({
          dims: [4, 2],
          type: 'I32',
          data: new Uint8Array(Int32Array.from(amounts).buffer),
        });
        const out = writer.tensor({ dims: [1, 33, 33, 3], type: 'F32' });
        writer.operators.splice(at, 0, { op: 'PAD', inputs: [conv.inputs[0], table], outputs: [out], version: 1 });
        conv.inputs[0] = out;
        Object.assign(conv.options![1], { 0: ['i8', 1] });
      });
    expect((await convert(padded([0, 0, 0, 1, 0, 1, 0, 0]), { file })).config.tf_padding).toBe(true);
    const error = { code: 'UNSUPPORTED' as const, says: ["TensorFlow's padding", 'conv_stem.first_conv'] };
    await expectError(() => convert(padded([0, 0, 1, 1, 0, 1, 0, 0]), { file }), error);
  });
});

describe('T4 and the like: what no MobileNetV2 of Hugging Face does', () => {
  const fails = (change: (writer: TfliteWriter) => void, says: string[], options: Partial<NetworkOptions> = {}) =>
    expectError(() => openModelFile(tfliteNetwork({ dtype: 'uint8', ...options, change }).bytes, file), {
      ...{ code: 'UNSUPPORTED', file, says },
    });
  const find = ({ operators }: TfliteWriter, op: string) => operators.find((one) => one.op === op)!;

  it.each<[string, (writer: TfliteWriter) => void, string[]]>([
    [
      'operators that are not known',
      (w) => Object.assign(find(w, 'ADD'), { op: 117, options: undefined }),
      ['HARD_SWISH'],
    ],
    ['a later version of one', (w) => Object.assign(find(w, 'CONV_2D'), { version: 7 }), ['CONV_2D (version 7)']],
    [
      'pictures of open size',
      (w) => Object.assign(w.tensors[0], { signature: [1, -1, -1, 3] }),
      ['CONV_2D of open size'],
    ],
    [
      'another stride',
      (w) => Object.assign(find(w, 'DEPTHWISE_CONV_2D').options![1], { 1: ['i32', 2], 2: ['i32', 2] }),
      ['conv_stem.conv_3x3: stride 2, not 1'],
    ],
    [
      'another activation',
      (w) => Object.assign(w.operators[1].options![1], { 4: ['i8', 1] }),
      ['conv_stem.conv_3x3: activation relu, not relu6'],
    ],
    [
      'a sum with something else',
      (w) => Object.assign(find(w, 'ADD'), { inputs: [find(w, 'ADD').inputs[1], find(w, 'ADD').inputs[1]] }),
      ['ADD'],
    ],
    [
      'a step that leads nowhere',
      (w) => w.operator('QUANTIZE', [w.operators[9].outputs[0]], [w.tensor({ ...w.tensors[0] })]),
      ['QUANTIZE'],
    ],
  ])('%s', (_, change, says) => fails(change, says));

  it('a softmax of another sharpness', () =>
    fails(
      (w) => {
        const sharp = w.tensor({ dims: [1, 1, 1, 5], type: 'U8', scales: [1] });
        w.operator('SOFTMAX', w.outputs, [sharp], [9, { 0: ['f32', 2] }]);
        w.outputs = [sharp];
      },
      ['beta 2'],
    ));

  it('a network that ends after its first layer', () =>
    fails(
      (w) => {
        w.operators.length = 1;
        w.outputs = [...w.operators[0].outputs];
      },
      ['conv_stem.conv_3x3'],
    ));

  it('head: false looks at the backbone alone', async () => {
    const { bytes } = tfliteNetwork({
      dtype: 'uint8',
      change: (w) => Object.assign(w.operators.at(-1)!, { op: 117, options: undefined }),
    });
    await expectError(() => convert(bytes, { file }), { code: 'UNSUPPORTED', says: ['HARD_SWISH'] });
    expect((await convert(bytes, { file, head: false })).architecture).toBe('MobileNetV2Model');
  });

  const quant = (change: (writer: TfliteWriter) => void, says: string[], dtype: 'uint8' | 'int8' = 'uint8') =>
    expectError(() => openModelFile(tfliteNetwork({ dtype, change }).bytes, file), { code: 'QUANT', file, says });

  it('a bias at another scale than input times weight', () =>
    quant(({ tensors }) => Object.assign(tensors[2], { scales: [0.7] }), ['"tensor 2"', 'input times weight']));
  it('int8 weights with a zero point', () =>
    quant(
      (w) => Object.assign(w.tensors[1], { zeroPoints: w.tensors[1].scales!.map(() => 1) }),
      ['"tensor 1"', 'around 0'],
      'int8',
    ));
  it('a value without a scale', () =>
    quant((w) => Object.assign(w.tensors[3], { scales: undefined, zeroPoints: undefined }), ['without a scale']));
  it('a pooling of uint8 that changes the scale', () =>
    quant(
      (w) =>
        Object.assign(w.tensors[w.operators.find(({ op }) => op === 'AVERAGE_POOL_2D')!.outputs[0]], { scales: [9] }),
      ['pooler'],
    ));
});

describe('a file as a model', () => {
  const LABELS = ['ant', 'bee', 'cat', 'dog', 'eel'];
  const { bytes } = tfliteNetwork({ dtype: 'float32', last: 'SOFTMAX' });
  /** Labels in a zip after the tables, at offsets of the whole file. */
  const labelled = (labels: string[]) => {
    const archive = zip([{ name: 'labels.txt', data: utf8(labels.join('\n')) }]);
    const view = new DataView(archive.buffer, archive.byteOffset);
    const end = archive.length - 22;
    const directory = view.getUint32(end + 16, true);
    view.setUint32(end + 16, directory + bytes.length, true);
    view.setUint32(directory + 42, bytes.length, true);
    return concat(bytes, archive);
  };
  const image = new RawImage(
    Uint8Array.from({ length: 40 * 50 * 3 }, (_, i) => (i * 37) & 255),
    50,
    40,
    3,
  );

  it('by its path, with the labels that it carries', async () => {
    const path = join(temporaryFolder(), 'net.tflite');
    writeFileSync(path, labelled(LABELS));
    const classify = await pipeline('image-classification', path, { threads: 1 });
    const [best] = await classify(image, { top_k: 1 });
    expect(LABELS).toContain(best.label);
    const folder = temporaryFolder();
    await (await convert(path)).save_pretrained(folder);
    const other = await pipeline('image-classification', folder, { threads: 1 });
    expect(await other(image, { top_k: 5 })).toEqual(await classify(image, { top_k: 5 }));
    expect((await AutoConfig.from_pretrained(path)).id2label[3]).toBe('dog');
    expect(classify.model.config.image_size).toBe(32);
  });

  it('labels that are not as many as the classes are left out, with a note', async () => {
    const { config, notes } = await convert(labelled(LABELS.slice(1)), { file });
    expect(config.id2label[1]).toBe('LABEL_1');
    expect(notes.join()).toContain('4 names for 5 classes');
  });

  it('by its URL', async () => {
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/a/net.tflite' ? 200 : 404).end(bytes);
    });
    const { origin } = await listenInTest(server);
    const model = await MobileNetV2ForImageClassification.from_pretrained(`${origin}/a/net.tflite`, { threads: 1 });
    expect(model.config.num_labels).toBe(5);
    const missing = MobileNetV2ForImageClassification.from_pretrained(`${origin}/b/net.tflite`);
    await expectError(() => missing, { code: 'NOT_FOUND' });
  });

  it('that is not there, is no such file, or that nothing here opens', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'x.lite');
    const open = (where: string) => MobileNetV2ForImageClassification.from_pretrained(where);
    await expectError(() => open(path), { code: 'NOT_FOUND', file: path, says: ['no such file'] });
    await expectError(() => open(join(folder, 'no', 'x.tflite')), { code: 'NOT_FOUND' });
    writeFileSync(path, 'text');
    await expectError(() => open(path), { code: 'BAD_HEADER', file: path });
    const { openModelFile: before } = env.platform;
    try {
      delete env.platform.openModelFile;
      await expectError(() => open(path), { code: 'UNSUPPORTED', says: ['openModelFile'] });
    } finally {
      if (before) env.platform.openModelFile = before;
    }
  });
});

describe('a segmenter, whose file has no last convolution', () => {
  const pixels = new Tensor('float32', waves(3 * 33 * 33), [1, 3, 33, 33]);
  const load = async (dtype: 'uint8' | 'float32') => {
    const { bytes } = tfliteNetwork({ dtype, ...segmenter });
    return memoryFolder(Object.fromEntries((await convert(bytes, { file })).files()));
  };

  it('gives hidden states of its backbone, quantized', async () => {
    const folder = await load('uint8');
    const whole = await MobileNetV2ForSemanticSegmentation.from_pretrained(folder, { threads: 1 });
    const base = await MobileNetV2Model.from_pretrained(folder, { threads: 1 });
    const [wanted] = await whole.hidden_states(pixels, [9]);
    const [got] = await base.hidden_states(pixels, [9]);
    expect(new Set(wanted.data).size).toBeGreaterThan(3);
    expect(got.data).toEqual(wanted.data);
    for (const ask of [() => base({ pixel_values: pixels }), () => base.activations(pixels, ['pooler'])]) {
      await expectError(ask, { code: 'WEIGHTS', tensor: 'conv_1x1', says: ['hidden states can be computed'] });
    }
    const again = await MobileNetV2Model.from_pretrained(folder, { threads: 1, dtype: 'fp32' });
    await expectError(() => again({ pixel_values: pixels }), { code: 'WEIGHTS', tensor: 'conv_1x1' });
  });

  it.each(['uint8', 'float32'] as const)('names what it lacks where that is asked for, %s', async (dtype) => {
    const model = await MobileNetV2ForSemanticSegmentation.from_pretrained(await load(dtype), { threads: 1 });
    await expectError(() => model.activations(pixels, ['conv_1x1']), { code: 'WEIGHTS', tensor: 'conv_1x1' });
    const { logits } = await model({ pixel_values: pixels });
    expect(logits.data.every(Number.isFinite)).toBe(true);
  });
});
