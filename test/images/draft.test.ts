/** JPEGs decoded at a fraction of their size: which fraction, as Pillow chooses it, and that pixels are Pillow's. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import type { JpegDecoding } from '../../src/base/platform.js';
import { RawImage } from '../../src/images/raw-image.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { MobileNetV2ImageProcessor } from '../../src/processors/image-processor.js';
import { jpeg } from '../helpers/jpeg-files.js';
import { expectRefusal } from '../helpers/pictures.js';

const images = new URL('../goldens/images/', import.meta.url);
const json = (name: string) => JSON.parse(readFileSync(new URL(name, images), 'utf8'));
const root = new URL('../../', import.meta.url);

interface Drafted {
  /** In examples/, or a name in the matrix. */
  file: string;
  size: [number, number];
  width: number;
  height: number;
  sha256: string;
}

const { draft } = json('jpeg_samples.json') as { draft: Drafted[] };

afterEach(() => {
  env.platform = nodePlatform;
});

describe('RawImage.read', () => {
  const matrix: Record<string, { at: number; bytes: number }> = json('jpeg_matrix.json');
  const bytesOf = (file: string): Uint8Array => {
    if (file.startsWith('examples/')) return readFileSync(new URL(file, root));
    const { at, bytes } = matrix[file];
    return readFileSync(new URL('jpeg_matrix.bin', images)).subarray(at, at + bytes);
  };

  it.each(draft)('$file for $size is $width×$height as Pillow has it', async (golden) => {
    const { data, width, height } = await RawImage.read(bytesOf(golden.file), { draft: golden.size });
    expect([width, height]).toEqual([golden.width, golden.height]);
    expect(createHash('sha256').update(data).digest('hex')).toBe(golden.sha256);
  });

  it('takes whole sizes alone', async () => {
    for (const size of [[0, 5], [5], 7, [1.5, 2], ['1', 1]]) {
      await expectRefusal(
        () => RawImage.read(jpeg(), { draft: size as never }),
        'ARG',
        /draft: expected \[width, height\]/,
      );
    }
  });

  it('is the whole picture where the decoder knows of no scale', async () => {
    const asked: (JpegDecoding | undefined)[] = [];
    const decodeJpeg: typeof env.platform.decodeJpeg = async (_bytes, _file, options) => {
      asked.push(options);
      return { data: new Uint8Array(40 * 30 * 3), width: 40, height: 30, channels: 3 };
    };
    env.platform = { ...nodePlatform, decodeJpeg };
    const file = jpeg({ width: 40, height: 30, components: [1, 2, 3].map((id) => ({ id, value: 128 })) });
    expect((await RawImage.read(file, { draft: [10, 10] })).size).toEqual([40, 30]);
    expect((await RawImage.read(file)).size).toEqual([40, 30]);
    expect(asked).toEqual([{ scale: 2 }, {}]);
  });

  it('refuses another size than that of the file or of the scale', async () => {
    const decodeJpeg = async () => ({ data: new Uint8Array(10 * 8 * 3), width: 10, height: 8, channels: 3 as const });
    env.platform = { ...nodePlatform, decodeJpeg };
    const file = jpeg({ width: 40, height: 30, components: [1, 2, 3].map((id) => ({ id, value: 128 })) });
    expect((await RawImage.read(file, { draft: [10, 7] })).size).toEqual([10, 8]);
    await expectRefusal(() => RawImage.read(file, { draft: [20, 15] }), 'IMAGE', /40×30 pixels, the codec made 10×8/);
  });
});

describe('the image processor', () => {
  it('decodes at the least size that it then resizes from', async () => {
    const file = readFileSync(new URL('examples/dog.jpg', root));
    const processor = new MobileNetV2ImageProcessor({ size: 100, crop_size: 90, draft: true });
    const { width, height } = await RawImage.read(file);
    const { resized } = processor.geometry(height, width);
    const small = await RawImage.read(file, { draft: [resized.width, resized.height] });
    expect(small.width).toBe(Math.ceil(width / 4));
    const drafted = await processor(file);
    expect(drafted.pixel_values.data).toEqual((await processor(small)).pixel_values.data);
    expect(drafted.original_sizes).toEqual([[height, width]]);
    const whole = await processor(file, { draft: false });
    expect(whole.pixel_values.data).not.toEqual(drafted.pixel_values.data);
    // A quarter of the size is a mean over 16 pixels: near to what a resize makes.
    const difference = whole.pixel_values.data.reduce(
      (sum, value, i) => sum + Math.abs(value - drafted.pixel_values.data[i]),
      0,
    );
    expect(difference / whole.pixel_values.size).toBeLessThan(0.02);
  });

  it('is written to a file where it is set, and not else', () => {
    expect(new MobileNetV2ImageProcessor().to_dict()).not.toHaveProperty('draft');
    expect(new MobileNetV2ImageProcessor({ draft: true }).to_dict()).toHaveProperty('draft', true);
  });
});
