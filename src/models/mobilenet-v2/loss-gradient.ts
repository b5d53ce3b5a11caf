/**
 * The gradients of the losses by their logits (loss.ts has the losses). A batch may come in parts, so what it divides by is
 * counted first, over all labels; each part then gives its share of the loss.
 */
import { MobileNetError, show } from '../../base/errors.js';
import { resizeBilinearDx } from '../../layers/backward/resize/plain.js';
import { operandsOf } from '../../layers/kernel.js';
import { resizeBilinear } from '../../layers/resize/plain.js';
import type { LossOfPictures } from '../../runtime/training/types.js';
import { nchwToNhwc, nhwcToNchw } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { MobileNetV2Config } from './config.js';
import { checkClass, checkMasks, checkTargets, IGNORED_LABEL, indicesOf, problemOf } from './loss.js';

/** How labels count. */
export interface LossOptions {
  /** 0 to 1: how much of each target is spread over all classes, as in torch.nn.CrossEntropyLoss. Default 0. */
  label_smoothing?: number | undefined;
  /** A weight for each class, the `weight` of torch.nn.CrossEntropyLoss. Default 1 each. */
  classWeights?: ArrayLike<number> | undefined;
}

/** @param labels as for the loss: class indices [N], or targets [N,K] */
export function classificationLossOf(
  labels: Tensor,
  config: MobileNetV2Config,
  batch: number,
  options: LossOptions = {},
): LossOfPictures {
  const problem = problemOf(labels, config);
  const classes = config.num_labels;
  checkTargets(problem, labels, [batch, classes]);
  if (problem === 'single_label_classification') {
    const targets = targetsOf(indicesOf(labels), { batch, classes, ignored: IGNORED_LABEL }, options);
    return ({ data }, from) => {
      const gradient = data.slice();
      return { loss: crossEntropy(gradient, targets, from), gradient };
    };
  }
  for (const name of ['label_smoothing', 'classWeights'] as const) {
    if (options[name] !== undefined && options[name] !== 0)
      throw new MobileNetError(
        'ARG',
        `${name}: the loss is ${problem}; only that of single_label_classification has it`,
      );
  }
  const targets = labels.to('float64').data;
  return ({ data }, from) => {
    const gradient = new Float32Array(data.length);
    let sum = 0;
    for (let i = 0, j = from * classes; i < data.length; i++, j++) {
      const x = data[i];
      const difference = x - targets[j];
      if (problem === 'regression') {
        sum += difference ** 2;
        gradient[i] = (2 * difference) / targets.length;
      } else {
        const small = Math.exp(-Math.abs(x));
        sum += Math.max(x, 0) - x * targets[j] + Math.log1p(small);
        gradient[i] = ((x >= 0 ? 1 : small) / (1 + small) - targets[j]) / targets.length;
      }
    }
    return { loss: sum / targets.length, gradient };
  };
}

/** @param labels masks [N,H,W]; the logits are upsampled to their size, and the gradient comes back from there */
export function segmentationLossOf(
  labels: Tensor,
  config: MobileNetV2Config,
  batch: number,
  options: LossOptions = {},
): LossOfPictures {
  checkMasks(labels, batch);
  const classes = config.num_labels;
  const [, outHeight, outWidth] = labels.dims as [number, number, number];
  const ignored = config.semantic_loss_ignore_index;
  const targets = targetsOf(indicesOf(labels), { batch, classes, ignored }, options);
  const pixels = outHeight * outWidth;
  const upsampled = new Float32Array(pixels * classes); // of one picture, [H,W,K]: what a softmax reads lies together
  return ({ data, dims }, from) => {
    const [count, , inHeight, inWidth] = dims;
    const size = classes * inHeight * inWidth;
    const sizes = { batch: 1, channels: classes, inHeight, inWidth, outHeight, outWidth, alignCorners: false } as const;
    const small = new Float32Array(size);
    const gradient = new Float32Array(data.length);
    let loss = 0;
    for (let n = 0; n < count; n++) {
      nchwToNhwc(data.subarray(n * size, (n + 1) * size), small, 1, classes, inHeight, inWidth);
      resizeBilinear.run({ op: 'resize_bilinear', dtype: 'f32', ...sizes }, operandsOf({ x: small, y: upsampled }));
      loss += crossEntropy(upsampled, targets, (from + n) * pixels);
      resizeBilinearDx.run(
        { op: 'resize_bilinear_dx', dtype: 'f32', ...sizes },
        operandsOf({ x: upsampled, y: small }),
      );
      nhwcToNchw(small, gradient.subarray(n * size, (n + 1) * size), 1, classes, inHeight, inWidth);
    }
    return { loss, gradient };
  };
}

/** Class indices of a whole batch, and how they count. */
interface Targets {
  labels: Float64Array;
  classes: number;
  ignored: number;
  smoothing: number;
  weights: Float64Array;
  /** The sum of the weights of all labels that count. */
  total: number;
}

function targetsOf(
  labels: Float64Array,
  { batch, classes, ignored }: { batch: number; classes: number; ignored: number },
  { label_smoothing: smoothing = 0, classWeights }: LossOptions,
): Targets {
  if (!(smoothing >= 0 && smoothing <= 1)) {
    throw new MobileNetError('ARG', `label_smoothing: expected a number from 0 to 1, got ${show(smoothing)}`);
  }
  const weights = new Float64Array(classes).fill(1);
  if (classWeights !== undefined) {
    const fits = classWeights?.length === classes && Array.prototype.every.call(classWeights, (weight) => weight >= 0);
    if (!fits)
      throw new MobileNetError(
        'ARG',
        `classWeights: expected ${classes} numbers, none below 0, got ${show(classWeights)}`,
      );
    weights.set(classWeights);
  }
  let total = 0;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (label === ignored) continue;
    checkClass(label, classes, Math.floor((i * batch) / labels.length));
    total += weights[label];
  }
  return { labels, classes, ignored, smoothing, weights, total };
}

/**
 * Cross-entropy of pixels whose labels begin at `from`; logits [P,K] become their gradient. With p = softmax(x) and targets
 * q = (1 − ε)·w[label] at the label + ε/K·w, the loss of a pixel is −Σ q·log p, and its gradient p·Σ q − q.
 */
function crossEntropy(x: Float32Array, targets: Targets, from: number): number {
  const { labels, classes, ignored, smoothing, weights, total } = targets;
  const spread = smoothing / classes;
  const spreadSum = spread * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  for (let begin = 0, at = from; begin < x.length; begin += classes, at++) {
    const end = begin + classes;
    const label = labels[at];
    if (label === ignored) {
      x.fill(0, begin, end);
      continue;
    }
    let largest = x[begin];
    for (let i = begin + 1; i < end; i++) if (!(x[i] <= largest)) largest = x[i];
    const own = (1 - smoothing) * weights[label];
    let smooth = 0; // Σ w·(x − largest), where targets are spread
    if (spread > 0) for (let k = 0; k < classes; k++) smooth += weights[k] * (x[begin + k] - largest);
    const target = x[begin + label] - largest;
    let exponentials = 0;
    for (let i = begin; i < end; i++) {
      const e = Math.exp(x[i] - largest);
      x[i] = e;
      exponentials += e;
    }
    const log = Math.log(exponentials);
    sum += own * (log - target) + spreadSum * log - spread * smooth;
    const factor = (own + spreadSum) / (exponentials * total);
    for (let i = begin; i < end; i++) x[i] *= factor;
    if (spread > 0) for (let k = 0; k < classes; k++) x[begin + k] -= (spread * weights[k]) / total;
    x[begin + label] -= own / total;
  }
  return sum / total;
}
