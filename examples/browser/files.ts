/**
 * A model out of files that someone dropped: a folder in Hugging Face's layout, or weights that lie alone, whose shapes
 * then have to say what config.json would.
 */
import type { Folder } from 'mobilenet-v2';
import type { ModelFiles } from './protocol.js';

export async function folderOf(files: ModelFiles): Promise<Folder> {
  const config = files
    .filter(({ path }) => /(^|\/)config\.json$/.test(path))
    .sort((a, b) => a.path.split('/').length - b.path.split('/').length)[0];
  if (config === undefined) return aloneFolder(files);
  const top = config.path.slice(0, -'config.json'.length);
  const byPath = new Map(files.map(({ path, file }) => [path, file]));
  return {
    name: top.replace(/\/$/, '').replace(/.*\//, '') || 'your model',
    async read(name) {
      const file = byPath.get(top + name);
      if (file !== undefined) return new Uint8Array(await file.arrayBuffer());
      return name === 'preprocessor_config.json' ? preprocessing(await sizeIn(config.file)) : undefined;
    },
  };
}

/** A folder without preprocessor_config.json: a square of the size in config.json, stretched over the picture's middle. */
async function sizeIn(config: File): Promise<number> {
  const size = JSON.parse(await config.text()).image_size;
  return typeof size === 'number' ? size : 224;
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const preprocessing = (size: number): Uint8Array =>
  json({
    image_processor_type: 'MobileNetV2ImageProcessor',
    size: { shortest_edge: Math.round((size * 256) / 224) },
    crop_size: { height: size, width: size },
  });

async function aloneFolder(files: ModelFiles): Promise<Folder> {
  const weights = files.find(({ path }) => path.endsWith('.safetensors'));
  if (weights === undefined) {
    throw new Error('A model is a folder with config.json and weights, or one .safetensors file; neither is here.');
  }
  const config = configOf(await shapesIn(weights.file));
  const contents: Record<string, () => Promise<Uint8Array> | Uint8Array> = {
    'config.json': () => json(config),
    'preprocessor_config.json': () => preprocessing(224),
    'model.safetensors': async () => new Uint8Array(await weights.file.arrayBuffer()),
  };
  return { name: weights.file.name, read: async (name) => contents[name]?.() };
}

type Shapes = Map<string, number[]>;

/** Names and shapes of a safetensors file: 8 bytes with the header's length, then the header, which is JSON. */
async function shapesIn(file: File): Promise<Shapes> {
  const length = Number(new DataView(await file.slice(0, 8).arrayBuffer()).getBigUint64(0, true));
  if (!(length > 0 && length < file.size)) throw new Error(`${file.name} is no safetensors file.`);
  const header = JSON.parse(await file.slice(8, 8 + length).text()) as Record<string, { shape: number[] }>;
  // A base model's names begin without the prefix.
  return new Map(Object.entries(header).map(([name, { shape }]) => [name.replace(/^mobilenet_v2\./, ''), shape]));
}

/** Channels of the paper's Table 2, and the layers that make them. */
const WIDTHS: [layer: string, channels: number][] = [
  ['conv_stem.first_conv', 32],
  ['conv_stem.reduce_1x1', 16],
  ['layer.0.reduce_1x1', 24],
  ['layer.2.reduce_1x1', 32],
  ['layer.5.reduce_1x1', 64],
  ['layer.9.reduce_1x1', 96],
  ['layer.12.reduce_1x1', 160],
  ['layer.15.reduce_1x1', 320],
];

function configOf(shapes: Shapes): Record<string, unknown> {
  const channels = (layer: string) => shapes.get(`${layer}.convolution.weight`)?.[0];
  const segments = shapes.has('segmentation_head.classifier.convolution.weight');
  const classes = segments ? channels('segmentation_head.classifier') : shapes.get('classifier.weight')?.[0];
  const widths = WIDTHS.map(([layer]) => channels(layer));
  const last = widths.at(-1); // the widest, which rounding changes least
  if (last === undefined || classes === undefined) {
    throw new Error('These weights are no MobileNetV2 in Hugging Face’s layout with a classifier.');
  }
  for (const depth_divisible_by of [8, 4, 16, 2, 1]) {
    for (const depth_multiplier of [1, 1.4, 1.3, 0.75, 0.5, 0.35, 0.25, 0.2, 0.1, last / 320]) {
      for (const min_depth of [8, 4, 16]) {
        const rounded = (value: number) => {
          const near = Math.max(
            min_depth,
            Math.floor((value + depth_divisible_by / 2) / depth_divisible_by) * depth_divisible_by,
          );
          return near < 0.9 * value ? near + depth_divisible_by : near;
        };
        const fits = WIDTHS.every(([, width], i) => widths[i] === rounded(Math.round(width * depth_multiplier)));
        if (!fits) continue;
        const labels = Object.fromEntries(Array.from({ length: classes }, (_, k) => [k, `class ${k}`]));
        return {
          model_type: 'mobilenet_v2',
          architectures: [segments ? 'MobileNetV2ForSemanticSegmentation' : 'MobileNetV2ForImageClassification'],
          ...{ depth_multiplier, depth_divisible_by, min_depth, id2label: labels },
          first_layer_is_expansion: !shapes.has('conv_stem.expand_1x1.convolution.weight'),
          finegrained_output: channels('conv_1x1') === 1280,
          output_stride: segments ? 16 : 32,
        };
      }
    }
  }
  throw new Error('The widths of these weights are those of no MobileNetV2; add its config.json.');
}
