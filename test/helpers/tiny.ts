/** Models and pictures small enough to make a thousand of in a test. */
import { writeFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import {
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
} from '../../src/entries/main-node.js';

const SMALL = { depth_multiplier: 0.1, image_size: 32, finegrained_output: false };
/** The default initialisation is so small that untrained networks see no difference between pictures. */
const LIVELY = { initializer_range: 0.3 };

/** An untrained classifier of 32×32 pictures with three classes. Saved to `folder`. */
export async function saveTinyClassifier(folder: string): Promise<void> {
  const config = new MobileNetV2Config({ ...SMALL, ...LIVELY, id2label: { 0: 'ant', 1: 'bee', 2: 'cat' } });
  await new MobileNetV2ForImageClassification(config, { seed: 1 }).save_pretrained(folder);
  await tinyProcessor().save_pretrained(folder);
}

/** An untrained segmenter of three classes; with this seed stripes show two of them, half of the picture each. */
export async function saveTinySegmenter(folder: string): Promise<void> {
  const id2label = { 0: 'background', 1: 'bee', 2: 'cat' };
  const config = new MobileNetV2Config({ ...SMALL, ...LIVELY, id2label, output_stride: 8 });
  await new MobileNetV2ForSemanticSegmentation(config, { seed: 4 }).save_pretrained(folder);
  await tinyProcessor().save_pretrained(folder);
}

const tinyProcessor = () =>
  new MobileNetV2ImageProcessor({ size: { shortest_edge: 32 }, crop_size: { height: 32, width: 32 } });

/** Bytes of a PNG with stripes, different for every seed. */
export function stripes(seed: number, width = 32, height = 32): Buffer {
  const png = new PNG({ width, height });
  for (let at = 0; at < png.data.length; at += 4) {
    const pixel = at / 4;
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    png.data[at] = (x * (seed + 3) * 9) % 256;
    png.data[at + 1] = (y * (seed + 5) * 7) % 256;
    png.data[at + 2] = (seed * 37) % 256;
    png.data[at + 3] = 255;
  }
  return PNG.sync.write(png);
}

/** Writes `name` with stripes into a folder. */
export const writeStripes = (folder: string, name: string, seed: number, width = 32, height = 32): void =>
  writeFileSync(`${folder}/${name}`, stripes(seed, width, height));
