/** `pipeline()`: the shapes of its results, and what it refuses. What the numbers are is tested elsewhere. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type ClassificationOptions,
  env,
  MobileNetError,
  type ProcessOptions,
  pipeline,
  RawImage,
  type SegmentationOptions,
  Tensor,
} from '../src/entries/main-node.js';
import { temporaryFolder } from './helpers/cli.js';
import { saveTinyClassifier, saveTinySegmenter, stripes } from './helpers/tiny.js';
import { waves } from './helpers/waves.js';

const MALAMUTE = 'malamute, malemute, Alaskan malamute';
const HUSKY = fileURLToPath(new URL('../examples/husky.png', import.meta.url));

async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof MobileNetError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

describe('image-classification', () => {
  it('takes the checkpoint that ships, and pictures in any form, one or many', async () => {
    const classify = await pipeline('image-classification');
    const one = await classify(HUSKY);
    expect(one).toHaveLength(5);
    expect(one[0]).toEqual({ label: MALAMUTE, score: expect.closeTo(0.823, 2) });
    const bytes = new Uint8Array(readFileSync(HUSKY));
    const forms = [HUSKY, bytes, new Blob([bytes]), await RawImage.read(bytes)];
    for (const form of forms) expect(await classify(form)).toEqual(one);
    const many = await classify(forms, { top_k: 1 });
    expect(many.map((labels) => labels.map(({ label }) => label))).toEqual(forms.map(() => [MALAMUTE]));
    classify.dispose();
    classify.dispose();
    expect(await codeOf(() => classify(HUSKY))).toBe('DISPOSED');
  });

  // Row A3.
  it('gives all labels for null or more than there are, and refuses what is not a count', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const classify = await pipeline('image-classification', folder);
    const picture = stripes(1);
    for (const top_k of [null, 3, 1e9]) {
      const labels = await classify(picture, { top_k });
      expect(labels.map(({ label }) => label).sort()).toEqual(['ant', 'bee', 'cat']);
      expect(labels.map(({ score }) => score)).toEqual(labels.map(({ score }) => score).sort((a, b) => b - a));
    }
    for (const top_k of [0, -1, 1.5, Number.NaN, '5' as never]) {
      expect(await codeOf(() => classify(picture, { top_k })), String(top_k)).toBe('ARG');
    }
    expect(await codeOf(() => classify([]))).toBe('ARG');
    expect(await codeOf(() => classify(undefined as never))).toBe('ARG');
    expect(await codeOf(() => classify([picture, new Uint8Array(3)]))).toBe('UNSUPPORTED');
  });

  // transformers/pipelines/image_classification.py, postprocess
  it.each([
    ['multi_label_classification', (x: number) => 1 / (1 + Math.exp(-x))],
    ['regression', (x: number) => x],
  ] as const)('scores of %s', async (problem_type, score) => {
    const classify = await pipeline('image-classification', undefined, { config: { problem_type }, device: 'js' });
    const pixel_values = (await classify.processor(await RawImage.read(HUSKY))).pixel_values;
    const { logits } = await classify.model({ pixel_values });
    const [labels] = await classify.classify(pixel_values, { top_k: null });
    const expected = [...logits.data].map(score).sort((a, b) => b - a);
    for (const [i, own] of labels.entries()) expect(own.score).toBeCloseTo(expected[i], 5);
  });

  it('function_to_apply, threshold and topk', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const classify = await pipeline('image-classification', folder, { device: 'js' });
    const picture = stripes(1);
    const { logits } = await classify.model((await classify.processor(picture)).pixel_values);
    const by = async (options: ClassificationOptions) =>
      (await classify(picture, { top_k: null, ...options })).map(({ score }) => score);
    const sorted = (score: (logit: number) => number) => [...logits.data].map(score).sort((a, b) => b - a);
    const close = (values: number[]) => values.map((value) => expect.closeTo(value, 6));
    expect(await by({ function_to_apply: 'none' })).toEqual(sorted((x) => x));
    expect(await by({ function_to_apply: 'sigmoid' })).toEqual(close(sorted((x) => 1 / (1 + Math.exp(-x)))));
    const usual = await by({});
    expect(await by({ function_to_apply: 'softmax' })).toEqual(usual);
    expect(await by({ threshold: usual[1] })).toEqual(usual.slice(0, 2));
    expect(await by({ threshold: 1.1 })).toEqual([]);
    expect(await classify(picture, { topk: 2 })).toHaveLength(2);
    expect(await classify(picture, { topk: 2, top_k: 1 })).toHaveLength(1);
    for (const wrong of [{ function_to_apply: 'tanh' }, { threshold: 'high' }, { topk: 0 }, { top_K: 1 }]) {
      expect(await codeOf(() => classify(picture, wrong as never)), JSON.stringify(wrong)).toBe('ARG');
    }
  });

  it('a list of many pictures gives what each gives', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const classify = await pipeline('image-classification', folder);
    const pictures = Array.from({ length: 19 }, (_, seed) => stripes(seed, 32 + seed, 40));
    const one = await Promise.all(pictures.map((picture) => classify(picture)));
    expect(await classify(pictures)).toEqual(one);
    expect(await classify(pictures, { signal: new AbortController().signal })).toEqual(one);
    expect(await codeOf(() => classify([...pictures, 'no/such/file.png']))).toBe('NOT_FOUND');
  });

  it('a grid of predictions gives their mean', async () => {
    const classify = await pipeline('image-classification', undefined, { pool: '7x7' });
    const data = waves(3 * 256 * 256, 0.37);
    const pixel_values = new Tensor('float32', data, [1, 3, 256, 256]);
    const { logits } = await classify.model({ pixel_values });
    expect(logits.dims).toEqual([1, 1001, 2, 2]);
    const all = logits.softmax(1).data;
    const means = Array.from(
      { length: 1001 },
      (_, k) => (all[4 * k] + all[4 * k + 1] + all[4 * k + 2] + all[4 * k + 3]) / 4,
    );
    const [labels] = await classify.classify(pixel_values, { top_k: null });
    expect(labels.map(({ score }) => score).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(labels[0].score).toBeCloseTo(Math.max(...means), 6);
  });
});

describe('image-segmentation', () => {
  let folder: string;
  beforeEach(async () => {
    folder = temporaryFolder();
    await saveTinySegmenter(folder);
  });

  it('gives a mask for every class there is, which share the picture', async () => {
    const segment = await pipeline('image-segmentation', folder);
    const picture = stripes(1, 50, 30);
    const found = await segment(picture);
    expect(found.length).toBeGreaterThan(1);
    const covered = new Uint8Array(50 * 30);
    for (const { label, score, mask } of found) {
      expect(['background', 'bee', 'cat']).toContain(label);
      expect(score).toBeNull();
      expect([mask.width, mask.height, mask.channels]).toEqual([50, 30, 1]);
      for (const [at, value] of mask.data.entries()) {
        expect([0, 255]).toContain(value);
        covered[at] += value / 255;
      }
    }
    expect(covered.every((times) => times === 1)).toBe(true);
    const [first, second] = await segment([picture, stripes(2)]);
    expect([first[0].mask.size, second[0].mask.size]).toEqual([
      [50, 30],
      [32, 32],
    ]);
  });

  it('takes the whole picture, or the centre as Hugging Face does', async () => {
    const segment = await pipeline('image-segmentation', folder, { device: 'js' });
    const picture = stripes(1, 64, 32);
    const masks = async (options?: SegmentationOptions) =>
      (await segment(picture, options)).map(({ mask }) => mask.data);
    const mapOf = async (processing: ProcessOptions) => {
      const { pixel_values, original_sizes } = await segment.processor(picture, processing);
      return (await segment.segment(pixel_values, original_sizes))[0];
    };
    const whole = await mapOf({ do_center_crop: false });
    const centre = await mapOf({});
    expect(whole).not.toEqual(centre);
    for (const [map, options] of [
      [whole, undefined],
      [whole, { wholeImage: true }],
      [centre, { wholeImage: false }],
    ] as const) {
      const classes = [...new Set(map.data)].sort();
      expect(await masks(options)).toEqual(
        classes.map((id) => Uint8Array.from(map.data, (own) => (own === id ? 255 : 0))),
      );
    }
  });

  it('leaves pixels below the threshold out of every mask', async () => {
    const segment = await pipeline('image-segmentation', folder, { device: 'js' });
    const covered = async (threshold: number) => {
      const found = await segment(stripes(1), { threshold });
      return found.reduce((sum, { mask }) => sum + [...mask.data].filter((value) => value === 255).length, 0);
    };
    expect(await covered(0)).toBe(32 * 32);
    expect(await covered(1)).toBeLessThan(32 * 32);
    expect(await codeOf(() => segment(stripes(1), { threshold: 2 }))).toBe('ARG');
    expect(await codeOf(() => segment(stripes(1), { whole: true } as never))).toBe('ARG');
  });

  it('needs a model that segments', async () => {
    await expect(pipeline('image-classification', folder)).rejects.toMatchObject({
      code: 'WEIGHTS',
      message: expect.stringContaining('image-segmentation'),
    });
  });
});

describe('image-feature-extraction', () => {
  it('gives a row for every picture, pooled or not, from any checkpoint', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const extract = await pipeline('image-feature-extraction', folder);
    const pooled = await extract([stripes(1), stripes(2)]);
    expect(pooled).toBeInstanceOf(Tensor);
    const [rows, channels] = pooled.dims;
    expect([rows, pooled.dims.length]).toEqual([2, 2]);
    expect((await extract(stripes(1), { pool: false })).dims).toEqual([1, channels, 1, 1]);
    const many = Array.from({ length: 11 }, (_, seed) => stripes(seed));
    const rows11 = await extract(many);
    expect(rows11.dims).toEqual([11, channels]);
    expect(rows11.slice([9, 10])).toEqual(await extract(stripes(9)));
    expect(await codeOf(() => extract(stripes(1), { pol: false } as never))).toBe('ARG');
  });
});

describe('pipeline', () => {
  it('refuses an unknown task or place', async () => {
    expect(await codeOf(() => pipeline('text-generation' as never))).toBe('ARG');
    expect(await codeOf(() => pipeline('toString' as never))).toBe('ARG');
    expect(await codeOf(() => pipeline('image-classification', 7 as never))).toBe('ARG');
    expect(await codeOf(() => pipeline('image-classification', `${temporaryFolder()}/none`))).toBe('NOT_FOUND');
  });

  it('needs a platform for the checkpoint that ships', async () => {
    const { platform } = env;
    env.platform = {};
    try {
      expect(await codeOf(() => pipeline('image-classification'))).toBe('UNSUPPORTED');
    } finally {
      env.platform = platform;
    }
  });
});
