/**
 * What the command line trains with unless it is told otherwise: few pictures, a network that has seen a million others. The recipes
 * that it is measured against are those of PyTorch: AdamW, warm-up in a twentieth of the steps, then a straight line to zero.
 */
import type { TrainedPart, TrainingOptions } from './arguments.js';
import type { FolderTask } from './data/layout.js';

export interface Recipe {
  task: FolderTask;
  part: TrainedPart;
  batchNorm: 'frozen' | 'train';
  /** Whether there are pictures to evaluate with. */
  evaluates: boolean;
}

/** The metric by which the best epoch is chosen. */
const bestMetric = (task: FolderTask): 'accuracy' | 'mean_iou' => (task === 'segment' ? 'mean_iou' : 'accuracy');

export function recipeOf({ task, part, batchNorm, evaluates }: Recipe): TrainingOptions {
  const head = part === 'head' && task === 'classify';
  return {
    train: part,
    batch_norm: head ? 'frozen' : batchNorm,
    num_train_epochs: head ? 40 : 10,
    per_device_train_batch_size: head ? 32 : 16,
    learning_rate: batchNorm === 'train' || head ? 1e-3 : 1e-4, // with frozen norms more diverges
    weight_decay: 0.01,
    warmup_ratio: 0.05,
    // transformers' 0.8 drops most of what the classifier sees.
    classifier_dropout_prob: head ? 0 : 0.2,
    logging_strategy: 'epoch',
    // The head's epochs are shorter than writing a checkpoint.
    save_strategy: head && evaluates ? 'best' : 'epoch',
    save_total_limit: 1,
    ...(evaluates && {
      eval_strategy: 'epoch',
      load_best_model_at_end: true,
      metric_for_best_model: bestMetric(task),
      batch_eval_metrics: task === 'segment',
    }),
  };
}
