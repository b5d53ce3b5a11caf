/** What a network got wrong: counted over a folder, as rows, and as a page. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
  pipeline,
} from '../../src/entries/main-node.js';
import { type Assessment, assess } from '../../src/train/assess.js';
import { ImageFolder } from '../../src/train/data/image-folder.js';
import { ConfusionMatrix } from '../../src/train/metrics.js';
import { classRows, confusionRows, figuresOf, reportPage, showMistakes } from '../../src/train/report.js';
import { expectRefusal } from '../helpers/pictures.js';
import { saveTinyClassifier, saveTinySegmenter, stripes } from '../helpers/tiny.js';

const LABELS = { 0: 'ant', 1: 'bee', 2: '<script>alert("&")</script>' };

const given: Assessment = {
  matrix: new ConfusionMatrix(3).add([0, 0, 0, 1, 1, 1, 1, 2], [0, 0, 1, 1, 2, 2, 2, 2]),
  pixels: false,
  pictures: 8,
  mistakes: [],
  seconds: 1,
};

const page = (more: object = {}) =>
  reportPage({ title: 'a <b> & "c"', remarks: ['1 < 2'], assessment: given, labels: LABELS, mistakes: [], ...more });

describe('rows', () => {
  it('say how well each class was found, the weakest first', () => {
    expect(classRows(given, LABELS)).toEqual({
      header: ['class', 'precision', 'recall', 'F1', 'pictures'],
      rows: [
        ['bee', '50.0 %', '25.0 %', '33.3 %', '4'],
        [LABELS[2], '25.0 %', '100.0 %', '40.0 %', '1'],
        ['ant', '100.0 %', '66.7 %', '80.0 %', '3'],
      ],
    });
  });

  it('say what was taken for what', () => {
    expect(confusionRows(given, LABELS)).toEqual([
      ['bee', LABELS[2], '3', '75.0 %'],
      ['ant', 'bee', '1', '33.3 %'],
    ]);
  });

  it('sum it up', () => {
    expect(figuresOf(given)).toEqual([
      ['accuracy', '50.0 % (4 of 8)'],
      ['mean F1 of classes', '51.1 %'],
    ]);
    expect(figuresOf({ ...given, topFive: 1 })[1]).toEqual(['among the first five', '100.0 %']);
    expect(figuresOf({ ...given, pixels: true }).map(([name]) => name)).toEqual([
      ...['mean IoU', 'pixels right', 'mean of classes', 'pictures'],
    ]);
  });
});

describe('the page', () => {
  const mistakes = [
    { file: 'a/<i>.png', text: 'ant taken for <b>', pictures: [{ title: '', url: 'data:image/jpeg;base64,AA' }] },
  ];
  const history = [
    { epoch: 1, step: 10, loss: 2.5, learning_rate: 1 },
    { epoch: 1, step: 10, eval_loss: 2, eval_accuracy: 0.25 },
    { epoch: 2, step: 20, loss: 0.5 },
    { epoch: 2, step: 20, eval_loss: Number.NaN, eval_accuracy: 0.75 },
  ];

  it('shows all that there is, and names as they are', () => {
    const html = page({ mistakes, history });
    for (const part of [
      'a &#60;b&#62; &#38; &#34;c&#34;',
      '1 &#60; 2',
      'a/&#60;i&#62;.png',
      'ant taken for &#60;b&#62;',
    ]) {
      expect(html).toContain(part);
    }
    expect(html.match(/<h2>[^<]+/g)).toEqual(
      ['Training', 'Classes', 'Confusion matrix', 'Confused most often', 'Worst mistakes'].map((name) => `<h2>${name}`),
    );
    expect(html.match(/<svg/g)).toHaveLength(2);
    expect(html.match(/<polyline/g)).toHaveLength(3);
    expect(html.match(/<circle[^>]*><title>epoch/g)).toHaveLength(2 + 1 + 2);
    expect(html).toContain('<title>epoch 2: 0.75</title>');
  });

  it('has no script, and loads nothing', () => {
    const html = page({ mistakes, history });
    expect(html).not.toMatch(/<script|https?:|<link|@import|\burl\(|src="(?!data:)/i);
  });

  it('leaves out what there is nothing of', () => {
    const none = { ...given, matrix: new ConfusionMatrix(2).add([0, 1], [0, 1]) };
    expect(page({ assessment: none }).match(/<h2>[^<]+/g)).toEqual(['<h2>Classes', '<h2>Confusion matrix']);
    const many = { ...given, matrix: new ConfusionMatrix(41).add([0], [0]) };
    expect(page({ assessment: many })).not.toContain('Confusion matrix');
  });
});

describe('of a folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'assess-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeAll(async () => {
    await saveTinyClassifier(`${folder}/classifier`);
    await saveTinySegmenter(`${folder}/segmenter`);
    for (const label of ['ant', 'bee', 'cat']) {
      mkdirSync(`${folder}/classes/${label}`, { recursive: true });
      for (let i = 0; i < 5; i++) writeFileSync(`${folder}/classes/${label}/${i}.png`, stripes(i * 3 + label.length));
    }
    for (const kind of ['images', 'masks']) mkdirSync(`${folder}/maps/${kind}`, { recursive: true });
    for (let i = 0; i < 3; i++) {
      writeFileSync(`${folder}/maps/images/${i}.png`, stripes(i, 40, 36));
      const mask = new PNG({ width: 40, height: 36, colorType: 0, inputColorType: 0, inputHasAlpha: false });
      mask.data = Buffer.from(Array.from({ length: 40 * 36 }, (_, at) => (at % 40 < 20 ? i : 255)));
      writeFileSync(
        `${folder}/maps/masks/${i}.png`,
        PNG.sync.write(mask, { colorType: 0, inputColorType: 0, inputHasAlpha: false }),
      );
    }
  });

  it('counts what a pipeline says of each picture', async () => {
    const classify = await pipeline('image-classification', `${folder}/classifier`);
    const model = await MobileNetV2ForImageClassification.from_pretrained(`${folder}/classifier`);
    const { processor } = classify;
    const { test } = await ImageFolder.open(`${folder}/classes`, { processor, onlyTest: true, augmentation: null });
    const seen: number[] = [];
    const found = await assess(model, test, { batchSize: 4, progress_callback: ({ pictures }) => seen.push(pictures) });
    expect(seen).toEqual([4, 8, 12, 15]);
    const matrix = new ConfusionMatrix(3);
    const wrong: { index: number; score: number }[] = [];
    for (let index = 0; index < 15; index++) {
      const [best] = await classify(`${folder}/classes/${test.file(index)}`, { top_k: 1 });
      const predicted = ['ant', 'bee', 'cat'].indexOf(best!.label);
      matrix.add([test.targets![index]!], [predicted]);
      if (predicted !== test.targets![index]) wrong.push({ index, score: best!.score });
    }
    expect([...found.matrix.counts]).toEqual([...matrix.counts]);
    expect(wrong.length).toBeGreaterThan(3);
    wrong.sort((a, b) => b.score - a.score);
    expect(found.mistakes.map(({ wrong: sure }) => sure)).toEqual(wrong.map(({ score }) => expect.closeTo(score, 5)));
    const shown = await showMistakes(model, test, found);
    expect(shown).toHaveLength(wrong.length);
    expect(shown[0]!.text).toMatch(/^(ant|bee|cat) taken for (ant|bee|cat) \(\d+\.\d % sure\)$/);
    expect(shown[0]!.pictures[0]!.url).toMatch(/^data:image\/jpeg;base64,\/9j\//);
    expect(
      reportPage({ title: 't', remarks: [], assessment: found, labels: test.id2label, mistakes: shown }),
    ).toContain(shown[0]!.file);
  });

  it('counts pixels of maps, and shows maps over pictures', async () => {
    const model = await MobileNetV2ForSemanticSegmentation.from_pretrained(`${folder}/segmenter`);
    const processor = await MobileNetV2ImageProcessor.from_pretrained(`${folder}/segmenter`);
    const labels = ['background', 'bee', 'cat'];
    const { test } = await ImageFolder.open(`${folder}/maps`, { processor, task: 'segment', labels, onlyTest: true });
    const found = await assess(model, test, { batchSize: 2 });
    expect(found.pixels).toBe(true);
    // Half of each picture has a class.
    expect(found.matrix.total).toBeGreaterThan(3 * 32 * 13);
    expect(found.matrix.total).toBeLessThan(3 * 32 * 19);
    const shown = await showMistakes(model, test, found);
    expect(shown[0]!.pictures.map(({ title }) => title)).toEqual(['as it is', 'as it was seen']);
    expect(shown[0]!.text).toMatch(/^\d+\.\d % of the pixels are wrong$/);
  });

  it('refuses pictures of other classes, and none', async () => {
    const model = await MobileNetV2ForImageClassification.from_pretrained(`${folder}/classifier`);
    const processor = await MobileNetV2ImageProcessor.from_pretrained(`${folder}/classifier`);
    const { train, test } = await ImageFolder.open(`${folder}/classes`, { processor, onlyTest: true });
    await expectRefusal(() => assess(model, train), 'ARG', /dataset: expected pictures, got "none"/);
    const more = { ...test, id2label: { 0: 'a', 1: 'b', 2: 'c', 3: 'd' }, length: 1, dims: test.dims, item: test.item };
    await expectRefusal(() => assess(model, more), 'ARG', /it has 4 classes and the model 3/);
  });
});
