/** Options by their names: what transformers and transformers.js say is taken, what nobody knows is refused. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { convert } from '../../src/entries/convert-node.js';
import {
  env,
  ImageSegmentationPipeline,
  MobileNetError,
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
  MobileNetV2Model,
  pipeline,
  Tensor,
} from '../../src/entries/main-node.js';
import { wantsRealNumbers } from '../../src/models/mobilenet-v2/model-options.js';
import { temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier } from '../helpers/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveTinyClassifier(folder); // ant, bee, cat
});
const { onWarning } = env;
afterEach(() => {
  env.onWarning = onWarning;
});

const load = (options: object) =>
  MobileNetV2ForImageClassification.from_pretrained(folder, { device: 'js', ...options });
const pixels = () => new Tensor('float32', new Float32Array(3 * 32 * 32).fill(0.25), [1, 3, 32, 32]);

async function messageOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(MobileNetError);
    expect((error as MobileNetError).code).toBe('ARG');
    expect((error as MobileNetError).message.length).toBeLessThan(500);
    return (error as MobileNetError).message;
  }
  throw new Error('nothing was refused');
}

describe('unknown options are refused, and say what was meant', async () => {
  const config = new MobileNetV2Config({ depth_multiplier: 0.35, num_labels: 3 });
  const model = new MobileNetV2ForImageClassification(config, { device: 'js' });
  const processor = new MobileNetV2ImageProcessor();
  const any = (value: object) => value as never;
  const outputs = { logits: new Tensor('float32', [0, 1], [1, 2, 1, 1]) };

  it.each<[string, () => unknown, string]>([
    ['from_pretrained', () => load({ outputStride: 8 }), 'output_stride'],
    ['from_pretrained', () => load({ num_lables: 3 }), 'num_labels'],
    ['from_pretrained', () => load({ cacheDir: 'x' }), 'cache_dir'],
    ['from_pretrained', () => load({ use_auth_token: 'x' }), 'token'],
    ['from_pretrained', () => load({ config: { output_strid: 8 } }), 'output_stride'],
    ['new', () => new MobileNetV2Model(config, any({ thread: 2 })), 'threads'],
    ['from_config', () => MobileNetV2Model.from_config(config, any({ sed: 2 })), 'seed'],
    ['processor', () => MobileNetV2ImageProcessor.from_pretrained(folder, any({ do_resise: true })), 'do_resize'],
    ['new processor', () => new MobileNetV2ImageProcessor(any({ doResize: true })), 'do_resize'],
    ['processor call', () => processor(any({}), any({ cropsize: 3 })), 'crop_size'],
    ['pipeline', () => pipeline('image-classification', folder, any({ thread: 1 })), 'threads'],
    ['model inputs', () => model(any({ pixel_value: pixels() })), 'pixel_values'],
    ['model inputs', () => model({ pixel_values: pixels(), ...{ output_hidden_state: true } }), 'output_hidden_states'],
    ['forward', () => model.forward(pixels(), any({ label: 1 })), 'labels'],
    ['profile', () => model.profile({ pixel_values: pixels() }, any({ run: 2 })), 'runs'],
    ['activations', () => model.activations(pixels(), ['logits'], any({ signals: 1 })), 'signal'],
    ['save_pretrained', () => model.save_pretrained('x', any({ dtyp: 'float16' })), 'dtype'],
    ['load_state_dict', () => model.load_state_dict({}, any({ stict: false })), 'strict'],
    ['plan', () => model.plan([1, 3, 32, 32], any({ output_hidden_state: true })), 'output_hidden_states'],
    ['num_parameters', () => model.num_parameters(any({ only_trainabel: true })), 'only_trainable'],
    [
      'post_process_semantic_segmentation',
      () => processor.post_process_semantic_segmentation(outputs, null, any({ return_segmentation_score: true })),
      'return_segmentation_scores',
    ],
  ])('%s', async (_where, call, meant) => {
    expect(await messageOf(call)).toContain(`did you mean ${meant}?`);
  });

  it('in the other case of letters, as our options were called at first', async () => {
    const segmenter = new MobileNetV2ForSemanticSegmentation(new MobileNetV2Config({ depth_multiplier: 0.35 }));
    const segment = new ImageSegmentationPipeline(processor, segmenter);
    for (const [call, meant] of [
      [() => load({ wasm_module: {} }), 'wasmModule'],
      [() => load({ allow_nonfinite: true }), 'allowNonfinite'],
      [() => new MobileNetV2Model(config, any({ wasm_module: {} })), 'wasmModule'],
      [() => pipeline('image-classification', folder, any({ wasm_module: {} })), 'wasmModule'],
      [() => segment(new Uint8Array(1), any({ whole_image: false })), 'wholeImage'],
      [() => convert(new Uint8Array(1), any({ pixel_range: [0, 1] })), 'pixelRange'],
      [() => model.plan([1, 3, 32, 32], any({ hidden_states_only: true })), 'hiddenStatesOnly'],
    ] as const) {
      expect(await messageOf(call)).toContain(`did you mean ${meant}?`);
    }
    expect(await messageOf(() => model.plan([1, 3, 32, 32], any([9])))).toMatch(/^plan: expected an object of options/);
  });

  it('lists what there is where nothing is near', async () => {
    expect(await messageOf(() => load({ colour: 'red' }))).toMatch(
      /unknown option "colour"; there are device, threads/,
    );
    expect(await messageOf(() => load('cpu' as never))).toBeDefined();
    expect(await messageOf(() => model(pixels(), true as never))).toContain('expected an object of options, got true');
  });
});

describe('what transformers and transformers.js say is taken', () => {
  it('without effect, where it has none', async () => {
    const habits = {
      trust_remote_code: true,
      low_cpu_mem_usage: true,
      use_fast: true,
      return_dict: true,
      quantized: false,
    } as const;
    const nulls = { config: null, device: null, dtype: null, cache_dir: null, progress_callback: null, revision: null };
    const model = await load({ ...habits, ...nulls });
    expect(model.device).toBe('auto');
    const { pixel_values } = await (await MobileNetV2ImageProcessor.from_pretrained(folder, habits))(
      new Tensor('uint8', new Uint8Array(3 * 32 * 32), [3, 32, 32]),
      { return_tensors: 'pt' },
    );
    expect(pixel_values.dims[0]).toBe(1);
    expect(await messageOf(() => load({ quantized: true }))).toContain('quantized: true is not supported here');
    expect(await messageOf(() => load({ return_dict: false }))).toContain('return_dict');
    expect(await messageOf(() => load({ output_attentions: true }))).toContain('output_attentions');
  });

  it('dtype and device', async () => {
    const plain = await (await load({})).forward(pixels());
    for (const dtype of ['auto', 'fp32', 'float32', 'fp16', 'float16'] as const) {
      expect((await (await load({ dtype })).forward(pixels())).logits).toEqual(plain.logits);
    }
    expect((await (await load({ torch_dtype: 'float16', device: 'cpu' })).forward(pixels())).logits.dims).toEqual([
      1, 3,
    ]);
    for (const dtype of ['q8', 'int8', 'uint8', 'int16'] as const) {
      const made = `--dtype ${dtype === 'int16' ? dtype : 'int8'} --calibrate`;
      expect(await messageOf(() => load({ dtype }))).toMatch(
        new RegExp(`^dtype: expected what the checkpoint has, float32, .* got "${dtype}"; .*${made}`),
      );
    }
    for (const dtype of ['q4f16', 'toString']) {
      expect(await messageOf(() => load({ dtype }))).toMatch(/^dtype: expected float32, .* or auto, got "/);
    }
    expect(await messageOf(() => load({ device: 'webgpu' }))).toContain('or cpu, got "webgpu"');
  });

  it('fields of config.json', async () => {
    const model = await load({ output_hidden_states: true, problem_type: 'multi_label_classification' });
    expect((await model(pixels())).hidden_states).toHaveLength(16);
    expect(model.config.problem_type).toBe('multi_label_classification');
    const config = await MobileNetV2Config.from_pretrained(folder);
    config.id2label = { 0: 'x', 1: 'y', 2: 'z' };
    expect((await load({ config, label2id: { x: 0 } })).config).toMatchObject({
      id2label: { 1: 'y' },
      label2id: { x: 0 },
    });
    const named = await load({ id2label: { 0: 'a', 1: 'b', 2: 'c' } });
    expect(named.config.label2id).toEqual({ a: 0, b: 1, c: 2 });
    const fine = await MobileNetV2Model.from_pretrained(folder, { output_stride: 8, device: 'js' });
    expect((await fine(pixels())).last_hidden_state.dims.slice(2)).toEqual([4, 4]);
  });
});

describe('another number of labels', () => {
  it('is refused, with what allows it', async () => {
    await expect(load({ num_labels: 7 })).rejects.toMatchObject({
      code: 'WEIGHTS',
      message: expect.stringMatching(
        /classifier\.weight: expected \[7,\d+\], got \[3,\d+\].*ignore_mismatched_sizes: true/,
      ),
      names: ['classifier.weight', 'classifier.bias'],
    });
  });

  it('begins a new head, listed and said in words', async () => {
    const words = vi.fn();
    env.onWarning = words;
    const model = await load({ num_labels: 7, ignore_mismatched_sizes: true, seed: 3 });
    expect(model.newlyInitialized).toEqual(['classifier.weight', 'classifier.bias']);
    expect(words.mock.calls.flat().join()).toMatch(/classifier\.weight, classifier\.bias/);
    expect(model.config.id2label[6]).toBe('LABEL_6');
    expect((await model(pixels())).logits.dims).toEqual([1, 7]);
    const before = (await load({})).state_dict();
    const after = model.state_dict();
    for (const [name, { data }] of before)
      if (!name.startsWith('classifier')) expect(after.get(name)!.data).toEqual(data);
    expect(new Set(after.get('classifier.weight')!.data as Float32Array).size).toBeGreaterThan(100);
    words.mockClear();
    expect((await load({ num_labels: 3, ignore_mismatched_sizes: true })).newlyInitialized).toEqual([]);
    expect(words).not.toHaveBeenCalled();
  });
});

describe('names of transformers', () => {
  it('pixels come first, or all in one object', async () => {
    const model = await load({});
    const { logits } = await model({ pixel_values: pixels() });
    expect((await model(pixels())).logits).toEqual(logits);
    const labels = new Tensor('int64', [1n], [1]);
    const { loss } = await model.forward(pixels(), { labels, output_hidden_states: [0] });
    expect(loss).toBe((await model({ pixel_values: pixels(), labels })).loss);
    const processor = new MobileNetV2ImageProcessor({ size: 32, crop_size: 32 });
    const inputs = await processor.preprocess(new Tensor('uint8', new Uint8Array(3 * 32 * 32), [3, 32, 32]));
    expect((await model(inputs)).logits.dims).toEqual([1, 3]);
  });

  // transformers: MobileNetV2ForImageClassification(MobileNetV2Config()).num_parameters() with 1001 labels, and without a head.
  it('num_parameters and from_config', () => {
    const model = MobileNetV2ForImageClassification.from_config(new MobileNetV2Config({ num_labels: 1001 }));
    expect(model.num_parameters()).toBe(3_506_153);
    expect(model.num_parameters({ only_trainable: true })).toBe(3_506_153);
    expect(MobileNetV2Model.from_config(new MobileNetV2Config(), { seed: 1 }).num_parameters()).toBe(2_223_872);
    expect(() => MobileNetV2Model.from_config({} as never)).toThrow('config: expected a MobileNetV2Config');
  });
});

describe('the type of numbers that is asked for', () => {
  it.each([
    ['uint8', 'uint8', false],
    ['int8', 'uint8', false],
    ['q8', 'uint8', false],
    ['uint8', 'int8', false],
    ['q8', 'int8', false],
    ['int16', 'int16', false],
    ['auto', 'int8', false],
    ['float32', 'int8', true],
    ['float32', undefined, false],
  ] as const)('%s of a checkpoint of %s', (dtype, stored, real) => {
    expect(wantsRealNumbers(dtype, stored)).toBe(real);
  });

  it.each([
    ['int8', 'int16'],
    ['int16', 'uint8'],
    ['int8', undefined],
    ['uint8', undefined],
  ] as const)('%s is refused of a checkpoint of %s', async (dtype, stored) => {
    expect(await messageOf(() => wantsRealNumbers(dtype, stored))).toContain(stored ?? 'float32');
  });
});

it('a class of none cannot be segmented', () => {
  const config = new MobileNetV2Config({ num_labels: 0 });
  expect(() => new MobileNetV2ForSemanticSegmentation(config)).toThrow(
    expect.objectContaining({ code: 'CONFIG', message: expect.stringContaining('num_labels') }),
  );
});

it('activations names itself where an option is not known', async () => {
  const model = await load({});
  expect(await messageOf(() => model.activations(pixels(), ['logits'], { colour: 1 } as object))).toContain(
    'activations',
  );
});

describe('what is no checkpoint says so', () => {
  it('a folder without a configuration', async () => {
    await expect(MobileNetV2Config.from_pretrained(temporaryFolder())).rejects.toThrow(/has no config\.json;/);
  });

  it.each([
    ['timm', 'blocks.0.0.conv_dw.weight'],
    ['torchvision', 'features.0.0.weight'],
  ])('names of %s', async (framework, name) => {
    const model = await load({});
    const state = new Map([[name, new Tensor('float32', new Float32Array(1), [1])]]);
    expect(() => model.load_state_dict(state)).toThrow(framework);
    model.dispose();
  });
});
