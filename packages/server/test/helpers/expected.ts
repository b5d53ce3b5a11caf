/** Example pictures, and what Python's transformers says of them: ../clients/expected/make.py. */
import { readFileSync } from 'node:fs';
import { load_image, MobileNetV2ImageProcessor } from 'mobilenet-v2';
import { expect } from 'vitest';

export const ROOT = new URL('../../../../', import.meta.url);
export const bytesAt = (path: string) => readFileSync(new URL(path, ROOT));
export const cat = bytesAt('examples/cat.jpg');
export const dog = bytesAt('examples/dog.jpg');

/** A label of a picture's best five. */
interface Best {
  label: string;
  score: number;
  logit: number;
  index: number;
}

export const python: { labels: Record<string, Best[]>; features: Record<string, number[]> } = JSON.parse(
  bytesAt('packages/server/test/clients/expected/expected.json').toString(),
);
export const ofCat: readonly Best[] = python.labels['cat.jpg'];

/** The cat as the checkpoint that ships wants it, [1,3,224,224]. */
export async function pixelsOfCat(): Promise<Float32Array> {
  const folder = new URL('weights/mobilenet_v2_1.0_224', ROOT).pathname;
  const processor = await MobileNetV2ImageProcessor.from_pretrained(folder);
  return (await processor(await load_image(cat))).pixel_values.data as Float32Array;
}

/** That 1,001 logits are the cat's. */
export function checkLogits(logits: ArrayLike<number>): void {
  expect(logits.length).toBe(1001);
  for (const { index, logit } of ofCat) expect(logits[index]).toBeCloseTo(logit, 3);
}

/** Bytes of an answer as float32, wherever they lie. */
export const floats = (bytes: Uint8Array): Float32Array => new Float32Array(new Uint8Array(bytes).buffer);
