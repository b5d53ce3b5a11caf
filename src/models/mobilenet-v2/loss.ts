/** The losses that `labels` give, as transformers computes them; sums are kept in float64. */
import { MobileNetError, show } from '../../base/errors.js';
import { mapped } from '../../base/mapped.js';
import { operandsOf } from '../../layers/kernel.js';
import { resizeBilinear } from '../../layers/resize/plain.js';
import { sameDims } from '../../tensor/shape.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { MobileNetV2Config, ProblemType } from './config.js';

/** Label that PyTorch's cross-entropy passes over unless told otherwise. */
const IGNORED_LABEL = -100;

/**
 * ForSequenceClassificationLoss of transformers' loss_utils.py: mean squared error for one label, cross-entropy for
 * integer labels, binary cross-entropy for float labels; `problem_type` in the config overrides the guess.
 *
 * @param logits [N,K]
 * @param labels [N] class indices, or [N,K] targets for multi-label and regression of several values
 */
export function classificationLoss(logits: Tensor<'float32'>, labels: Tensor, config: MobileNetV2Config): number {
  const integers = labels.type === 'int64' || labels.type === 'int32';
  let problem: ProblemType | null = config.problem_type;
  if (problem === null) {
    if (config.num_labels === 1) problem = 'regression';
    else problem = integers ? 'single_label_classification' : 'multi_label_classification';
  }
  const [batch, classes] = logits.dims as [number, number];
  if (problem === 'single_label_classification') {
    if (!integers || labels.size !== batch) {
      throw new MobileNetError(
        'ARG',
        `labels: expected ${batch} class indices (int64), got ${labels.type} ${show(labels.dims)}`,
      );
    }
    const indices = mapped(new Float64Array(labels.size), labels.data as ArrayLike<number | bigint>, Number);
    return crossEntropy(logits.data, indices, { batch, classes, pixels: 1, ignored: IGNORED_LABEL });
  }
  // PyTorch squeezes both sides of a regression of one value, so that [N] fits [N,1].
  const fits =
    sameDims(labels.dims, logits.dims) || (problem === 'regression' && classes === 1 && labels.size === batch);
  if (!fits) {
    throw new MobileNetError('ARG', `labels: ${problem} expects [${logits.dims.join(',')}], got ${show(labels.dims)}`);
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

/**
 * Cross-entropy of the logits, upsampled to the labels' size, over all pixels whose label is not
 * `semantic_loss_ignore_index`; NaN when all are ignored, as in PyTorch.
 *
 * @param logits [N,K,h,w]
 * @param labels integers [N,H,W]
 */
export function segmentationLoss(logits: Tensor<'float32'>, labels: Tensor, config: MobileNetV2Config): number {
  const [batch, classes, inHeight, inWidth] = logits.dims as [number, number, number, number];
  if ((labels.type !== 'int64' && labels.type !== 'int32') || labels.dims.length !== 3 || labels.dims[0] !== batch) {
    throw new MobileNetError('ARG', `labels: expected int64 [${batch},H,W], got ${labels.type} ${show(labels.dims)}`);
  }
  const [, outHeight, outWidth] = labels.dims as [number, number, number];
  // Each of the N·K planes is a picture of one channel, so the NHWC kernel serves NCHW too.
  const sizes = { batch: batch * classes, channels: 1, inHeight, inWidth, outHeight, outWidth, alignCorners: false };
  const upsampled = new Float32Array(labels.size * classes);
  resizeBilinear.run({ op: 'resize_bilinear', dtype: 'f32', ...sizes }, operandsOf({ x: logits.data, y: upsampled }));
  const indices = mapped(new Float64Array(labels.size), labels.data as ArrayLike<number | bigint>, Number);
  const pixels = outHeight * outWidth;
  return crossEntropy(upsampled, indices, { batch, classes, pixels, ignored: config.semantic_loss_ignore_index });
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
      if (label < 0 || label >= classes) {
        throw new MobileNetError('ARG', `labels: class ${label} of image ${n}, but num_labels is ${classes}`);
      }
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
