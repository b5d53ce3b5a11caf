/**
 * `pipeline(task, model)`: from a picture to an answer in one call, with the shapes of transformers.js. This is the one
 * file that joins processors and models.
 */
import { checkSignal, unlessAborted } from './base/abort.js';
import { Callable } from './base/callable.js';
import { expected, listNames, MobileNetError, show } from './base/errors.js';
import { type Folder, openFolder } from './base/folder.js';
import { mapped } from './base/mapped.js';
import { checkOptions } from './base/options.js';
import { type ImageInput, load_image, RawImage } from './images/raw-image.js';
import { MobileNetV2Model } from './models/mobilenet-v2/base-model.js';
import { classActivationMap } from './models/mobilenet-v2/class-activation.js';
import type { MobileNetV2Config } from './models/mobilenet-v2/config.js';
import { MobileNetV2ForImageClassification } from './models/mobilenet-v2/image-classification.js';
import { FROM_PRETRAINED_OPTIONS, type FromPretrainedOptions } from './models/mobilenet-v2/model-options.js';
import { MobileNetV2PreTrainedModel } from './models/mobilenet-v2/pretrained.js';
import { realWeight } from './models/mobilenet-v2/quantized.js';
import { MobileNetV2ForSemanticSegmentation } from './models/mobilenet-v2/semantic-segmentation.js';
import { heatmap, layOver } from './processors/heatmap.js';
import { MobileNetV2ImageProcessor, type ProcessOptions } from './processors/image-processor.js';
import { ownInput } from './processors/own-input.js';
import { classMaps } from './processors/postprocess.js';
import { cat } from './tensor/operations.js';
import { elementCount } from './tensor/shape.js';
import { Tensor } from './tensor/tensor.js';

/** What every call takes. */
export interface CallOptions {
  /**
   * Ends the call: it is rejected with the signal's reason, an AbortError unless it has another. Heard between pictures
   * and between kernels; with a signal pictures are loaded one after another.
   */
  signal?: AbortSignal | undefined;
}

/** What makes scores of logits; `none` leaves them as they are. */
export type ScoreFunction = 'softmax' | 'sigmoid' | 'none';

/** What a call of a classifying pipeline takes. */
export interface ClassificationOptions extends CallOptions {
  /** How many labels, best first; null gives all. Default 5. */
  top_k?: number | null;
  /** The old name of `top_k`. */
  topk?: number | null;
  /** Only labels whose score is at least this. */
  threshold?: number | undefined;
  /** Default: what the model's `problem_type` says, else softmax, or sigmoid where there is one label alone. */
  function_to_apply?: ScoreFunction;
}

/** A label and how likely it is. */
export interface ClassificationResult {
  label: string;
  /** A probability, all of them together 1; each by itself where `problem_type` is multi-label; a regression's value. */
  score: number;
}

/** Why a picture has a label. */
export interface Explanation {
  label: string;
  /** Its probability, as `classify` gives it. */
  score: number;
  /**
   * [h,w], the class-activation map on the network's own coarse grid, in units of the logit: its mean and the class's
   * bias together are the logit.
   */
  map: Tensor<'float32'>;
  /** What of the map speaks for the label, RGBA at the picture's size; transparent elsewhere. */
  heatmap: RawImage;
  /** A picture, by default the one that was explained, with the heatmap laid over it; RGB. */
  overlay(image?: RawImage): RawImage;
}

/** What a call of a segmenting pipeline takes. */
export interface SegmentationOptions extends CallOptions {
  /**
   * True, the default, segments the whole picture, so that masks fit whatever its shape. False is Hugging Face's
   * preprocessing: the centre is cropped, its masks are stretched over the whole picture, and only of a square one do they fit.
   */
  wholeImage?: boolean;
  /** Pixels whose class is less likely than this, from 0 to 1, are in no mask. */
  threshold?: number | undefined;
}

