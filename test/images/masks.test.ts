/**
 * Masks of classes: what NumPy makes of a picture that Pillow opens, `np.array(Image.open(mask))`. Expected values are
 * Pillow 13's, for pixels 0, 1, 2, … of every depth: palettes give indices; grey of 1 bit gives 0 and 1, of 2 and 4 bits is
 * spread over 0 to 255, of 8 and 16 bits is as it is.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import { load_image, RawImage } from '../../src/images/raw-image.js';
import { edgePlatform } from '../../src/platforms/edge.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { browserPlatform } from '../../src/platforms/web-codecs.js';
import { MobileNetV2ImageProcessor } from '../../src/processors/image-processor.js';
import { expectRefusal } from '../helpers/pictures.js';
import { chunk, simplePng } from '../helpers/png-files.js';

const WIDTH = 16;
const pixels = (depth: number) => Array.from({ length: WIDTH }, (_, x) => (depth < 4 ? x % 2 ** depth : x));

function row(depth: number): number[] {
  if (depth === 16) return pixels(16).flatMap((value) => [0, value]);
  const bits = pixels(depth)
    .map((value) => value.toString(2).padStart(depth, '0'))
    .join('');
  return bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2));
}

const mask = (depth: number, colourType: number, ...before: Uint8Array[]) =>
  simplePng({ width: WIDTH, depth, colourType }, [row(depth)], ...before);
/** Of the colors that VOC gives to classes: none is grey. */
const palette = (depth: number) =>
  chunk(
    'PLTE',
    Array.from({ length: 3 * 2 ** depth }, (_, i) => (i * 85 + 1) & 255),
  );

/** Each decodes by our own code; a page inflates by its own means. */
const PLATFORMS = { node: nodePlatform, edge: edgePlatform, page: browserPlatform };

describe.each(Object.entries(PLATFORMS))('masks in %s', (_, platform) => {
  beforeEach(() => {
    env.platform = platform;
    return () => {
      env.platform = nodePlatform;
    };
  });

  it.each([1, 2, 4, 8])('a palette of %i bits gives indices', async (depth) => {
    const file = mask(depth, 3, palette(depth), chunk('tRNS', [0]));
    const image = await load_image(file, { indices: true });
    expect(image).toMatchObject({ width: WIDTH, height: 1, channels: 1 });
    expect(Array.from(image.data)).toEqual(pixels(depth));
    expect((await load_image(file)).channels).toBe(3);
  });

  it('an index without a color is one all the same', async () => {
    const image = await load_image(mask(4, 3, chunk('PLTE', [1, 2, 3])), { indices: true });
    expect(Array.from(image.data)).toEqual(pixels(4));
  });

  it.each([
    [1, (value: number) => value],
    [2, (value: number) => value * 85],
    [4, (value: number) => value * 17],
    [8, (value: number) => value],
    [16, (value: number) => value],
  ])('grey of %i bits', async (depth, expected) => {
    const image = await load_image(mask(depth, 0), { indices: true });
    expect(Array.from(image.data)).toEqual(pixels(depth).map(expected));
  });

  it('16 bits above 255 are refused', async () => {
    const file = simplePng({ depth: 16 }, [[1, 44]]);
    await expectRefusal(
      () => load_image(new File([new Uint8Array(file)], 'mask.png'), { indices: true }),
      'UNSUPPORTED',
      /mask\.png.*255/,
    );
  });

  it('colors stay colors', async () => {
    const image = await load_image(simplePng({ colourType: 2 }, [[1, 2, 3]]), { indices: true });
    expect(image).toMatchObject({ channels: 3, data: Uint8Array.of(1, 2, 3) });
  });

  it('become labels', async () => {
    const processor = new MobileNetV2ImageProcessor({ do_resize: false, do_center_crop: false });
    const segmentation_maps = await load_image(mask(4, 3, palette(4)), { indices: true });
    const { labels } = await processor(new RawImage(new Uint8Array(48), WIDTH, 1, 3), { segmentation_maps });
    expect(labels!.tolist()).toEqual([[pixels(4).map(BigInt)]]);
  });
});
