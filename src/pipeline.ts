/**
 * `pipeline(task, model)`: from a picture to an answer in one call, with the shapes of transformers.js. This is the one
 * file that joins processors and models.
 */
import { checkSignal, heed, unlessAborted } from './base/abort.js';
import { Callable } from './base/callable.js';
import { type Folder, openFolder } from './base/env.js';
import { listNames, MobileNetError, show } from './base/errors.js';
import { classActivationMap } from './models/mobilenet-v2/class-activation.js';
import type { MobileNetV2Config } from './models/mobilenet-v2/config.js';
import {
  type FromPretrainedOptions,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2Model,
} from './models/mobilenet-v2/model.js';
import { heatmap, layOver } from './processors/heatmap.js';
import { MobileNetV2ImageProcessor, type ProcessOptions } from './processors/image-processor.js';
import { type ImageInput, load_image, RawImage } from './processors/raw-image.js';
import type { Tensor } from './tensor/tensor.js';

/** What every call takes. */
export interface CallOptions {
  /**
   * Ends the call: it is rejected with the signal's reason, an AbortError unless it has another. Heard between pictures
   * and between kernels; with a signal pictures are loaded one after another.
   */
  signal?: AbortSignal | undefined;
}

/** What a call of a classifying pipeline takes. */
export interface ClassificationOptions extends CallOptions {
  /** How many labels, best first; null gives all. Default 5. */
  top_k?: number | null;
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
   * False keeps Hugging Face's preprocessing: where it crops the centre of the picture, the mask is stretched over the
   * whole picture all the same. True segments the picture uncropped, so that the mask fits any shape. Default false.
   */
  whole_image?: boolean;
}

/** What they mean for the image processor. */
export const segmentationProcessing = ({ whole_image = false }: SegmentationOptions): ProcessOptions =>
  whole_image ? { do_center_crop: false } : {};

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

