/** What training makes smaller: the loss of a model, by batches and by parts of them. */
import { lossOfLabels } from '../models/mobilenet-v2/gradients.js';
import type { LossOptions } from '../models/mobilenet-v2/loss-gradient.js';
import type { LossOfPictures } from '../runtime/training/types.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TrainableModel } from './trainer.js';

/** The loss of a batch with these labels, times `factor`. */
export type LossOfBatch = (labels: Tensor<'int32'>, factor?: number) => LossOfPictures;

export function lossOfModel(model: TrainableModel, options: LossOptions): LossOfBatch {
  return (labels, factor = 1) => {
    const lossOf = lossOfLabels(model, labels, labels.dims[0], options);
    if (factor === 1) return lossOf;
    return (logits, from) => {
      const { loss, gradient } = lossOf(logits, from);
      for (let i = 0; i < gradient.length; i++) gradient[i] *= factor;
      return { loss: loss * factor, gradient };
    };
  };
}
