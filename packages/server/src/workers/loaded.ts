/** A model in a worker: loaded once, with one thread, since every worker has its own. */
import {
  AutoConfig,
  type ImageClassificationPipeline,
  type ImageFeatureExtractionPipeline,
  type ImageSegmentationPipeline,
  load_image,
  MobileNetError,
  type MobileNetV2Config,
  pipeline,
  Tensor,
} from 'mobilenet-v2';
import { asServeError, type Kind, ServeError } from '../errors.js';
import { classMap } from './class-map.js';
import type {
  How,
  LabelScore,
  ModelDescription,
  NamedTensor,
  PictureAnswer,
  PicturesJob,
  Segment,
  Task,
  TensorDescription,
} from './jobs.js';
import type { ModelSpec } from './models.js';

type AnyPipeline = ImageClassificationPipeline | ImageSegmentationPipeline | ImageFeatureExtractionPipeline;

const LIBRARY_TASKS = {
  classify: 'image-classification',
  segment: 'image-segmentation',
  features: 'image-feature-extraction',
} as const;
/** What else a model does: the features are on a classifier's way. */
const TASKS_OF: Record<Task, readonly Task[]> = {
  classify: ['classify', 'features'],
  segment: ['segment'],
  features: ['features'],
};
/** What a classifier's features are called, where they are asked for by name. */
const FEATURES = ['pooler_output', 'last_hidden_state'];
/** Of what the library refuses, what is not simply a bad request. */
const KIND_OF_CODE: Partial<Record<string, Kind>> = {
  UNSUPPORTED: 'UNSUPPORTED',
  LIMIT: 'TOO_LARGE',
  IMAGE: 'BAD_REQUEST',
  TRUNCATED: 'BAD_REQUEST',
  ARG: 'BAD_REQUEST',
  SHAPE: 'BAD_REQUEST',
};

/** What the library refused, as an error of the server's. */
export function fromLibrary(error: unknown): ServeError {
  if (!(error instanceof MobileNetError)) return asServeError(error);
  return new ServeError(KIND_OF_CODE[error.code] ?? 'INTERNAL', error.message, error);
}

async function taskOf({ where, task }: ModelSpec): Promise<Task> {
  if (task !== undefined) return task;
  if (where === undefined) return 'classify';
  const { architectures } = await AutoConfig.from_pretrained(where);
  if (architectures?.includes('MobileNetV2ForSemanticSegmentation')) return 'segment';
  return architectures?.includes('MobileNetV2Model') ? 'features' : 'classify';
}

export class LoadedModel {
  readonly description: ModelDescription;
  readonly #pipeline: AnyPipeline;

  private constructor(description: ModelDescription, own: AnyPipeline) {
    this.description = description;
    this.#pipeline = own;
  }

  /** Loads it, and lets it see a picture of zeros: then its plan is made, and the shapes of its outputs are known. */
  static async load(spec: ModelSpec): Promise<LoadedModel> {
    const task = await taskOf(spec);
    const own: AnyPipeline = await pipeline(LIBRARY_TASKS[task], spec.where, { threads: 1 });
    const { height, width } = own.processor.crop_size as { height: number; width: number };
    const input = [1, own.model.config.num_channels, height, width];
    const zeros = new Tensor('float32', new Float32Array(input.reduce((a, b) => a * b)), input);
    const outputs = tensorsOf(await own.model({ pixel_values: zeros }));
    const labels = task === 'features' ? [] : nameByNumber(own.model.config);
    const description: ModelDescription = {
      name: spec.name,
      version: '1',
      tasks: TASKS_OF[task],
      labels,
      input: describe('pixel_values', input),
      outputs: outputs.map(({ name, dims }) => describe(name, dims)),
    };
    return new LoadedModel(description, own);
  }

  /** What `run` gives: the model's outputs, and of a classifier also the features on its way. */
  get outputNames(): readonly string[] {
    const own = this.description.outputs.map(({ name }) => name);
    return [...new Set(this.description.tasks.includes('features') ? [...own, ...FEATURES] : own)];
  }

