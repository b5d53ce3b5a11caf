/** The worker's models: one for each task, the page's own or the visitor's, and what they were given last. */
import {
  type Folder,
  load_image,
  MobileNetError,
  MobileNetV2Config,
  type PipelineOf,
  pipeline,
  type RawImage,
  type Tensor,
} from 'mobilenet-v2';
import { folderOf } from './files.js';
import type { ModelFiles, ModelInfo, Progress, Settings, Task } from './protocol.js';
import { shippedFolder } from './shipped.js';
import { TAUGHT } from './teach/taught.js';

export type Classifier = PipelineOf<'image-classification'>;
export type Segmenter = PipelineOf<'image-segmentation'>;
type Pipeline<T extends Task> = T extends 'where' ? Segmenter : Classifier;

interface Opened {
  pipeline: Classifier | Segmenter;
  info: ModelInfo;
  /** What it was given of the picture that was seen last. */
  given?: { picture: RawImage; pixels: Tensor<'float32'> };
}

let settings: Settings = { device: 'auto', threads: 'auto' };
/** The visitor's. */
const own = new Map<Task, Folder | string>();
const opened = new Map<Task, Opened>();
/** The picture that was seen last, and how long it took to read. */
let seen: { picture: RawImage; ms: number } | undefined;

/** Told about the bytes of a model while they come. */
let tell: (progress: Progress) => void = () => {};
export const onProgress = (listener: typeof tell): void => {
  tell = listener;
};

export function configure(next: Settings): void {
  settings = next;
  for (const task of [...opened.keys()]) close(task);
}

export async function open(task: Task): Promise<Opened> {
  const before = opened.get(task);
  if (before !== undefined) return before;
  const next = await load(task, own.get(task) ?? (task === 'taught' ? TAUGHT : shippedFolder(task, tell)));
  opened.set(task, next);
  return next;
}

/** A model that cannot be loaded leaves all as it was. */
export async function adopt(files: ModelFiles): Promise<ModelInfo> {
  const folder = await folderOf(files);
  const config = await MobileNetV2Config.from_pretrained(folder);
  const [architecture] = (config.extra.architectures as string[] | undefined) ?? [];
  const task = architecture?.includes('Segmentation') ? 'where' : 'what';
  return take(task, folder);
}

/** Takes what the visitor taught in place of the page's own model. */
export const adoptKept = (): Promise<ModelInfo> => take('what', TAUGHT);

async function take(task: Task, folder: Folder | string): Promise<ModelInfo> {
  const next = await load(task, folder, true);
  close(task);
  own.set(task, folder);
  opened.set(task, next);
  return next.info;
}

/** What the visitor taught is another one now, or gone. */
export function forgetKept(isGone: boolean): void {
  close('taught');
  if (own.get('what') !== TAUGHT) return;
  close('what');
  if (isGone) own.delete('what');
}

export function restore(): void {
  for (const task of own.keys()) close(task);
  own.clear();
}

export function close(task: Task): void {
  opened.get(task)?.pipeline.dispose();
  opened.delete(task);
}

async function load(task: Task, folder: Folder | string, isOwn = own.has(task)): Promise<Opened> {
  const made = await pipeline(task === 'where' ? 'image-segmentation' : 'image-classification', folder, {
    ...settings,
  });
  return {
    pipeline: made as Classifier | Segmenter,
    info: describe(made.model, typeof folder === 'string' ? folder : folder.name, task, isOwn),
  };
}

function describe(model: (Classifier | Segmenter)['model'], name: string, task: Task, own: boolean): ModelInfo {
  const { config } = model;
  const [height, width] = squareOf(config.image_size);
  const layers = model.layers([1, config.num_channels, height, width]);
  const { engine } = model.plan([1, config.num_channels, height, width]);
  const quantization = config.extra.quantization_config as { dtype?: string } | undefined;
  // WebKitGTK 2.50 lets no page share memory, not even an isolated one.
  const mostThreads = self.crossOriginIsolated && 'SharedArrayBuffer' in self ? navigator.hardwareConcurrency : 1;
  const { threads } = settings;
  return {
    ...{ name, task, own, height, width, engine, mostThreads },
    labels: Array.from({ length: config.num_labels }, (_, id) => labelOf(config, id)),
    numbers: quantization?.dtype ?? 'float32',
    parameters: layers.reduce((sum, layer) => sum + layer.parameters, 0),
    multiplyAdds: layers.reduce((sum, layer) => sum + layer.multiplyAdds, 0),
    threads: engine === 'wasm' ? Math.min(threads === 'auto' ? Math.min(mostThreads, 8) : threads, mostThreads) : 1,
    random: model.newlyInitialized.length,
  };
}

export const labelOf = (config: MobileNetV2Config, id: number): string => config.id2label[id] ?? `LABEL_${id}`;

/** [height, width] */
const squareOf = (size: number | readonly [number, number]) => (typeof size === 'number' ? [size, size] : size);

/** Reads a picture; one that cannot be read leaves the last as it was. */
export async function see(image: Blob | ImageBitmap): Promise<void> {
  const began = performance.now();
  const picture = await read(image);
  seen = { picture, ms: performance.now() - began };
}

/** PNG and JPEG exactly as Pillow has them; whatever else the browser can show, as the browser has it. */
async function read(image: Blob | ImageBitmap): Promise<RawImage> {
  try {
    return await load_image(image);
  } catch (error) {
    if (!(image instanceof Blob && error instanceof MobileNetError && error.code === 'UNSUPPORTED')) throw error;
    const bitmap = await createImageBitmap(image).catch(() => {
      throw error;
    });
    return load_image(bitmap);
  } finally {
    if (image instanceof ImageBitmap) image.close();
  }
}

/** What a network is given of the picture that was seen last: made once, and its time told once. */
export async function prepared<T extends Task>(task: T) {
  if (seen === undefined) throw new Error('There is no picture yet.');
  const model = await open(task);
  const { picture } = seen;
  let prepareMs = 0;
  if (model.given?.picture !== picture) {
    const began = performance.now();
    // The whole picture where it is segmented, so that the regions lie over all of it.
    const options = task === 'where' ? { do_center_crop: false } : {};
    const { pixel_values } = await model.pipeline.processor(picture, options);
    prepareMs = seen.ms + performance.now() - began;
    seen.ms = 0;
    model.given = { picture, pixels: pixel_values as Tensor<'float32'> };
  }
  return { pipeline: model.pipeline as Pipeline<T>, picture, pixels: model.given.pixels, prepareMs };
}