/** What they mean for the image processor. */
export const segmentationProcessing = ({ wholeImage = true }: SegmentationOptions): ProcessOptions =>
  wholeImage ? { do_center_crop: false } : {};

/** A class that occurs in the picture, and where. */
export interface SegmentationResult {
  label: string;
  /** Null: a semantic mask has no score of its own. */
  score: null;
  /** One channel at the picture's size: 255 where the class is, 0 elsewhere. */
  mask: RawImage;
}

/** What a call of a feature-extracting pipeline takes. */
export interface FeatureOptions extends CallOptions {
  /** True gives the pooled features [N,C], false the feature maps [N,C,h,w]. Default true. */
  pool?: boolean;
  /** What another layer makes instead, by its name in the checkpoint or as `hidden_states.9`; never pooled. */
  layer?: string;
}

type Images = ImageInput | readonly ImageInput[];

/** One picture gives one result, a list gives a list; of what may be either, the result may be either. */
interface PipelineCall<Options, Result> {
  (image: ImageInput, options?: Options): Promise<Result>;
  (images: readonly ImageInput[], options?: Options): Promise<Result[]>;
  (images: Images, options?: Options): Promise<Result | Result[]>;
}

/** What the three pipelines share: a processor, a model, and the right to dispose of it. */
abstract class Pipeline<Model extends { dispose(): void }, Options, Result> extends Callable<
  [images: Images, options?: Options],
  Promise<Result>
