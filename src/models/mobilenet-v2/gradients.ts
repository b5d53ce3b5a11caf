/** Gradients of a model's loss, and the sessions that train it. Loaded when the first of them is asked for. */
import { expected, MobileNetError } from '../../base/errors.js';
import { checkOptions } from '../../base/options.js';
import type { Graph } from '../../graph/nodes.js';
import { TRAINING_KERNELS, TRAINING_WASM_KERNELS } from '../../layers/backward/kernels.js';
import type { Device, EngineOptions } from '../../runtime/engines/make.js';
import { makeEngine } from '../../runtime/engines/make.js';
import { LaneTeam } from '../../runtime/engines/wasm/lanes.js';
import { Session } from '../../runtime/training/session.js';
import type { BatchNormMode, LossOfPictures, SessionOptions, TrainingSession } from '../../runtime/training/types.js';
import { Tensor } from '../../tensor/tensor.js';
import type { MobileNetV2Config } from './config.js';
import { inputsOf, type ModelInputs, ownPixels } from './inputs.js';
import { classificationLossOf, type LossOptions, segmentationLossOf } from './loss-gradient.js';
import { quantizedType } from './quantized.js';
import type { State } from './weights.js';

/** What gradients are of, and how. */
export interface GradientOptions extends LossOptions {
  /** Prefixes of the names of parameters, as in `state_dict()`; all unless given. With an empty list none, but the picture's may be asked for. */
  trainable?: readonly string[];
  /** `frozen`, the default: norms have their running statistics. `train`: those of this batch; the model's stay as they are. */
  batch_norm?: BatchNormMode;
  /** Whether the gradient by the pictures is wanted. Default false. */
  pixelGradient?: boolean;
  /** Factors [N,C] of the channels that the classifier reads, 0 or 1/(1−p): a mask of dropout. None unless given. */
  dropout?: Tensor;
  /**
   * A loss of one's own, in place of that of labels: of the logits of some pictures, from the one of that index on. It gives
   * their part of the loss, and the gradient of that by these logits.
   */
  loss?: (logits: Tensor<'float32'>, from: number) => { loss: number; gradient: Tensor | Float32Array };
  /** Makes wide tensors again on the way back: less memory, a little more time. Default false. */
  recompute?: boolean;
}

/** What `gradients` gives. */
export interface Gradients {
  loss: number;
  /** As the model gives them. */
  logits: Tensor<'float32'>;
  /** By the names and in the shapes of `state_dict()`. */
  gradients: Map<string, Tensor<'float32'>>;
  /** By the pictures, [N,C,H,W], where it was asked for. */
  pixel_values?: Tensor<'float32'>;
}

/** What of a model is needed here. */
export interface TrainableModel {
  readonly config: MobileNetV2Config;
  readonly device: Device;
  readonly graph: Graph;
  readonly engineOptions: EngineOptions;
  state_dict(): State;
}

const OPTIONS = [
  ...['trainable', 'batch_norm', 'pixelGradient', 'dropout', 'loss', 'recompute'],
  ...['label_smoothing', 'classWeights'],
];
const SEGMENTER = 'segmentation_head.classifier';

/** The node that makes the logits; dropout comes before it. */
const classifierOf = ({ nodes }: Graph): string =>
  nodes.some(({ name }) => name === SEGMENTER) ? SEGMENTER : 'classifier';

/**
 * A session that trains a model: it begins with the model's weights and leaves them alone.
 * @throws MobileNetError UNSUPPORTED for a quantized model and for one without logits, ARG, OUT_OF_MEMORY
 */
export function startTraining(model: TrainableModel, options: SessionOptions = {}): TrainingSession {
  checkTrainable(model);
  const { graph, device, engineOptions } = model;
  const more = { plain: TRAINING_KERNELS, wasm: TRAINING_WASM_KERNELS, LaneTeam } as never;
  const engine = makeEngine(device, { threads: engineOptions.threads }, 'f32', more);
  const state = new Map([...floats(model.state_dict())]);
  return new Session({ graph, output: 'logits', dropsBefore: classifierOf(graph), state, engine, options });
}

/** @throws MobileNetError UNSUPPORTED */
export function refuseQuantized(config: MobileNetV2Config): void {
  const type = quantizedType(config);
  if (type === undefined) return;
  throw new MobileNetError(
    'UNSUPPORTED',
    `model: it is ${type}, and whole numbers have no gradients; train the float network and quantize it afterwards, or load this one with dtype: 'fp32'`,
  );
}

function checkTrainable({ config, graph }: TrainableModel): void {
  refuseQuantized(config);
  if (!graph.outputs.has('logits')) {
    throw new MobileNetError(
      'UNSUPPORTED',
      'gradients: expected a model with logits, got one without a head; use MobileNetV2ForImageClassification or MobileNetV2ForSemanticSegmentation',
    );
  }
}

/** The tensors of real numbers. */
function* floats(state: State): Generator<[string, Float32Array]> {
  for (const [name, { data }] of state) if (data instanceof Float32Array) yield [name, data];
}

/** The loss of a batch with labels, by pictures. */
export function lossOfLabels(
  { graph, config }: Pick<TrainableModel, 'graph' | 'config'>,
  labels: Tensor,
  batch: number,
  options: LossOptions = {},
): LossOfPictures {
  if (classifierOf(graph) !== SEGMENTER) return classificationLossOf(labels, config, batch, options);
  if (config.num_labels === 1) throw new MobileNetError('ARG', 'labels: a segmentation loss needs more than one class');
  return segmentationLossOf(labels, config, batch, options);
}

