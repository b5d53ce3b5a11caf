/**
 * Owns the model. Pictures come in, answers go out, and the page never waits for a convolution. One call is done after
 * the other, in the order they came.
 */
import {
  colorize,
  type Folder,
  legend,
  load_image,
  MobileNetError,
  MobileNetV2Config,
  type PipelineOf,
  pipeline,
  type RawImage,
  type Tensor,
} from 'mobilenet-v2';
import { folderOf } from './files.js';
import type { Calls, LayerRow, Look, ModelInfo, Request, Response, Segment, Settings } from './protocol.js';
import { tilesOf } from './tiles.js';
import { median, timesByLayer } from './timing.js';

type Promised = { [Name in keyof Calls]: (...args: Parameters<Calls[Name]>) => Promise<ReturnType<Calls[Name]>> };
type Loaded = PipelineOf<'image-classification'> | PipelineOf<'image-segmentation'>;

let folder: string | Folder;
let loaded: Loaded | undefined;
/** The picture that was looked at last, and what the network was given of it. */
let picture: RawImage | undefined;
let pixels: Tensor<'float32'> | undefined;
let networkMs = 1;

const model = () => {
  if (loaded === undefined) throw new Error('There is no model yet.');
  return loaded.model;
};

const seen = () => {
  if (pixels === undefined || picture === undefined) throw new Error('There is no picture yet.');
  return { pixels, picture };
};

async function open(where: string | Folder, { device, threads }: Settings): Promise<ModelInfo> {
  const config = await MobileNetV2Config.from_pretrained(where);
  const [architecture] = (config.extra.architectures as string[] | undefined) ?? [];
  const task = architecture?.includes('Segmentation') ? 'image-segmentation' : 'image-classification';
  const next = await pipeline(task, where, { device, threads });
  loaded?.dispose();
  loaded = next as Loaded;
  folder = where;
  pixels = undefined;
  const [height, width] = squareOf(config.image_size);
  const layers = next.model.layers([1, config.num_channels, height, width]);
  const { engine } = next.model.plan([1, config.num_channels, height, width]);
  const quantization = config.extra.quantization_config as { dtype?: string } | undefined;
  const mostThreads = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  return {
    name: typeof where === 'string' ? where.replace(/.*\//, '') : where.name,
    task,
    labels: Array.from({ length: config.num_labels }, (_, id) => config.id2label[id] ?? `LABEL_${id}`),
    ...{ height, width, engine, mostThreads },
    numbers: quantization?.dtype ?? 'float32',
    parameters: layers.reduce((sum, layer) => sum + layer.parameters, 0),
    multiplyAdds: layers.reduce((sum, layer) => sum + layer.multiplyAdds, 0),
    threads: engine === 'wasm' ? Math.min(threads === 'auto' ? Math.min(mostThreads, 8) : threads, mostThreads) : 1,
    random: next.model.newlyInitialized.length,
  };
}

/** [height, width] */
const squareOf = (size: number | readonly [number, number]) => (typeof size === 'number' ? [size, size] : size);

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

/** A picture [H,W] of classes as colours and shares. */
async function describe(map: Tensor, labels: Record<number, string>) {
  const { data, width, height } = colorize(map, { labels });
  const segments: Segment[] = legend(map, { labels }).map(({ label, color, share }) => ({
    label,
    colour: color,
    share,
  }));
  return { segments, overlay: await createImageBitmap(new ImageData(new Uint8ClampedArray(data), width, height)) };
}

const calls: Promised = {
  async load(model, settings) {
    return open(typeof model === 'string' ? model : await folderOf(model), settings);
  },

  configure: (settings) => open(folder, settings),

  async look(image) {
    const began = performance.now();
    const next = await read(image);
    const segments = loaded?.task === 'image-segmentation';
    // The whole picture, so that the mask lies over all of it.
    const { pixel_values } = await loaded!.processor(next, segments ? { do_center_crop: false } : {});
    [picture, pixels] = [next, pixel_values];
    const prepared = performance.now();
    const look: Look = {
      width: next.width,
      height: next.height,
      prepareMs: prepared - began,
      networkMs: 0,
      labels: [],
      segments: [],
      overlay: null,
    };
    if (loaded!.task === 'image-classification') {
      const [found] = await loaded!.classify(pixel_values, { top_k: null });
      look.networkMs = performance.now() - prepared;
      const ids = new Map<string, number[]>();
      for (const [id, label] of Object.entries(model().config.id2label)) {
        ids.set(label, [...(ids.get(label) ?? []), Number(id)]);
      }
      // Of a name that two classes bear, the better comes first, in `explain` as well.
      look.labels = found.map(({ label, score }) => ({ id: ids.get(label)?.shift() ?? 0, label, score }));
    } else {
      const [map] = await loaded!.segment(pixel_values, [[next.height, next.width]]);
      look.networkMs = performance.now() - prepared;
      Object.assign(look, await describe(map, model().config.id2label));
    }
    networkMs = look.networkMs;
    return look;
  },

  async measure() {
    const { pixels } = seen();
    const times: number[] = [];
    const began = performance.now();
    while (times.length === 0 || (times.length < 40 && performance.now() - began < 400)) {
      const start = performance.now();
      await model()({ pixel_values: pixels });
      times.push(performance.now() - start);
    }
    return { ms: median(times), passes: times.length };
  },

  async explain(id) {
    if (loaded?.task !== 'image-classification') throw new Error('Only a model that classifies can be asked why.');
    const { label, score, heatmap } = await loaded.explain(seen().picture, id);
    const image = new ImageData(new Uint8ClampedArray(heatmap.data), heatmap.width, heatmap.height);
    return { id, label, score, heatmap: await createImageBitmap(image) };
  },

  async layers() {
    const { pixels } = seen();
    // About a quarter of a second, whatever the engine. Clocks in pages are coarse: one run would not do.
    const runs = Math.min(15, Math.max(1, Math.round(250 / networkMs)));
    const { steps } = await model().profile({ pixel_values: pixels }, { runs });
    const { ms, within } = timesByLayer(model().graph.nodes, steps);
    return model()
      .layers(pixels.dims as [number, number, number, number])
      .map(
        (layer): LayerRow => ({
          ...{ name: layer.name, op: layer.op, description: layer.description, dims: layer.dims },
          block: /^(conv_stem|layer\.\d+|segmentation_head)\./.exec(layer.name)?.[1] ?? layer.name,
          parameters: layer.parameters,
          multiplyAdds: layer.multiplyAdds,
          sees: layer.receptiveField?.width.size ?? null,
          ms: ms.get(layer.name) ?? null,
          within: within.get(layer.name) ?? null,
        }),
      );
  },

  async tiles(name) {
    const activations = await model().activations(seen().pixels, [name]);
    return tilesOf(activations.get(name)!);
  },
};

let last: Promise<unknown> = Promise.resolve();
self.onmessage = ({ data }: MessageEvent<Request>) => {
  last = last.then(() => answer(data));
};

async function answer({ id, call, args }: Request): Promise<void> {
  let response: Response;
  let result: unknown;
  try {
    result = await (calls[call] as (...args: unknown[]) => Promise<unknown>)(...args);
    response = { id, result };
  } catch (error) {
    response = { id, error: error instanceof Error ? error.message : String(error) };
  }
  const bitmaps = Object.values(result ?? {}).filter((value) => value instanceof ImageBitmap);
  self.postMessage(response, { transfer: bitmaps });
}
