/** What `mobilenet-v2/train` is everywhere: it works on a model of `mobilenet-v2`, which has put its platform in place. */
export type { BatchNormMode, Decayed } from '../runtime/training/types.js';
export {
  type IntervalStrategy,
  type SamplingStrategy,
  type SaveStrategy,
  type TrainedPart,
  TrainingArguments,
  type TrainingOptions,
} from '../train/arguments.js';
export { type Assessment, type AssessOptions, assess, type Mistake } from '../train/assess.js';
export {
  type CallbackDetails,
  type CallbackEvent,
  type CallbackState,
  EarlyStoppingCallback,
  type EarlyStoppingOptions,
  type EventName,
  type LogEntry,
  type TrainerCallback,
  type TrainerControl,
  type TrainerState,
} from '../train/callbacks.js';
export { get_last_checkpoint } from '../train/checkpoints.js';
export type { Augmentation } from '../train/data/augment.js';
export type { DirectoryHandle, FileHandle, FolderSource } from '../train/data/files.js';
export type { ImageDataset } from '../train/data/image-dataset.js';
export {
  type FolderProgress,
  ImageFolder,
  type ImageFolderOptions,
  type NearDuplicate,
} from '../train/data/image-folder.js';
export type { FolderProblem, FolderTask } from '../train/data/layout.js';
export type { TrainingDataset, TrainingItem } from '../train/dataset.js';
export type { ComputeMetrics, EvalPrediction, PredictionOutput } from '../train/evaluation.js';
export {
  type Averages,
  type ClassScores,
  type Confusion,
  ConfusionMatrix,
  classificationMetrics,
  predictedClasses,
  segmentationMetrics,
  topKAccuracy,
} from '../train/metrics.js';
export type { OptimizerName, OptimizerOptions } from '../train/optimizers.js';
export { PageTraining } from '../train/page/client.js';
export type {
  PagePicture,
  PageProgress,
  PageTrainingOptions,
  PageTrainingResult,
  Port,
} from '../train/page/protocol.js';
export { serveTraining } from '../train/page/worker.js';
export { Random, type RandomState } from '../train/random.js';
export {
  classRows,
  confusionRows,
  figuresOf,
  type Report,
  reportPage,
  type ShownMistake,
  showMistakes,
} from '../train/report.js';
export type { ScheduleOptions, SchedulerType } from '../train/schedules.js';
export {
  type TrainableModel,
  Trainer,
  type TrainerOptions,
  type TrainOptions,
  type TrainOutput,
} from '../train/trainer.js';
