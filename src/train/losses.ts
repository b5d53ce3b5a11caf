/** What training makes smaller, and its gradient: cross-entropy with label smoothing and weights of classes, as in PyTorch. */
import { MobileNetError } from '../base/errors.js';
import type { MobileNetV2PreTrainedModel } from '../models/mobilenet-v2/pretrained.js';
import type { LossOfPictures } from '../runtime/training/types.js';
import type { Tensor } from '../tensor/tensor.js';

export interface LossOptions {
  smoothing: number;
  /** One a class; undefined where all are 1. */
  weights: Float64Array | undefined;
}

/** The loss of a batch with these labels, times `factor`. */
export type LossOfBatch = (labels: Tensor<'int32'>, factor?: number) => LossOfPictures;

/**
 * The loss of a batch for its pictures group by group: the mean over the batch, times `factor`.
 * @param labels [N]
 */
export function classificationLossOf(labels: Tensor<'int32'>, options: LossOptions, factor = 1): LossOfPictures {
  const { smoothing, weights } = options;
  const weightOf = (label: number) => weights?.[label] ?? 1;
  const whole = labels.data.reduce((sum, label) => sum + weightOf(label), 0);
  return (logits, from) => {
    const [batch, classes] = logits.dims as [number, number];
    const gradient = new Float32Array(batch * classes);
    const scale = factor / whole;
    let loss = 0;
    for (let n = 0; n < batch; n++) {
      const label = labels.data[from + n];
      if (label < 0 || label >= classes) {
        throw new MobileNetError('ARG', `labels: class ${label} of a picture, but the model has ${classes} classes`);
      }
      const row = logits.data.subarray(n * classes, (n + 1) * classes);
      let largest = Number.NEGATIVE_INFINITY;
      for (let k = 0; k < classes; k++) largest = Math.max(largest, row[k]);
      let total = 0;
      for (let k = 0; k < classes; k++) total += Math.exp(row[k] - largest);
      const log = largest + Math.log(total);
      // With smoothing a part of each picture counts for every class.
      let sum = 0;
      for (let k = 0; k < classes; k++) sum += targetOf(k, label) * (log - row[k]);
      loss += sum * scale;
      let mass = 0;
      for (let k = 0; k < classes; k++) mass += targetOf(k, label);
      for (let k = 0; k < classes; k++)
        gradient[n * classes + k] = (Math.exp(row[k] - log) * mass - targetOf(k, label)) * scale;
    }
    return { loss, gradient };

    function targetOf(k: number, label: number): number {
      return ((k === label ? 1 - smoothing : 0) + smoothing / classes) * weightOf(k);
    }
  };
}

/** The loss that belongs to a model. */
export function lossOfModel(_model: MobileNetV2PreTrainedModel<unknown>, options: LossOptions): LossOfBatch {
  return (labels, factor) => classificationLossOf(labels, options, factor);
}