> {
  /** Makes tensors of pictures. */
  readonly processor: MobileNetV2ImageProcessor;
  /** The network. */
  readonly model: Model;

  constructor(processor: MobileNetV2ImageProcessor, model: Model) {
    super();
    const ours = processor instanceof MobileNetV2ImageProcessor && model instanceof MobileNetV2PreTrainedModel;
    if (!ours) throw expected('pipeline', 'an image processor and a model', [processor, model]);
    this.processor = processor;
    this.model = model;
  }

  /** Gives the weights, memory and threads of the model back. */
  dispose(): void {
    this.model.dispose();
  }

  /** `using classify = …` disposes of it at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** One result for one picture, a list for a list. */
const like = <T>(input: unknown, results: T[]): T | T[] => (Array.isArray(input) ? results : results[0]);

/** Only pictures: a tensor of pixels is for the model, and one already prepared would be prepared again. */
function checkImages(images: Images): Images {
  if (![images].flat().some((image) => image instanceof Tensor)) return images;
  throw new MobileNetError(
    'ARG',
    'images: got a Tensor; make a picture of it with RawImage.fromTensor, or call the model',
  );
}

function checkNumber(value: unknown, name: string): void {
  if (value === undefined || (typeof value === 'number' && value >= 0 && value <= 1)) return;
  throw expected(name, 'a number from 0 to 1', value);
}

/** The function that transformers' pipeline applies to the logits of a model. */
function usualFunction({ problem_type, num_labels }: MobileNetV2Config): ScoreFunction {
  if (problem_type === 'regression') return 'none';
  return problem_type === 'multi_label_classification' || num_labels === 1 ? 'sigmoid' : 'softmax';
}

/** Logits [N,K] to scores. Of a grid [N,K,rows,columns] (`pool: '7x7'`) the mean over its places. */
function scoresOf(logits: Tensor<'float32'>, wanted: ScoreFunction): Float32Array {
  const { data } = wanted === 'softmax' ? logits.softmax(1) : logits;
  const score = wanted === 'sigmoid' ? (logit: number) => 1 / (1 + Math.exp(-logit)) : (value: number) => value;
  const [batch, classes, ...grid] = logits.dims;
  const places = elementCount(grid);
  const means = new Float32Array(batch * classes);
  for (let i = 0; i < means.length; i++) {
    let sum = 0;
    for (let p = i * places; p < (i + 1) * places; p++) sum += score(data[p]);
    means[i] = sum / places;
  }
  return means;
}

const CLASSIFICATION_OPTIONS = ['top_k', 'topk', 'threshold', 'function_to_apply', 'signal'];

function checkClassification(options: ClassificationOptions): { top_k: number | null; threshold: number } {
  checkOptions(options, CLASSIFICATION_OPTIONS, 'image-classification');
  const { threshold = Number.NEGATIVE_INFINITY, function_to_apply, topk = 5, top_k = topk } = options;
  if (top_k !== null && (!Number.isInteger(top_k) || top_k < 1)) {
    throw expected('top_k', 'a whole number ≥ 1, or null for all', top_k);
  }
  if (typeof threshold !== 'number' || Number.isNaN(threshold)) {
    throw expected('threshold', 'a number', threshold);
  }
  if (function_to_apply !== undefined && !['softmax', 'sigmoid', 'none'].includes(function_to_apply)) {
    const expected = "expected 'softmax', 'sigmoid' or 'none'";
    throw new MobileNetError('ARG', `function_to_apply: ${expected}, got ${show(function_to_apply)}`);
  }
  return { top_k, threshold };
}

/** From logits [N,K] to labels, the best first; one list a picture. */
export function labelsOf(
  logits: Tensor<'float32'>,
  config: MobileNetV2Config,
  options: ClassificationOptions = {},
): ClassificationResult[][] {
  const { top_k, threshold } = checkClassification(options);
  const [batch, classes] = logits.dims as [number, number];
  const scores = scoresOf(logits, options.function_to_apply ?? usualFunction(config));
  return Array.from({ length: batch }, (_, n) => {
    const own = scores.subarray(n * classes, (n + 1) * classes);
    const order = Array.from(own.keys()).sort((a, b) => own[b] - own[a]);
    const best = order.slice(0, top_k ?? classes).filter((k) => own[k] >= threshold);
    return best.map((k) => ({ label: config.id2label[k] ?? `LABEL_${k}`, score: own[k] }));
  });
}

/** What it is as a function: one picture gives a list of labels, a list of pictures a list of lists. */
export interface ImageClassificationPipeline extends PipelineCall<ClassificationOptions, ClassificationResult[]> {}

/** From pictures to labels: an image processor, the network and softmax. */
export class ImageClassificationPipeline extends Pipeline<
  MobileNetV2ForImageClassification,
  ClassificationOptions,
  ClassificationResult[] | ClassificationResult[][]
> {
  readonly task = 'image-classification';

  /** From preprocessed pictures [N,C,H,W] to their labels, the best first; one list a picture. */
  async classify(pixel_values: Tensor, options: ClassificationOptions = {}): Promise<ClassificationResult[][]> {
    checkClassification(options);
    const { logits } = await this.model({ pixel_values, signal: options.signal });
    return labelsOf(logits, this.model.config, options);
  }

  /**
   * Which places of a picture speak for a label: the class-activation map of Zhou et al. 2016.
   * @param label a class by name or number; the best when left out. Where several classes have that name, the best of them
   * @throws MobileNetError ARG for a label the model does not have, or a model without a classifier on global pooling
   */
  async explain(image: ImageInput, label?: string | number, options: CallOptions = {}): Promise<Explanation> {
    checkOptions(options, ['signal'], 'explain');
    const { signal } = options;
    checkSignal(signal);
    signal?.throwIfAborted();
    const own = ownInput(image, 'image') as ImageInput; // it is read twice, and may be laid under the heatmap much later
    const picture = await load_image(own, { signal });
    const { model, processor } = this;
    const { pixel_values } = await processor(picture, { signal });
    const outputs = await model.activations(pixel_values, ['logits', 'last_hidden_state'], { signal });
    const logits = outputs.get('logits')!;
    if (logits.dims.length !== 2)
      throw new MobileNetError('ARG', "explain: with pool: '7x7' a picture has many labels; leave pool out");
    const scores = scoresOf(logits, usualFunction(model.config));
    const id = this.#find(label, scores);
    const map = classActivationMap(
      outputs.get('last_hidden_state')!,
      realWeight(model.state_dict(), 'classifier.weight'),
      id,
    );
    // Laid over the middles of what they see, not stretched over the picture: TensorFlow's padding moves these by half a
    // value, and there they agree better with what covering places does to the logit (correlation 0.61 against 0.49, for
    // the checkpoint that ships and three photographs).
    const features = model.layers(pixel_values.dims as never).find(({ name }) => name === 'conv_1x1')!;
    const geometry = processor.geometry(picture.height, picture.width);
    const colours = heatmap(map, features.receptiveField!, geometry, picture);
    return {
      label: model.config.id2label[id] ?? `LABEL_${id}`,
      score: scores[id],
      map,
      heatmap: colours,
      overlay: (under = picture) => layOver(under, colours),
    };
  }

  /** The number of a class. */
  #find(label: string | number | undefined, scores: Float32Array): number {
    const labels = Array.from(scores, (_, k) => this.model.config.id2label[k] ?? `LABEL_${k}`);
    const found = [...scores.keys()].filter((k) => label === undefined || label === k || label === labels[k]);
    if (found.length > 0) return found.reduce((best, k) => (scores[k] > scores[best] ? k : best));
    throw expected('label', `a number from 0 to ${scores.length - 1} or one of ${listNames(labels, 20, 250)}`, label);
  }

  /** The labels of one picture or of several. */
  override async forward(images: Images, given: ClassificationOptions = {}) {
    checkClassification(given);
    const options = { ...given }; // the caller may change theirs
    const results: ClassificationResult[][] = [];
    for await (const { pixel_values } of this.processor.batches(checkImages(images), { signal: options.signal })) {
      results.push(...(await this.classify(pixel_values, options)));
    }
    return like(images, results);
  }
}