/** One picture gives one result, a list gives a list. */
interface PipelineCall<Options, Result> {
  (image: ImageInput, options?: Options): Promise<Result>;
  (images: readonly ImageInput[], options?: Options): Promise<Result[]>;
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

async function loadImages(input: Images, signal: AbortSignal | undefined): Promise<RawImage[]> {
  checkSignal(signal);
  signal?.throwIfAborted();
  const inputs = Array.isArray(input) ? input : [input as ImageInput];
  if (inputs.length === 0) throw new MobileNetError('ARG', 'images: expected at least one, got an empty list');
  if (signal === undefined) return Promise.all(inputs.map((image) => load_image(image)));
  const images: RawImage[] = [];
  for (const image of inputs) {
    await heed(signal); // decoding holds the thread
    images.push(await unlessAborted(load_image(image), signal));
  }
  return images;
}

const like = <T>(input: unknown, results: T[]): T | T[] => (Array.isArray(input) ? results : results[0]);

/**
 * Logits [N,K] to scores, as transformers' pipeline does it: each class by itself where a picture may have several or there
 * is only one, as they are for a regression, a softmax elsewhere. Of a grid [N,K,rows,columns] (`pool: '7x7'`) the mean
 * over its places.
 */
function scoresOf(logits: Tensor<'float32'>, { problem_type, num_labels }: MobileNetV2Config): Float32Array {
  const plain = problem_type === 'regression';
  const alone = !plain && (problem_type === 'multi_label_classification' || num_labels === 1);
  const { data } = plain || alone ? logits : logits.softmax(1);
  const score = alone ? (logit: number) => 1 / (1 + Math.exp(-logit)) : (value: number) => value;
  const [batch, classes, ...grid] = logits.dims;
  const places = grid.reduce((product, size) => product * size, 1);
  const means = new Float32Array(batch * classes);
  for (let i = 0; i < means.length; i++) {
    let sum = 0;
    for (let p = i * places; p < (i + 1) * places; p++) sum += score(data[p]);
    means[i] = sum / places;
  }
  return means;
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
  async classify(
    pixel_values: Tensor,
    { top_k = 5, signal }: ClassificationOptions = {},
  ): Promise<ClassificationResult[][]> {
    if (top_k !== null && (!Number.isInteger(top_k) || top_k < 1)) {
      throw new MobileNetError('ARG', `top_k: expected a whole number ≥ 1, or null for all, got ${show(top_k)}`);
    }
    const { logits } = await this.model({ pixel_values, signal });
    const labels = this.model.config.id2label;
    const [batch, classes] = logits.dims as [number, number];
    const scores = scoresOf(logits, this.model.config);
    return Array.from({ length: batch }, (_, n) => {
      const own = scores.subarray(n * classes, (n + 1) * classes);
      const order = Array.from(own.keys()).sort((a, b) => own[b] - own[a]);
      return order.slice(0, top_k ?? classes).map((k) => ({ label: labels[k] ?? `LABEL_${k}`, score: own[k] }));
    });
  }

  /**
   * Which places of a picture speak for a label: the class-activation map of Zhou et al. 2016.
   * @param label a class by name or number; the best when left out. Of a name that several classes bear, the best
   * @throws MobileNetError ARG for a label the model does not have, or a model without a classifier on global pooling
   */
  async explain(image: ImageInput, label?: string | number, { signal }: CallOptions = {}): Promise<Explanation> {
    const [picture] = await loadImages(image, signal);
    const { model, processor } = this;
    const { pixel_values } = await processor(picture);
    const outputs = await model.activations(pixel_values, ['logits', 'last_hidden_state'], { signal });
    const logits = outputs.get('logits')!;
    if (logits.dims.length !== 2) throw new MobileNetError('ARG', "explain: there is no one label with pool: '7x7'");
    const scores = scoresOf(logits, model.config);
    const id = this.#find(label, scores);
    const map = classActivationMap(outputs.get('last_hidden_state')!, model.state_dict().get('classifier.weight'), id);
    // Laid over the middles of what they see, not stretched over the picture: TensorFlow's padding moves these by half a
    // value, and there they agree better with what covering places does to the logit (correlation 0.61 against 0.49, for
    // the checkpoint that ships and three photographs).
    const features = model.layers(pixel_values.dims as never).find(({ name }) => name === 'conv_1x1')!;
    const geometry = processor.geometry(picture.height, picture.width);
    const colours = heatmap(map, features.receptive_field!, geometry, picture);
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
    throw new MobileNetError(
      'ARG',
      `label: expected a number from 0 to ${scores.length - 1} or one of ${listNames(labels, 20, 250)}, got ${show(label)}`,
    );
  }

  /** The labels of one picture or of several. */
  override async forward(images: Images, options?: ClassificationOptions) {
    const { pixel_values } = await this.processor(await loadImages(images, options?.signal));
    return like(images, await this.classify(pixel_values, options));
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
   * From preprocessed pictures [N,C,H,W] to the class of every pixel, an integer Tensor [h,w] for each.
   * @param sizes [height, width] of the pictures
   */
  async segment(
    pixel_values: Tensor,
    sizes: readonly (readonly [number, number])[],
    { signal }: CallOptions = {},
  ): Promise<Tensor[]> {
    const outputs = await this.model({ pixel_values, signal });
    return this.processor.post_process_semantic_segmentation(outputs, sizes);
  }

  /** The masks of one picture or of several. */
  override async forward(images: Images, options: SegmentationOptions = {}) {
    const results: SegmentationResult[][] = [];
    // One at a time: uncropped pictures differ in size, and the activations of a large one are memory enough.
    for (const image of await loadImages(images, options.signal)) {
      const { pixel_values } = await this.processor(image, segmentationProcessing(options));
      const [map] = await this.segment(pixel_values, [[image.height, image.width]], options);
      results.push(this.#masks(map));
    }
    return like(images, results);
  }

  /** A mask for every class that occurs, in the order of the classes. */
  #masks(map: Tensor): SegmentationResult[] {
    const [height, width] = map.dims as [number, number];
    const classes = Array.from(map.data as ArrayLike<number | bigint>, Number);
    return [...new Set(classes)]
      .sort((a, b) => a - b)
      .map((id) => ({
        label: this.model.config.id2label[id] ?? `LABEL_${id}`,
        score: null,
        mask: new RawImage(
          Uint8Array.from(classes, (own) => (own === id ? 255 : 0)),
          width,
          height,
          1,
        ),
      }));
  }
}

/** What it is as a function. */
export interface ImageFeatureExtractionPipeline {
  (images: Images, options?: FeatureOptions): Promise<Tensor>;
}

/** From pictures to the features that a classifier would read. */
export class ImageFeatureExtractionPipeline extends Pipeline<MobileNetV2Model, FeatureOptions, Tensor> {
  readonly task = 'image-feature-extraction';

  /** One Tensor with a row for every picture, also for a single one. */
  override async forward(images: Images, { pool = true, layer, signal }: FeatureOptions = {}): Promise<Tensor> {
    const { pixel_values } = await this.processor(await loadImages(images, signal));
    if (layer !== undefined) return (await this.model.activations(pixel_values, [layer], { signal })).get(layer)!;
    const { last_hidden_state, pooler_output } = await this.model({ pixel_values, signal });
    return pool ? pooler_output! : last_hidden_state;
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
 * @param where a model's folder, or its name on the hub; the checkpoint that ships with the package when left out (not for segmentation)
 */
export async function pipeline<T extends Task>(
  task: T,
  where?: string | Folder,
  options: PipelineOptions = {},
): Promise<PipelineOf<T>> {
  if (!Object.hasOwn(TASKS, task)) {
    throw new MobileNetError('ARG', `task: expected ${Object.keys(TASKS).join(', ')}, got ${show(task)}`);
  }
  if (task === 'image-segmentation' && where === undefined) {
    throw new MobileNetError('ARG', 'image-segmentation: name a model; the one that ships with the package classifies');
  }
  const [Model, TaskPipeline] = TASKS[task];
  const { signal } = options;
  checkSignal(signal);
  signal?.throwIfAborted();
  const folder = await unlessAborted(openFolder(where, options), signal);
  const processor = await unlessAborted(MobileNetV2ImageProcessor.from_pretrained(folder), signal);
  const model = await (Model as typeof MobileNetV2Model).from_pretrained(folder, options);
  options.progress_callback?.({ status: 'ready', task, model: folder.name });
  return new (TaskPipeline as new (...parts: unknown[]) => unknown)(processor, model) as PipelineOf<T>;
}
