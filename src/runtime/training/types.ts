/** What training is to those who use it: models (gradients) and the trainer (steps). */
import type { AdamSpec, RmspropSpec, SgdSpec } from '../../layers/backward/spec.js';
import type { Tensor } from '../../tensor/tensor.js';

/** How batch norms count: with their running statistics, or with those of the batch, which changes the running ones. */
export type BatchNormMode = 'frozen' | 'train';

export interface SessionOptions {
  /** Prefixes of the names of parameters that are trained; all unless given. */
  trainable?: readonly string[] | undefined;
  /** `train` is of norms whose weight is trained; all others stay frozen. Default `frozen`. */
  batch_norm?: BatchNormMode | undefined;
  /** How much of the new statistics goes into the running ones, as in PyTorch. Default 0.1. */
  batch_norm_momentum?: number | undefined;
  /** Makes the wide tensors again on the way back: less memory, a little more time. Default false. */
  recompute?: boolean | undefined;
  /** Pictures that go through together where norms are frozen. Results differ in rounding only. Default 1. */
  picturesAtOnce?: number | undefined;
}

/** A parameter that is trained, and where it lies among all of them. */
export interface TrainedParameter {
  readonly name: string;
  readonly dims: readonly number[];
  /** The first of its numbers in the flat array of all parameters. */
  readonly offset: number;
  readonly size: number;
}

/**
 * The loss of some pictures of a batch: its part of the batch's loss, and the gradient of that by their logits, in their order.
 * @param logits of the pictures `from`, `from` + 1, …, in the model's public layout
 */
export type LossOfPictures = (logits: Tensor<'float32'>, from: number) => { loss: number; gradient: Float32Array };

export interface AccumulateOptions {
  /** [N,C] factors, 0 or 1/(1−p), of the channels that the classifier reads. No dropout unless given. */
  dropout?: Float32Array | undefined;
  /** Whether the pictures' gradient is wanted. */
  pixelGradient?: boolean | undefined;
  /** Heard between two kernels. What was added to the gradients until then stays there, unless the step is dropped. */
  signal?: AbortSignal | undefined;
}

/** What a batch gave. */
export interface BatchResult {
  /** The sum of the parts. */
  loss: number;
  /** Of the whole batch, in the model's public layout. */
  logits: Tensor<'float32'>;
  /** The gradient of the loss by the pictures, [N,C,H,W]. */
  pixelGradient?: Tensor<'float32'>;
}

/** What stays the same from step to step, of one optimizer. */
type Settings<S> = Omit<S, 'dtype' | 'size' | 'learningRate' | 'weightDecay' | 'gradientScale' | 'step' | 'first'>;
/** An optimizer and its constants. */
export type Optimizer = Settings<SgdSpec> | Settings<RmspropSpec> | Settings<AdamSpec>;

/** What is decayed: all, all but biases (and betas of norms), or what has more than one dimension. */
export type Decayed = 'all' | 'all but biases' | 'matrices';

export interface UpdateOptions {
  learningRate: number;
  /** Default 0. */
  weightDecay?: number | undefined;
  /** Default `all but biases`, as transformers' Trainer does it. */
  decayed?: Decayed | undefined;
  /** What gradients are multiplied by first, for clipping and for a mean over several batches. Default 1. */
  gradientScale?: number | undefined;
}

/** What an optimizer remembers. */
export interface OptimizerState {
  /** Updates so far. */
  steps: number;
  /** Of each parameter, the arrays of `other` in layers/backward/spec.ts, one after another; empty before the first update. */
  memory: Map<string, Float32Array[]>;
}

/** Weights and statistics of a network while it is trained. One call at a time. */
export interface TrainingSession {
  /** In flat order: weights, then weights of norms, then biases. */
  readonly parameters: readonly TrainedParameter[];
  /** Channels that the classifier reads: columns of `dropout`. */
  readonly classifierChannels: number;
  /** Threads that it computes with. */
  readonly threads: number;
  /** Batches that norms have looked at so far, by their prefixes: what PyTorch counts in `num_batches_tracked`. */
  readonly batchesTracked: ReadonlyMap<string, number>;
  zeroGradients(): Promise<void>;
  /** As zeroGradients; statistics of norms, too, are again what they were when gradients were last zeroed, loaded or made. */
  dropStep(): Promise<void>;
  /**
   * Adds the gradients of a batch. With frozen norms pictures go through in small groups, and `lossOf` is called for each.
   * @param pixels [N,C,H,W]
   * @throws MobileNetError ARG for a batch norm that would see one value, and for gradients that were read and not zeroed since
   */
  accumulate(
    pixels: Float32Array,
    dims: readonly [number, number, number, number],
    lossOf: LossOfPictures,
    options?: AccumulateOptions,
  ): Promise<BatchResult>;
  /**
   * Logits of a batch, in the model's public layout. Gradients stay as they are; batch norms that look at the batch change their
   * running statistics.
   * @param pixels [N,C,H,W]
   */
  forward(
    pixels: Float32Array,
    dims: readonly [number, number, number, number],
    signal?: AbortSignal,
  ): Promise<Tensor<'float32'>>;
  /** The gradient of a parameter, a copy. */
  gradient(name: string): Promise<Float32Array>;
  /** The norm of all gradients together. */
  gradientNorm(): Promise<number>;
  /** One step of an optimizer on all parameters. Gradients stay as they are. */
  update(optimizer: Optimizer, options: UpdateOptions): Promise<void>;
  /** Copies of all weights and running statistics by the checkpoint's names. */
  state(): Promise<Map<string, Float32Array>>;
  /** Replaces weights and statistics, some or all. */
  load(state: ReadonlyMap<string, Float32Array>): Promise<void>;
  optimizerState(): Promise<OptimizerState>;
  loadOptimizerState(state: OptimizerState): Promise<void>;
  /** Gives memory and threads back. */
  dispose(): void;
}