/** What it is as a function: one picture gives a list of masks, a list of pictures a list of lists. */
export interface ImageSegmentationPipeline extends PipelineCall<SegmentationOptions, SegmentationResult[]> {}

/** From pictures to masks: an image processor, the network, its logits enlarged and the largest taken. */
export class ImageSegmentationPipeline extends Pipeline<
  MobileNetV2ForSemanticSegmentation,
  SegmentationOptions,
  SegmentationResult[] | SegmentationResult[][]
> {
  readonly task = 'image-segmentation';

  /**
   * From preprocessed pictures [N,C,H,W] to the class of every pixel, an int32 Tensor [h,w] for each; -1 where no class
   * reaches the `threshold`.
   * @param sizes [height, width] of the pictures
   */
  async segment(
    pixel_values: Tensor,
    sizes: readonly (readonly [number, number])[],
    options: Pick<SegmentationOptions, 'threshold' | 'signal'> = {},
  ): Promise<Tensor<'int32'>[]> {
    checkOptions(options, ['threshold', 'signal'], 'segment');
    const { threshold = 0, signal } = options;
    checkNumber(threshold, 'threshold');
    const outputs = await this.model({ pixel_values, signal });
    return classMaps(outputs, sizes, { threshold }).map(({ segmentation }) => segmentation);
  }

  /** The masks of one picture or of several. */
  override async forward(images: Images, options: SegmentationOptions = {}) {
    checkOptions(options, ['wholeImage', 'threshold', 'signal'], 'image-segmentation');
    const { threshold, signal } = options;
    const results: SegmentationResult[][] = [];
    const processing = { ...segmentationProcessing(options), signal };
    // One at a time: the activations of a large picture are memory enough.
    for await (const { pixel_values, original_sizes } of this.processor.batches(checkImages(images), processing, 1)) {
      const [map] = await this.segment(pixel_values, original_sizes, { threshold, signal });
      results.push(this.#masks(map));
    }
    return like(images, results);
  }

  /** A mask for every class that occurs, in the order of the classes. */
  #masks({ data, dims: [height, width] }: Tensor<'int32'>): SegmentationResult[] {
    const classes = [...new Set(data)].filter((id) => id >= 0).sort((a, b) => a - b);
    return classes.map((id) => ({
      label: this.model.config.id2label[id] ?? `LABEL_${id}`,
      score: null,
      mask: new RawImage(
        mapped(new Uint8Array(data.length), data, (own) => (own === id ? 255 : 0)),
        width,
        height,
        1,
      ),
    }));
  }
}