/** The session of a model's last gradients, with the weights that it has. */
interface Kept {
  key: string;
  weights: readonly unknown[];
  session: TrainingSession;
  last: Promise<unknown>;
  /** Ends the session after some time without a call. */
  timer: ReturnType<typeof setTimeout> | undefined;
}
const kept = new WeakMap<TrainableModel, Kept>();

/** Milliseconds after the last call for which memory is kept: 66 MB of a 1.0 at 224, which the next call would have to fill anew. */
const IDLE_MS = 10_000;

/** Gives the memory of a model's gradients back, after the calls that are under way. */
export function releaseGradients(model: TrainableModel): void {
  const entry = kept.get(model);
  if (entry === undefined) return;
  kept.delete(model);
  void entry.last.then(() => entry.session.dispose());
}

function releaseWhenIdle(model: TrainableModel, entry: Kept): void {
  entry.timer = setTimeout(() => {
    if (kept.get(model) === entry) releaseGradients(model);
  }, IDLE_MS);
  (entry.timer as { unref?(): void }).unref?.(); // a program that has nothing else to do ends
}

export async function gradientsOf(
  model: TrainableModel,
  given: ModelInputs | Tensor,
  options: GradientOptions = {},
): Promise<Gradients> {
  checkOptions(options, OPTIONS, 'gradients');
  model.state_dict(); // throws for a model that was disposed
  checkTrainable(model);
  const inputs = inputsOf(given);
  const pixels = ownPixels(inputs.pixel_values, model.config);
  const lossOf = lossFor(model, inputs, pixels.dims[0], options);
  const entry = sessionFor(model, options);
  const result = entry.last.then(() => compute(entry.session, pixels, lossOf, inputs, options));
  const done: Promise<void> = result
    .catch(() => {})
    .then(() => {
      if (entry.last === done) releaseWhenIdle(model, entry);
    });
  entry.last = done;
  return result;
}

function lossFor(
  model: TrainableModel,
  { labels }: ModelInputs,
  batch: number,
  options: GradientOptions,
): LossOfPictures {
  const { loss } = options;
  if (loss === undefined) {
    if (labels === undefined) throw expected('gradients', 'labels, or a loss of your own', labels);
    return lossOfLabels(model, labels, batch, options);
  }
  if (typeof loss !== 'function') throw expected('loss', 'a function of logits', loss);
  if (labels !== undefined) throw new MobileNetError('ARG', 'gradients: expected labels or a loss, got both');
  return (logits, from) => {
    const part = loss(logits, from);
    const { gradient } = part;
    return { loss: part.loss, gradient: gradient instanceof Tensor ? gradient.to('float32').data : gradient };
  };
}

function sessionFor(model: TrainableModel, options: GradientOptions): Kept {
  const { trainable, batch_norm = 'frozen', recompute = false, pixelGradient = false } = options;
  if (batch_norm !== 'frozen' && batch_norm !== 'train')
    throw expected('batch_norm', "'frozen' or 'train'", batch_norm);
  if (trainable !== undefined && !(Array.isArray(trainable) && trainable.every((name) => typeof name === 'string')))
    throw expected('trainable', 'a list of prefixes of names', trainable);
  if (trainable?.length === 0 && !pixelGradient) {
    throw new MobileNetError(
      'ARG',
      'gradients: nothing is asked for; name parameters in trainable, or set pixelGradient',
    );
  }
  const weights = [...model.state_dict().values()];
  const key = JSON.stringify([trainable, batch_norm, recompute]);
  const known = kept.get(model);
  const same = known?.key === key && known.weights.every((tensor, index) => tensor === weights[index]);
  if (known !== undefined && same) {
    clearTimeout(known.timer);
    return known;
  }
  releaseGradients(model);
  // Nothing is remembered of a batch.
  const session = startTraining(model, { trainable, batch_norm, recompute, batch_norm_momentum: 0 });
  const entry: Kept = { key, weights, session, last: Promise.resolve(), timer: undefined };
  kept.set(model, entry);
  return entry;
}

async function compute(
  session: TrainingSession,
  { data, dims }: ReturnType<typeof ownPixels>,
  lossOf: LossOfPictures,
  { signal }: ModelInputs,
  { dropout, pixelGradient = false }: GradientOptions,
): Promise<Gradients> {
  const factors = dropout === undefined ? undefined : factorsOf(dropout, dims[0], session.classifierChannels);
  await session.zeroGradients();
  const result = await session.accumulate(data, dims, lossOf, { dropout: factors, pixelGradient, signal });
  const gradients = new Map<string, Tensor<'float32'>>();
  for (const { name, dims: own } of session.parameters) {
    gradients.set(name, new Tensor('float32', await session.gradient(name), own));
  }
  const { loss, logits, pixelGradient: pixel_values } = result;
  return { loss, logits, gradients, ...(pixel_values && { pixel_values }) };
}

function factorsOf(dropout: Tensor, batch: number, channels: number): Float32Array {
  if (dropout instanceof Tensor && dropout.type === 'float32' && dropout.size === batch * channels) {
    return (dropout as Tensor<'float32'>).data;
  }
  throw expected(
    'dropout',
    `a float32 Tensor [${batch},${channels}]`,
    dropout instanceof Tensor ? dropout.dims : dropout,
  );
}
