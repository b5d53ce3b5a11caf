/** Against scikit-learn (test/goldens/train/metrics.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Tensor } from '../../src/tensor/tensor.js';
import {
  ConfusionMatrix,
  classificationMetrics,
  predictedClasses,
  segmentationMetrics,
  topKAccuracy,
} from '../../src/train/metrics.js';

type Numbers = readonly number[];
type PerClass = readonly (number | null)[];

interface Predicted {
  k: number;
  labels: number[];
  scores: number[];
  accuracy: number;
  top: Record<string, number>;
  macro: Numbers;
  weighted: Numbers;
  confusion: Numbers;
  precision: Numbers;
  recall: Numbers;
  f1: Numbers;
  support: Numbers;
}

interface Mapped {
  k: number;
  labels: number[];
  predictions: number[];
  per_category_iou: PerClass;
  per_category_accuracy: PerClass;
  mean_iou: number;
  mean_accuracy: number;
  overall_accuracy: number;
}

const goldens: { classify: Predicted[]; segment: Mapped[] } = JSON.parse(
  readFileSync(new URL('../goldens/train/metrics.json', import.meta.url), 'utf8'),
);

const near = (got: PerClass, wanted: PerClass) => {
  expect(got).toHaveLength(wanted.length);
  for (const [i, value] of wanted.entries()) {
    if (value === null) expect(got[i]).toBeNull();
    else expect(got[i]).toBeCloseTo(value, 12);
  }
};

describe.each(goldens.classify)('predictions %#', (golden) => {
  const { k, labels, scores } = golden;
  const prediction = {
    predictions: new Tensor('float32', scores, [labels.length, k]),
    label_ids: new Tensor('int32', labels, [labels.length]),
  };
  const matrix = new ConfusionMatrix(k).add(labels, predictedClasses(prediction));

  it('are counted and scored as scikit-learn does', () => {
    expect([...matrix.counts]).toEqual(golden.confusion);
    expect(matrix.accuracy).toBeCloseTo(golden.accuracy, 12);
    const all = matrix.scores();
    for (const name of ['precision', 'recall', 'f1', 'support'] as const)
      near(
        all.map((each) => each[name]),
        golden[name],
      );
    const values = ({ precision, recall, f1 }: ReturnType<typeof matrix.macro>) => [precision, recall, f1];
    near(values(matrix.macro()), golden.macro);
    near(values(matrix.weighted()), golden.weighted);
    for (const [q, share] of Object.entries(golden.top)) {
      expect(topKAccuracy(prediction, Number(q))).toBeCloseTo(share, 12);
    }
  });

  it('are summed up for a trainer', () => {
    const [precision, recall, f1] = golden.macro as [number, number, number];
    const metrics = classificationMetrics(prediction);
    expect(Object.keys(metrics)).toEqual(['accuracy', 'precision', 'recall', 'f1']);
    near(Object.values(metrics), [golden.accuracy, precision, recall, f1]);
  });

  it('have their worst confusions named', () => {
    const worst = matrix.confusions(3);
    const wrong = [...matrix.counts].filter((_, i) => i % (k + 1) !== 0).sort((a, b) => b - a);
    expect(worst.map(({ count }) => count)).toEqual(wrong.slice(0, 3).filter((count) => count > 0));
    for (const { actual, predicted, count } of worst) expect(matrix.counts[actual * k + predicted]).toBe(count);
  });
});

describe.each(goldens.segment)('maps of classes %#', (golden) => {
  it('are scored as evaluate does, pixels without a class left out', () => {
    const { labels, predictions, k } = golden;
    const half = Math.floor(labels.length / 2);
    const matrix = new ConfusionMatrix(k).add(labels.slice(0, half), predictions.slice(0, half));
    const scores = matrix.add(labels.slice(half), predictions.slice(half)).segmentation();
    near(scores.per_category_iou, golden.per_category_iou);
    near(scores.per_category_accuracy, golden.per_category_accuracy);
    for (const name of ['mean_iou', 'mean_accuracy', 'overall_accuracy'] as const) {
      expect(scores[name]).toBeCloseTo(golden[name], 12);
    }
  });
});

describe('segmentationMetrics', () => {
  /** Logits of two classes on a grid of 2 × 2, of which each is a quarter of a picture of 8 × 8. */
  const predictions = new Tensor('float32', [5, 5, -5, -5, -5, -5, 5, 5], [1, 2, 2, 2]);
  const labels = Array.from({ length: 64 }, (_, i) => (i < 32 ? 0 : 1));

  it('upsamples the logits to the labels', () => {
    const metrics = segmentationMetrics()({ predictions, label_ids: new Tensor('int32', labels, [1, 8, 8]) });
    expect(metrics).toEqual({ mean_iou: 1, mean_accuracy: 1, overall_accuracy: 1 });
  });

  it('counts batch by batch, and begins anew after the last', () => {
    const metrics = segmentationMetrics();
    const right = { predictions, label_ids: new Tensor('int32', labels, [1, 8, 8]) };
    const wrong = {
      predictions,
      label_ids: new Tensor(
        'int32',
        labels.map((id) => 1 - id),
        [1, 8, 8],
      ),
    };
    metrics(right, false);
    expect(metrics(wrong, true).overall_accuracy).toBe(0.5);
    expect(metrics(right, true).overall_accuracy).toBe(1);
  });
});

it('five guesses count where there are more than ten classes', () => {
  const scores = Array.from({ length: 2 * 12 }, (_, i) => i % 12);
  const predictions = new Tensor('float32', scores, [2, 12]);
  const label_ids = new Tensor('int32', [7, 3], [2]);
  expect(classificationMetrics({ predictions, label_ids })).toMatchObject({ accuracy: 0, top_5_accuracy: 0.5 });
});

it('of equal logits the first counts', () => {
  const predictions = new Tensor('float32', [1, 1, 1], [1, 3]);
  const at = (label: number) => ({ predictions, label_ids: new Tensor('int32', [label], [1]) });
  expect([0, 1, 2].map((label) => topKAccuracy(at(label), 1))).toEqual([1, 0, 0]);
  expect([...predictedClasses(at(0))]).toEqual([0]);
});

it('refuses what is no class', () => {
  const matrix = new ConfusionMatrix(3);
  expect(() => matrix.add([3], [0])).toThrow('labels: expected numbers of 3 classes, got 3');
  expect(() => matrix.add([0], [-1])).toThrow('predictions: expected numbers of 3 classes, got -1');
  expect(() => matrix.add([0, 1], [0])).toThrow('predictions: expected one for each of 2 labels, got 1');
  expect(() => new ConfusionMatrix(0)).toThrow('classes: expected');
  expect(new ConfusionMatrix(300).add([255], [255]).accuracy).toBe(1);
});
