/** Which labels count in a loss. How much they count, the goldens say (goldens.test.ts). */
import { describe, expect, it } from 'vitest';
import {
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  Tensor,
} from '../../src/entries/main-node.js';
import { randomNumbers } from '../helpers/random.js';

const SMALL = { depth_multiplier: 0.1, image_size: 32, finegrained_output: false, initializer_range: 0.3 };
const next = randomNumbers(5);
const pictures = (count: number) =>
  new Tensor('float32', Float32Array.from({ length: count * 3 * 32 * 32 }, next), [count, 3, 32, 32]);
const int64 = (values: number[], dims = [values.length]) => new Tensor('int64', values.map(BigInt), dims);

describe('the loss of a classification', () => {
  const model = new MobileNetV2ForImageClassification(new MobileNetV2Config({ ...SMALL, num_labels: 3 }), {
    seed: 1,
    device: 'js',
  });
  const two = pictures(2);
  const lossOf = async (pixel_values: Tensor, ...labels: number[]) =>
    (await model({ pixel_values, labels: int64(labels) })).loss as number;

  it('passes over a label of -100, as PyTorch does', async () => {
    const first = await lossOf(two.slice([0, 1]), 2);
    const second = await lossOf(two.slice([1, 2]), 0);
    expect(first).not.toBeCloseTo(second, 2);
    expect(await lossOf(two, 2, 0)).toBeCloseTo((first + second) / 2, 5);
    expect(await lossOf(two, 2, -100)).toBeCloseTo(first, 5);
    expect(await lossOf(two, -100, 0)).toBeCloseTo(second, 5);
    expect(await lossOf(two, -100, -100)).toBeNaN();
  });

  it.each([-1, -99, -101, 3, 100])('refuses the label %i, a class that there is not', async (label) => {
    await expect(lossOf(two, 2, label)).rejects.toMatchObject({
      code: 'ARG',
      message: expect.stringContaining(`class ${label} of image 1`),
    });
  });
});

describe('the loss of a segmentation', () => {
  const dims = [1, 8, 8];
  const half = (rest: number) =>
    int64(
      Array.from({ length: 64 }, (_, i) => (i < 32 ? 1 : rest)),
      dims,
    );
  const picture = pictures(1);
  const lossOf = async (semantic_loss_ignore_index: number, labels: Tensor) => {
    const config = new MobileNetV2Config({ ...SMALL, num_labels: 3, semantic_loss_ignore_index });
    const model = new MobileNetV2ForSemanticSegmentation(config, { seed: 1, device: 'js' });
    return (await model({ pixel_values: picture, labels })).loss as number;
  };

  it('passes over semantic_loss_ignore_index alone', async () => {
    const upper = await lossOf(255, half(255));
    expect(await lossOf(2, half(2))).toBeCloseTo(upper, 6);
    expect(await lossOf(-100, half(-100))).toBeCloseTo(upper, 6);
    expect(await lossOf(255, half(2))).not.toBeCloseTo(upper, 3);
    await expect(lossOf(255, half(-100))).rejects.toMatchObject({ code: 'ARG' });
    await expect(lossOf(2, half(255))).rejects.toMatchObject({ code: 'ARG' });
  });
});
