/** The losses that `labels` give, as transformers computes them; sums are kept in float64. */
import { MobileNetError, show } from '../../base/errors.js';
import { mapped } from '../../base/mapped.js';
import { operandsOf } from '../../layers/kernel.js';
import { resizeBilinear } from '../../layers/resize/plain.js';
import { sameDims } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { MobileNetV2Config, ProblemType } from './config.js';

/** Label that PyTorch's cross-entropy passes over unless told otherwise. */
export const IGNORED_LABEL = -100;

/**
 * ForSequenceClassificationLoss of transformers' loss_utils.py: mean squared error for one label, cross-entropy for
 * integer labels, binary cross-entropy for float labels; `problem_type` in the config overrides the guess.
 *
 * @param logits [N,K]
 * @param labels [N] class indices, or [N,K] targets for multi-label and regression of several values
 */
export function classificationLoss(logits: Tensor<'float32'>, labels: Tensor, config: MobileNetV2Config): number {
  const problem = problemOf(labels, config);
  const [batch, classes] = logits.dims as [number, number];
  checkTargets(problem, labels, logits.dims);
  if (problem === 'single_label_classification') {
    return crossEntropy(logits.data, indicesOf(labels), { batch, classes, pixels: 1, ignored: IGNORED_LABEL });
  }
  const targets = labels.to('float64').data;
  let sum = 0;
  for (let i = 0; i < targets.length; i++) {
    const x = logits.data[i];
    // −y·log σ(x) − (1−y)·log(1−σ(x)), written so that no large exponential appears.
    if (problem === 'regression') sum += (x - targets[i]) ** 2;
    else sum += Math.max(x, 0) - x * targets[i] + Math.log1p(Math.exp(-Math.abs(x)));
  }
  return sum / targets.length;
}

/** What is to be learned from such labels. */
export function problemOf(labels: Tensor, { problem_type, num_labels }: MobileNetV2Config): ProblemType {
  if (problem_type !== null) return problem_type;
  if (num_labels === 1) return 'regression';
  return isWhole(labels) ? 'single_label_classification' : 'multi_label_classification';
}

const isWhole = ({ type }: Tensor): boolean => type === 'int64' || type === 'int32';

/** Labels as numbers. */
export const indicesOf = (labels: Tensor): Float64Array =>
  mapped(new Float64Array(labels.size), labels.data as ArrayLike<number | bigint>, Number);

/**
 * @param dims of the logits, [N,K]
 * @throws MobileNetError ARG for labels of another shape or type
 */
export function checkTargets(problem: ProblemType, labels: Tensor, dims: readonly number[]): void {
  const [batch, classes] = dims;
  if (problem === 'single_label_classification') {
    if (isWhole(labels) && labels.size === batch) return;
    throw new MobileNetError(
      'ARG',
      `labels: expected ${batch} class indices (int64), got ${labels.type} ${show(labels.dims)}`,
    );
  }
  // PyTorch squeezes both sides of a regression of one value, so that [N] fits [N,1].
  const squeezed = problem === 'regression' && classes === 1 && labels.size === batch;
  if (sameDims(labels.dims, dims) || squeezed) return;
  throw new MobileNetError('ARG', `labels: ${problem} expects [${dims.join(',')}], got ${show(labels.dims)}`);
}

/** @throws MobileNetError ARG for anything but whole numbers [N,H,W] */
export function checkMasks(labels: Tensor, batch: number): void {
  if (isWhole(labels) && labels.dims.length === 3 && labels.dims[0] === batch) return;
  throw new MobileNetError('ARG', `labels: expected int64 [${batch},H,W], got ${labels.type} ${show(labels.dims)}`);
}

/** @throws MobileNetError ARG for a class that there is not */
export function checkClass(label: number, classes: number, image: number): void {
  if (label >= 0 && label < classes) return;
  throw new MobileNetError('ARG', `labels: class ${label} of image ${image}, but num_labels is ${classes}`);
}

/**
 * Cross-entropy of the logits, upsampled to the labels' size, over all pixels whose label is not
 * `semantic_loss_ignore_index`; NaN when all are ignored, as in PyTorch.
 *
 * @param logits [N,K,h,w]
 * @param labels integers [N,H,W]
 */
export function segmentationLoss(logits: Tensor<'float32'>, labels: Tensor, config: MobileNetV2Config): number {
  const [batch, classes, inHeight, inWidth] = logits.dims as [number, number, number, number];
  checkMasks(labels, batch);
  const [, outHeight, outWidth] = labels.dims as [number, number, number];
  // Each of the N·K planes is a picture of one channel, so the NHWC kernel serves NCHW too.
  const sizes = { batch: batch * classes, channels: 1, inHeight, inWidth, outHeight, outWidth, alignCorners: false };
  const upsampled = new Float32Array(labels.size * classes);
  resizeBilinear.run({ op: 'resize_bilinear', dtype: 'f32', ...sizes }, operandsOf({ x: logits.data, y: upsampled }));
  const pixels = outHeight * outWidth;
  return crossEntropy(upsampled, indicesOf(labels), {
    batch,
    classes,
    pixels,
    ignored: config.semantic_loss_ignore_index,
  });
}

/** Mean of −log softmax(x)[label] over the pixels that count. `x` is [N,K,P]. */
function crossEntropy(
  x: Float32Array,
  labels: ArrayLike<number>,
  { batch, classes, pixels, ignored }: { batch: number; classes: number; pixels: number; ignored: number },
): number {
  let sum = 0;
  let counted = 0;
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < pixels; p++) {
      const label = labels[n * pixels + p];
      if (label === ignored) continue;
      checkClass(label, classes, n);
      const at = (k: number): number => x[(n * classes + k) * pixels + p];
      let largest = -Infinity;
      for (let k = 0; k < classes; k++) largest = Math.max(largest, at(k));
      let total = 0;
      for (let k = 0; k < classes; k++) total += Math.exp(at(k) - largest);
      sum += largest + Math.log(total) - at(label);
      counted++;
    }
  }
  return sum / counted;
}
