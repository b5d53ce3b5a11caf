/** What a trainer refuses before it begins. */
import { warn } from '../base/env.js';
import { expected, MobileNetError } from '../base/errors.js';
import { refuseQuantized } from '../models/mobilenet-v2/gradients.js';
import { MobileNetV2PreTrainedModel } from '../models/mobilenet-v2/pretrained.js';
import type { TrainingArguments, TrainingOptions } from './arguments.js';
import type { Checkpoint } from './checkpoints.js';
import type { TrainingDataset } from './dataset.js';
import type { Sampler } from './sampler.js';
import type { TrainableModel } from './trainer.js';

export function checkModel(model: unknown): void {
  if (!(model instanceof MobileNetV2PreTrainedModel)) throw expected('model', 'a model of this package', model);
  refuseQuantized(model.config);
  if (!model.graph.outputs.has('logits') || model.config.num_labels < 2)
    throw new MobileNetError('ARG', 'model: expected a classifier or a segmenter of two classes or more');
}

export function checkDataset(name: string, dataset: TrainingDataset | undefined): void {
  if (dataset === undefined) return;
  const fits = typeof dataset === 'object' && dataset !== null && typeof dataset.item === 'function';
  if (!fits || !Number.isInteger(dataset.length) || dataset.dims?.length !== 3)
    throw expected(name, 'a TrainingDataset: length, dims, id2label and item()', dataset);
}

export function checkClasses(model: TrainableModel, { id2label }: TrainingDataset): void {
  const classes = Object.keys(id2label).length;
  const { num_labels } = model.config;
  if (classes <= num_labels) return;
  throw new MobileNetError(
    'ARG',
    `dataset: it has ${classes} classes and the model ${num_labels}; load the model with id2label of the dataset and ignore_mismatched_sizes: true`,
  );
}

/** Arguments without which the place in a training means nothing. */
const SAME = [
  ...(['per_device_train_batch_size', 'gradient_accumulation_steps', 'dataloader_drop_last'] as const),
  ...(['train', 'optim'] as const),
];

/** Goes on only from a training of the same pictures in the same batches; of other arguments it warns, as transformers does. */
export function checkSameTraining({ path, resume }: Checkpoint, args: TrainingArguments, { pictures }: Sampler): void {
  const then = resume.args as TrainingOptions;
  if (resume.pictures !== pictures) {
    throw new MobileNetError(
      'ARG',
      `resume_from_checkpoint: ${path} was trained on ${resume.pictures} pictures, and train_dataset has ${pictures}`,
    );
  }
  for (const name of SAME) {
    if (then[name] === args[name]) continue;
    throw new MobileNetError(
      'ARG',
      `resume_from_checkpoint: ${path} was trained with ${name} ${String(then[name])}, and now it is ${String(args[name])}`,
    );
  }
  const now = args.to_dict() as Record<string, unknown>;
  const others = Object.keys(now).filter(
    (name) => name !== 'output_dir' && JSON.stringify(now[name]) !== JSON.stringify((then as typeof now)[name]),
  );
  if (others.length > 0) warn(`resume_from_checkpoint: ${path} was trained with other values of ${others.join(', ')}`);
}
