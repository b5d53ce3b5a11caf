/** The checkpoints that ship: what they say of pictures, and that it is what Python's transformers computes with them. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SHIPPED } from '../../src/base/folder.js';
import {
  load_image,
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
  MobileNetV2Model,
  pipeline,
} from '../../src/entries/main-node.js';
import { ROOT } from '../helpers/cli.js';
import { float32Golden, maxDifference, readGoldens } from '../helpers/goldens.js';
import { SEGMENTER } from '../helpers/models.js';
import { sharedFile } from '../helpers/shared.js';

const example = (name: string) => join(ROOT, 'examples', name);
/** Made by make.py beside it. */
const goldens = readGoldens(join(ROOT, 'test/goldens/shipped/shipped.safetensors'));

describe.each(['wasm', 'js'] as const)('%s against transformers, on a photograph', (device) => {
  it('classifier: every logit', async () => {
    const { pixel_values } = await (await MobileNetV2ImageProcessor.from_pretrained())(
      await load_image(example('husky.png')),
    );
    using model = await MobileNetV2ForImageClassification.from_pretrained(undefined, { device });
    const { logits } = await model({ pixel_values });
    expect(logits.dims).toEqual([1, 1001]);
    const expected = float32Golden(goldens, SHIPPED.classification);
    expect(maxDifference(logits.data, expected).difference).toBeLessThan(1e-4);
  });

  it('segmenter: every logit', async () => {
    const processor = await MobileNetV2ImageProcessor.from_pretrained(SEGMENTER);
    const { pixel_values } = await processor(await load_image(example('husky.png')));
    using model = await MobileNetV2ForSemanticSegmentation.from_pretrained(undefined, { device });
    const { logits } = await model({ pixel_values });
    expect(logits.dims).toEqual([1, 21, 33, 33]);
    const expected = float32Golden(goldens, SHIPPED.segmentation);
    expect(maxDifference(logits.data, expected).difference).toBeLessThan(1e-3);
  });
});

describe('a JPEG, from file to label, as in Python', () => {
  const scores = readGoldens(join(ROOT, 'test/goldens/shipped/scores.safetensors'));
  const pathOf = (key: string) => (key.startsWith('shared/') ? sharedFile(key.slice(7)) : join(ROOT, key));

  it.each([...scores.keys()])('%s: every score', async (key) => {
    const path = pathOf(key);
    if (path === undefined) return;
    using classify = await pipeline('image-classification');
    const found = await classify(path, { top_k: 1001 });
    const labels = Object.values(classify.model.config.id2label);
    const expected = float32Golden(scores, key);
    const best = expected.indexOf(Math.max(...expected));
    expect(found[0].label).toBe(labels[best]);
    // Two classes are called crane.
    const off = found.map(({ label, score }) =>
      Math.min(...labels.flatMap((name, i) => (name === label ? [Math.abs(score - expected[i])] : []))),
    );
    expect(Math.max(...off)).toBeLessThan(1e-5);
  });
});

describe('without naming a model', () => {
  it('a picture that shows a dog, a cat or coffee is called so', async () => {
    using classify = await pipeline('image-classification');
    const pictures = ['husky.png', 'dog.jpg', 'cat.jpg', 'coffee.jpg'].map(example);
    const best = (await classify(pictures, { top_k: 1 })).map(([{ label }]) => label);
    const malamute = 'malamute, malemute, Alaskan malamute';
    expect(best).toEqual([malamute, malamute, expect.stringMatching(/\bcat$/), 'espresso']);
  });

  it('the things in a picture are found, all over it', async () => {
    using segment = await pipeline('image-segmentation');
    const labels = async (file: string) =>
      (await segment(example(file)))
        .filter(({ mask }) => mask.data.some((value) => value > 0))
        .map(({ label }) => label);
    expect(await labels('husky.png')).toContain('dog');
    expect(await labels('cat.jpg')).toContain('cat');
    expect(await labels('dog.jpg')).toEqual(expect.arrayContaining(['background', 'bicycle', 'dog']));
  });

  it('configuration, image processor and base model are those of the classifier', async () => {
    const config = await MobileNetV2Config.from_pretrained();
    expect(config.num_labels).toBe(1001);
    expect([config.id2label[0], config.id2label[250]]).toEqual(['background', 'malamute, malemute, Alaskan malamute']);
    const { size, crop_size } = await MobileNetV2ImageProcessor.from_pretrained();
    expect([size, crop_size]).toEqual([{ shortest_edge: 256 }, { height: 224, width: 224 }]);
    using model = await MobileNetV2Model.from_pretrained();
    expect(model.config.image_size).toBe(224);
    expect(model.newlyInitialized).toEqual([]);
  });

  it('a segmenter is DeepLab, with the classes of Pascal VOC', async () => {
    using model = await MobileNetV2ForSemanticSegmentation.from_pretrained();
    const { num_labels, id2label, output_stride, image_size } = model.config;
    expect([num_labels, output_stride, image_size]).toEqual([21, 16, 513]);
    expect([id2label[0], id2label[8], id2label[12], id2label[20]]).toEqual(['background', 'cat', 'dog', 'tvmonitor']);
  });
});
