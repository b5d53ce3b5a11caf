/** Class-activation maps: they sum to the logit, and they lie where the picture is. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ImageClassificationPipeline,
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ImageProcessor,
  pipeline,
  RawImage,
  Tensor,
} from '../../src/entries/main-node.js';
import { ImageClassificationPipeline as Pipeline } from '../../src/pipeline.js';
import { heatmap, layOver } from '../../src/processors/heatmap.js';
import { DOGS } from '../helpers/models.js';
import { shared, withoutShared } from '../helpers/shared.js';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

/** What `explain` says against what the network says, for every class it is asked about. */
async function expectSums(classify: ImageClassificationPipeline, file: string, labels: readonly number[]) {
  const image = await RawImage.read(file);
  const { pixel_values } = await classify.processor(image);
  const { logits } = await classify.model({ pixel_values });
  const bias = classify.model.state_dict().get('classifier.bias')!.data as Float32Array;
  for (const id of labels) {
    const { map } = await classify.explain(image, id);
    const mean = (map.data as Float32Array).reduce((sum, value) => sum + value, 0) / map.size;
    const logit = logits.data[id];
    expect(Math.abs(mean + bias[id] - logit), `class ${id}`).toBeLessThan(1e-4 * Math.max(1, Math.abs(logit)));
  }
}

describe.each(['wasm', 'js', 'reference'] as const)('explain, %s', (device) => {
  let classify: ImageClassificationPipeline;
  beforeAll(async () => {
    classify = await pipeline('image-classification', DOGS, { device });
  });
  afterAll(() => classify.dispose());

  it('mean of the map + bias = logit', () => expectSums(classify, `${examples}husky.png`, [13, 0, 7]));

  it('takes the best label, a name or a number, with the scores of classify', async () => {
    const all = await classify(`${examples}dog.jpg`, { top_k: null });
    const best = await classify.explain(`${examples}dog.jpg`);
    expect(best).toMatchObject({ label: 'Siberian husky', score: all[0].score });
    expect(best.map.dims).toEqual([5, 5]);
    const pug = await classify.explain(`${examples}dog.jpg`, 'pug');
    expect(pug).toMatchObject({ label: 'pug', score: all.find(({ label }) => label === 'pug')!.score });
    expect((await classify.explain(`${examples}dog.jpg`, 14)).map).toEqual(pug.map);
    expect(pug.map).not.toEqual(best.map);
  });
});

describe.skipIf(withoutShared('explanations of ImageNet'))('explain, ImageNet', () => {
  it('mean of the map + bias = logit, and the cat is where the map is', async () => {
    const classify = await pipeline('image-classification', shared('weights/mobilenet_v2_1.0_224'));
    await expectSums(classify, shared('images/cat.png'), [0, 282, 286, 1000]);
    const { label, map } = await classify.explain(shared('images/cat.png'));
    expect(label).toMatch(/cat|tabby|lynx/i);
    expect(map.dims).toEqual([7, 7]);
    classify.dispose();
  });
});

describe('explain refuses', () => {
  const config = (num_labels: number) => new MobileNetV2Config({ depth_multiplier: 0.1, num_labels, image_size: 32 });
  const processor = new MobileNetV2ImageProcessor({ size: 32, crop_size: 32 });
  const picture = new RawImage(new Uint8Array(32 * 32 * 3), 32, 32, 3);
  const make = (num_labels: number, options = {}) =>
    new Pipeline(processor, new MobileNetV2ForImageClassification(config(num_labels), { device: 'js', ...options }));

  it.each(['zebra', -1, 3, 1.5, Number.NaN, '', {} as never])('label %j', async (label) => {
    await expect(make(3).explain(picture, label)).rejects.toMatchObject({ code: 'ARG', message: /LABEL_2/ });
  });

  it('a model without classifier, and a grid of predictions', async () => {
    await expect(make(0).explain(picture)).rejects.toMatchObject({ code: 'ARG' });
    await expect(make(3, { pool: '7x7' }).explain(picture)).rejects.toMatchObject({ code: 'ARG', message: /7x7/ });
  });

  it('to lay a heatmap over another picture', async () => {
    const { overlay } = await make(3).explain(picture);
    expect(overlay().size).toEqual([32, 32]);
    expect(() => overlay(new RawImage(new Uint8Array(3), 1, 1, 3))).toThrow(/32×32/);
    expect(() => overlay('cat.png' as never)).toThrow(/RawImage/);
  });
});

describe('heatmap', () => {
  const grid = { stride: 32, start: 15.5 }; // values over the middles of 32 × 32 pixels each
  const both = { height: grid, width: grid };
  const alpha = (image: RawImage, x: number, y: number) => image.data[(y * image.width + x) * 4 + 3];
  const only = (at: number) =>
    new Tensor(
      'float32',
      Float32Array.from({ length: 9 }, (_, i) => (i === at ? 2 : -1)),
      [3, 3],
    );

  /** The middle of what is coloured, weighted by alpha. */
  function middle(image: RawImage): [x: number, y: number] {
    let [sum, x, y] = [0, 0, 0];
    for (let at = 0; at < image.data.length; at += 4) {
      const weight = image.data[at + 3];
      const pixel = at / 4;
      sum += weight;
      x += weight * ((pixel % image.width) + 0.5);
      y += weight * (Math.floor(pixel / image.width) + 0.5);
    }
    return [x / sum, y / sum];
  }

  it('lies where the crop was, in the pixels of the picture', () => {
    // 400×200, shortest edge to 100, the middle 96×96: the middle of the picture is the middle of the map.
    const processor = new MobileNetV2ImageProcessor({ size: 100, crop_size: 96 });
    const size = { height: 200, width: 400 };
    const centre = heatmap(only(4), both, processor.geometry(200, 400), size);
    expect(centre.size).toEqual([400, 200]);
    expect(middle(centre)[0]).toBeCloseTo(200, 0);
    expect(middle(centre)[1]).toBeCloseTo(100, 0);
    // One value to the right: 32 pixels of the crop are 64 of the picture. It reaches the edge, where it stops.
    const right = heatmap(only(5), both, processor.geometry(200, 400), size);
    expect(alpha(right, 264, 100)).toBeGreaterThan(180);
    expect(alpha(right, 199, 100)).toBe(0);
    expect(alpha(right, 295, 100)).toBeGreaterThan(180); // 200 + 96
    expect(alpha(right, 296, 100)).toBe(0); // not in the crop
  });

  it('knows pictures smaller than the crop, which zeros surround', () => {
    const processor = new MobileNetV2ImageProcessor({ do_resize: false, crop_size: 96 });
    const image = heatmap(only(4), both, processor.geometry(40, 40), { height: 40, width: 40 });
    expect(middle(image)[0]).toBeCloseTo(20, 5);
    expect(middle(image)[1]).toBeCloseTo(20, 5);
  });

  it('shows nothing where nothing speaks for the class', () => {
    const processor = new MobileNetV2ImageProcessor({ size: 96, crop_size: 96 });
    const map = new Tensor(
      'float32',
      Float32Array.from({ length: 9 }, (_, i) => -i),
      [3, 3],
    );
    const image = heatmap(map, both, processor.geometry(96, 96), { height: 96, width: 96 });
    expect(image.data.every((value) => value === 0)).toBe(true);
    const picture = new RawImage(
      Uint8Array.from({ length: 96 * 96 }, (_, i) => i % 256),
      96,
      96,
      1,
    );
    expect(layOver(picture, image)).toEqual(new RawImage(new Uint8Array(picture.rgb().data), 96, 96, 3));
  });
});
