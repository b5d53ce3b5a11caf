/**
 * How good predictions are. One table, the confusion matrix, holds all that these figures are made of. Their definitions are
 * scikit-learn's, and for maps of classes those of `evaluate`'s mean_iou.
 */
import { expected } from '../base/errors.js';
import { classMaps } from '../processors/postprocess.js';
import type { Tensor } from '../tensor/tensor.js';

/** The label of a pixel without a class. */
const IGNORED = 255;

/** How well one class was found. */
export interface ClassScores {
  id: number;
  /** How many there are. */
  support: number;
  /** Of those called so, the share that is; 0 where none was. */
  precision: number;
  /** Of those that are, the share called so; 0 where there are none. */
  recall: number;
  f1: number;
  /** Of those that are or were called so, the share of both; null where there are none. */
  iou: number | null;
}

/** Averages over classes. */
export interface Averages {
  precision: number;
  recall: number;
  f1: number;
}

/** What was taken for what, and how often. */
export interface Confusion {
  actual: number;
  predicted: number;
  count: number;
}

/** Counts of what is, in rows, and what it was called, in columns. */
export class ConfusionMatrix {
  readonly classes: number;
  /** [classes, classes] */
  readonly counts: Float64Array;

  constructor(classes: number) {
    if (!Number.isSafeInteger(classes) || classes < 1) throw expected('classes', 'a number of classes', classes);
    this.classes = classes;
    this.counts = new Float64Array(classes * classes);
  }

  /** Counts pictures, or pixels; what has no class is left out. */
  add(labels: ArrayLike<number>, predictions: ArrayLike<number>): this {
    const { classes, counts } = this;
    if (labels.length !== predictions.length) {
      throw expected('predictions', `one for each of ${labels.length} labels`, predictions.length);
    }
    for (let i = 0; i < labels.length; i++) {
      const actual = labels[i]!;
      if (actual === IGNORED && classes <= IGNORED) continue;
      const predicted = predictions[i]!;
      if (!(actual >= 0 && actual < classes)) throw expected('labels', `numbers of ${classes} classes`, actual);
      if (!(predicted >= 0 && predicted < classes)) {
        throw expected('predictions', `numbers of ${classes} classes`, predicted);
      }
      counts[actual * classes + predicted]! += 1;
    }
    return this;
  }

  /** All that was counted. */
  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Share of what was called right. */
  get accuracy(): number {
    return divided(
      this.#sum(this.classes, (i) => this.counts[i * (this.classes + 1)]!),
      this.total,
    );
  }

  /** Of each class. */
  scores(): ClassScores[] {
    const { classes, counts } = this;
    return Array.from({ length: classes }, (_, id) => {
      const right = counts[id * (classes + 1)]!;
      const support = this.#sum(classes, (other) => counts[id * classes + other]!);
      const called = this.#sum(classes, (other) => counts[other * classes + id]!);
      const either = support + called - right;
      return {
        ...{ id, support },
        precision: divided(right, called),
        recall: divided(right, support),
        f1: divided(2 * right, support + called),
        iou: either === 0 ? null : right / either,
      };
    });
  }

  /** The mean of classes, of those that are or were called so. */
  macro(): Averages {
    const present = this.scores().filter(({ iou }) => iou !== null);
    const mean = (name: keyof Averages) =>
      divided(
        present.reduce((sum, scores) => sum + scores[name], 0),
        present.length,
      );
    return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
  }

  /** The mean of classes, each as often as it occurs. */
  weighted(): Averages {
    const { total } = this;
    const all = this.scores();
    const mean = (name: keyof Averages) =>
      divided(
        all.reduce((sum, scores) => sum + scores[name] * scores.support, 0),
        total,
      );
    return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
  }

  /** The mistakes that were made most often. */
  confusions(most = 10): Confusion[] {
    const { classes, counts } = this;
    const wrong: Confusion[] = [];
    for (let actual = 0; actual < classes; actual++) {
      for (let predicted = 0; predicted < classes; predicted++) {
        const count = counts[actual * classes + predicted]!;
        if (count > 0 && actual !== predicted) wrong.push({ actual, predicted, count });
      }
    }
    return wrong.sort((a, b) => b.count - a.count).slice(0, most);
  }

