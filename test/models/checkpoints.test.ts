/** Real checkpoints on real photographs, against Hugging Face transformers: pixels, logits, hidden states, masks. */
import { readFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
  MobileNetV2Model,
  RawImage,
} from '../../src/entries/main-node.js';
import { expectClose } from '../helpers/close.js';
import { readGoldens } from '../helpers/goldens.js';
import { shared, withoutShared } from '../helpers/shared.js';

const read = (image: string): Promise<RawImage> => RawImage.read(shared(`images/${image}`));
const engines = ['wasm', 'js', 'reference'] as const;

describe.skipIf(withoutShared('mobilenet_v2_1.0_224 on photographs'))('mobilenet_v2_1.0_224', () => {
  const dir = shared('weights/mobilenet_v2_1.0_224');
  let labels: Record<string, { index: number; label: string; score: number }[]>;
  beforeAll(() => {
    labels = JSON.parse(readFileSync(shared('goldens/README.json'), 'utf8')).classify;
  });

  describe.each(engines)('%s', (device) => {
    it.each(['cat', 'grace_hopper', 'dog_segmentation'])('%s.png', async (name) => {
      const golden = readGoldens(shared(`goldens/classify_${name}.safetensors`));
      const processor = await MobileNetV2ImageProcessor.from_pretrained(dir);
      const { pixel_values } = await processor(await read(`${name}.png`));
      const expectedPixels = golden.get('pixel_values')!;
      // The same uint8 pixels; rescaling and normalising may round the last bit of a float32 differently.
      const pixels = expectedPixels.data as Float32Array;
      expect(pixel_values.dims).toEqual(expectedPixels.dims);
      for (const [i, value] of pixels.entries()) {
        if (Math.abs(pixel_values.data[i] - value) > 2 ** -23)
          throw new Error(`pixel ${i}: ${pixel_values.data[i]}, ${value}`);
      }

      const classifier = await MobileNetV2ForImageClassification.from_pretrained(dir, { device });
      const { logits, hidden_states } = await classifier({ pixel_values, output_hidden_states: [2, 15] });
      expectClose(logits, golden.get('logits')!);
      expectClose(hidden_states![0], golden.get('hidden_state_2')!);
      expectClose(hidden_states![1], golden.get('hidden_state_15')!);
      const scores = logits.softmax().data;
      const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a]);
      for (const [rank, { index, label, score }] of labels[`${name}.png`].entries()) {
        expect(order[rank]).toBe(index);
        expect(classifier.config.id2label[order[rank]]).toBe(label);
        expect(Math.abs(scores[order[rank]] - score)).toBeLessThanOrEqual(1e-4);
      }

      const base = await MobileNetV2Model.from_pretrained(dir, { device });
      expectClose((await base({ pixel_values })).pooler_output!, golden.get('pooler_output')!);
    });
  });

  it('the same logits for the pixels of the JPEG as for transformers', async () => {
    const golden = readGoldens(shared('goldens/classify_parrot.safetensors'));
    const processor = await MobileNetV2ImageProcessor.from_pretrained(dir);
    const classifier = await MobileNetV2ForImageClassification.from_pretrained(dir);
    const { logits } = await classifier(await processor(await read('parrot.jpg')));
    const top = logits.argmax(-1).item();
    expect(Number(top)).toBe(labels['parrot.jpg'][0].index);
    // jpeg-js upsamples chroma more simply than libjpeg does, so the pixels differ a little, and the score with them.
    expect(Math.abs(logits.softmax().data[Number(top)] - labels['parrot.jpg'][0].score)).toBeLessThan(0.01);
    expect(golden.get('logits')!.dims).toEqual([...logits.dims]);
  });
});

describe.skipIf(withoutShared('DeepLab checkpoints on photographs'))('DeepLabV3+', () => {
  const models = [
    'deeplabv3_mobilenet_v2_1.0_513', // from its pytorch_model.bin
    'deeplabv3_mobilenet_v2_0.5_513',
    'deeplabv3_mobilenet_v2_0.5_257',
  ];
  const images = ['bird_segmentation', 'dog_segmentation', 'grace_hopper'];

  it.each(models.flatMap((model) => images.map((image) => [model, image])))('%s on %s', async (name, image) => {
    const dir = shared(`weights/${name}`);
    const golden = readGoldens(shared(`goldens/segment_${name}_${image}.safetensors`));
    const processor = await MobileNetV2ImageProcessor.from_pretrained(dir);
    const picture = await read(`${image}.png`);
    const { pixel_values } = await processor(picture);
    const model = await MobileNetV2ForSemanticSegmentation.from_pretrained(dir);
    const outputs = await model({ pixel_values });
    expectClose(outputs.logits, golden.get('logits')!);

    const [mask] = processor.post_process_semantic_segmentation(outputs, [[picture.height, picture.width]]);
    const expected = PNG.sync.read(readFileSync(shared(`goldens/segment_${name}_${image}.png`)));
    expect([expected.height, expected.width]).toEqual([...mask.dims]);
    let same = 0;
    for (let i = 0; i < mask.size; i++) if (Number(mask.data[i]) === expected.data[4 * i]) same++;
    expect(same / mask.size).toBeGreaterThanOrEqual(0.9999);
  });

  it('the reference engine gives the same logits', async () => {
    const dir = shared('weights/deeplabv3_mobilenet_v2_0.5_257');
    const golden = readGoldens(shared('goldens/segment_deeplabv3_mobilenet_v2_0.5_257_grace_hopper.safetensors'));
    const processor = await MobileNetV2ImageProcessor.from_pretrained(dir);
    const model = await MobileNetV2ForSemanticSegmentation.from_pretrained(dir, { device: 'reference' });
    const { logits } = await model(await processor(await read('grace_hopper.png')));
    expectClose(logits, golden.get('logits')!);
  });
});