  /** The outputs of these names, of {@link outputNames}, for preprocessed pictures [N,3,H,W]. */
  async run(pixel_values: Float32Array, dims: readonly number[], names: readonly string[]): Promise<NamedTensor[]> {
    const pixels = new Tensor('float32', pixel_values, dims);
    return tensorsOf(Object.fromEntries(await this.#pipeline.model.activations(pixels, names)));
  }

  /** Files of pictures, preprocessed as Hugging Face does it. */
  async pixels(pictures: readonly Uint8Array[]): Promise<Omit<NamedTensor, 'name'>> {
    const { pixel_values } = await this.#pipeline.processor(pictures);
    return { dims: pixel_values.dims, data: pixel_values.data as Float32Array };
  }

  /** What pictures give, one after another: batches gain nothing on a CPU, and a picture that cannot be read fails alone. */
  async pictures({
    task,
    pictures,
    segmentation,
    top_k,
    threshold,
    function_to_apply,
  }: Omit<PicturesJob, 'kind' | 'model'>): Promise<PictureAnswer[]> {
    if (!this.description.tasks.includes(task)) {
      throw new ServeError(
        'BAD_REQUEST',
        `model ${this.description.name}: cannot ${task}, can ${this.description.tasks.join(', ')}`,
      );
    }
    // A job has more fields than the library has options.
    const how: How = {
      ...(top_k !== undefined && { top_k }),
      ...(threshold !== undefined && { threshold }),
      ...(function_to_apply !== undefined && { function_to_apply }),
    };
    const answers: PictureAnswer[] = [];
    for (const picture of pictures) {
      const asMap = task === 'segment' && segmentation === 'map';
      const answer = asMap ? this.#map(picture, how.threshold) : this.#one(task, picture, how);
      answers.push(await answer.catch(failure));
    }
    return answers;
  }

  async #one(task: Task, picture: Uint8Array, how: How): Promise<PictureAnswer> {
    const own = this.#pipeline;
    if (task === 'classify') return { labels: await this.#labels(picture, how) };
    if (task === 'segment') {
      const results = await (own as ImageSegmentationPipeline)(picture, { threshold: how.threshold });
      const segments: Segment[] = [];
      for (const { label, mask } of results) {
        const png = new Uint8Array(await (await mask.toBlob('image/png')).arrayBuffer());
        segments.push({ ...this.#named(label), mask: png });
      }
      return { segments, width: results[0]?.mask.width ?? 0, height: results[0]?.mask.height ?? 0 };
    }
    const { pixel_values } = await own.processor(picture);
    const features = (await own.model.activations(pixel_values, ['pooler_output'])).get('pooler_output')!;
    return { features: features.data };
  }

  /** A segmentation as one picture. */
  async #map(picture: Uint8Array, threshold?: number): Promise<PictureAnswer> {
    const image = await load_image(picture);
    const results = await (this.#pipeline as ImageSegmentationPipeline)(image, { threshold });
    const masks = results.map(({ label, mask }) => ({ index: Number(label), mask }));
    const { width, height } = image;
    return { segments: [], width, height, map: classMap(masks, image, this.description.labels) };
  }

  async #labels(picture: Uint8Array, how: How): Promise<LabelScore[]> {
    const results = await (this.#pipeline as ImageClassificationPipeline)(picture, how);
    return results.map(({ label, score }) => ({ ...this.#named(label), score }));
  }

  #named(number: string): { label: string; index: number } {
    return { label: this.description.labels[Number(number)], index: Number(number) };
  }
}

/**
 * Has a pipeline call classes by their numbers, and gives their names: ImageNet has two kinds of crane, and answers tell them
 * apart.
 */
function nameByNumber(config: MobileNetV2Config): string[] {
  const labels = Array.from({ length: config.num_labels }, (_, k) => config.id2label[k] ?? `LABEL_${k}`);
  config.id2label = Object.fromEntries(labels.map((_, k) => [k, String(k)]));
  return labels;
}

const describe = (name: string, [, ...rest]: readonly number[]): TensorDescription => ({
  name,
  datatype: 'FP32',
  shape: [-1, ...rest],
});

/** The tensors among a model's outputs, by their names. */
function tensorsOf(outputs: object): NamedTensor[] {
  return Object.entries(outputs)
    .filter((entry): entry is [string, Tensor<'float32'>] => entry[1] instanceof Tensor)
    .map(([name, { dims, data }]) => ({ name, dims: [...dims], data }));
}

function failure(error: unknown): PictureAnswer {
  const { kind, message } = fromLibrary(error);
  return { error: { kind, message, code: error instanceof MobileNetError ? error.code : kind } };
}