  /** Figures of maps of classes, by the names of `evaluate`. Null for a class that is nowhere. */
  segmentation() {
    const scores = this.scores();
    const ious = scores.map(({ iou }) => iou);
    const accuracies = scores.map(({ support, recall }) => (support === 0 ? null : recall));
    return {
      mean_iou: meanOf(ious),
      mean_accuracy: meanOf(accuracies),
      overall_accuracy: this.accuracy,
      per_category_iou: ious,
      per_category_accuracy: accuracies,
    };
  }

  #sum(count: number, each: (i: number) => number): number {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += each(i);
    return sum;
  }
}

const divided = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

function meanOf(values: readonly (number | null)[]): number {
  const known = values.filter((value) => value !== null);
  return divided(
    known.reduce((sum, value) => sum + value, 0),
    known.length,
  );
}

/** Logits beside labels, as a trainer hands them to `compute_metrics`. */
interface Prediction {
  /** [N,K], or [N,K,h,w] of a segmenter. */
  predictions: Tensor;
  /** [N], or [N,H,W]. */
  label_ids: Tensor;
}

/** The class with the largest logit of every picture [N], or of every pixel [N,H,W]. */
export function predictedClasses({ predictions, label_ids }: Prediction): Int32Array {
  const { dims } = predictions;
  if (label_ids.dims.length > 1) {
    const [height, width] = label_ids.dims.slice(1) as [number, number];
    const sizes = Array.from({ length: dims[0]! }, () => [height, width] as const);
    const all = new Int32Array(dims[0]! * height * width);
    for (const [i, { segmentation }] of classMaps({ logits: predictions }, sizes, {}).entries()) {
      all.set(segmentation.data, i * height * width);
    }
    return all;
  }
  const [count, classes] = dims as [number, number];
  const { data } = predictions.to('float32');
  const best = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    for (let c = 1; c < classes; c++) if (data[i * classes + c]! > data[i * classes + best[i]!]!) best[i] = c;
  }
  return best;
}

/** The share of pictures whose class is among the `k` with the largest logits. */
export function topKAccuracy({ predictions, label_ids }: Prediction, k: number): number {
  const [count, classes] = predictions.dims as [number, number];
  const { data } = predictions.to('float32');
  const labels = label_ids.to('int32').data;
  let right = 0;
  for (let i = 0; i < count; i++) {
    const own = data[i * classes + labels[i]!]!;
    let before = 0;
    for (let c = 0; c < classes; c++) {
      const other = data[i * classes + c]!;
      // Of equal ones the first counts, as everywhere else.
      if (other > own || (other === own && c < labels[i]!)) before++;
    }
    if (before < k) right++;
  }
  return divided(right, count);
}

/** Of how many classes the right one is looked for beside the first, where there are enough. */
const TOP = 5;

/** `compute_metrics` for a classifier: accuracy, that of five guesses, and means over classes. */
export function classificationMetrics(prediction: Prediction): Record<string, number> {
  const classes = prediction.predictions.dims[1]!;
  const matrix = new ConfusionMatrix(classes).add(labelsOf(prediction), predictedClasses(prediction));
  return {
    accuracy: matrix.accuracy,
    ...(classes > 2 * TOP && { [`top_${TOP}_accuracy`]: topKAccuracy(prediction, TOP) }),
    ...matrix.macro(),
  };
}

const labelsOf = ({ label_ids }: Prediction): Int32Array => label_ids.to('int32').data;

/**
 * `compute_metrics` for a segmenter, to be made anew for each training. With `batch_eval_metrics: true` it counts batch by batch, so
 * that no logits are kept.
 */
export function segmentationMetrics(): (prediction: Prediction, last?: boolean) => Record<string, number> {
  let matrix: ConfusionMatrix | undefined;
  return (prediction, last = true) => {
    matrix ??= new ConfusionMatrix(prediction.predictions.dims[1]!);
    matrix.add(labelsOf(prediction), predictedClasses(prediction));
    const { mean_iou, mean_accuracy, overall_accuracy } = matrix.segmentation();
    if (last) matrix = undefined;
    return { mean_iou, mean_accuracy, overall_accuracy };
  };
}