/** What it is as a function. */
export interface ImageFeatureExtractionPipeline {
  (images: Images, options?: FeatureOptions): Promise<Tensor<'float32'>>;
}

/** From pictures to the features that a classifier would read. */
export class ImageFeatureExtractionPipeline extends Pipeline<MobileNetV2Model, FeatureOptions, Tensor<'float32'>> {
  readonly task = 'image-feature-extraction';

  /** One Tensor with a row for every picture, also for a single one. */
  override async forward(images: Images, given: FeatureOptions = {}): Promise<Tensor<'float32'>> {
    checkOptions(given, ['pool', 'layer', 'signal'], 'image-feature-extraction');
    const options = { ...given }; // the caller may change theirs
    const parts: Tensor<'float32'>[] = [];
    for await (const { pixel_values } of this.processor.batches(checkImages(images), { signal: options.signal })) {
      parts.push(await this.#features(pixel_values, options));
    }
    return parts.length === 1 ? parts[0] : cat(parts, 0);
  }

  async #features(pixel_values: Tensor, { pool = true, layer, signal }: FeatureOptions): Promise<Tensor<'float32'>> {
    if (layer !== undefined) return (await this.model.activations(pixel_values, [layer], { signal })).get(layer)!;
    const { last_hidden_state, pooler_output } = await this.model({ pixel_values, signal });
    return pool && pooler_output ? pooler_output : last_hidden_state;
  }
}

/** How the model of a pipeline is loaded, and how it computes. */
export interface PipelineOptions extends FromPretrainedOptions {}

const TASKS = {
  'image-classification': [MobileNetV2ForImageClassification, ImageClassificationPipeline],
  'image-segmentation': [MobileNetV2ForSemanticSegmentation, ImageSegmentationPipeline],
  'image-feature-extraction': [MobileNetV2Model, ImageFeatureExtractionPipeline],
} as const;

/** What a pipeline can do. */
export type Task = keyof typeof TASKS;
/** The pipeline that does a task. */
export type PipelineOf<T extends Task> = InstanceType<(typeof TASKS)[T][1]>;

/**
 * Loads a model and its image processor for a task.
 *
 *     const classify = await pipeline('image-classification');
 *     await classify('cat.png', { top_k: 3 });   // [{ label, score }, …]
 *
 * @param where a model's folder, or its name on the hub; the one of the two that ship with the package when left out, in Node
 */
export async function pipeline<T extends Task>(
  task: T,
  where?: string | Folder | null,
  options: PipelineOptions = {},
): Promise<PipelineOf<T>> {
  if (typeof task !== 'string' || !Object.hasOwn(TASKS, task)) {
    throw expected('task', Object.keys(TASKS).join(', '), task);
  }
  const [Model, TaskPipeline] = TASKS[task];
  checkOptions(options, FROM_PRETRAINED_OPTIONS, 'pipeline');
  const { signal } = options;
  checkSignal(signal);
  signal?.throwIfAborted();
  const folder = await unlessAborted(openFolder(where, options, Model.shipped), signal);
  const processor = await unlessAborted(MobileNetV2ImageProcessor.from_pretrained(folder), signal);
  const model = await (Model as typeof MobileNetV2Model).from_pretrained(folder, {
    ...options,
    progress_callback: undefined, // the folder tells
  });
  options.progress_callback?.({ status: 'ready', task, model: folder.name });
  return new (TaskPipeline as new (...parts: unknown[]) => unknown)(processor, model) as PipelineOf<T>;
}
