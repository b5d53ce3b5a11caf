/** A decoder that gives rows: the tensor is that of the picture in memory, to the bit, and the picture is never there. */
import { expect, onTestFinished, test } from 'vitest';
import { env } from '../../src/base/env.js';
import type { DecodedImage } from '../../src/base/pixels.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { type ImageProcessorOptions, MobileNetV2ImageProcessor } from '../../src/processors/image-processor.js';
import { exifBlock, jpeg } from '../helpers/jpeg-files.js';
import { expectRefusal } from '../helpers/pictures.js';
import { makePixels } from '../helpers/processor-inputs.js';

const SETTINGS: readonly ImageProcessorOptions[] = [
  {},
  { resample: 0 },
  { resample: 1, size: { height: 40, width: 90 } },
  { resample: 3, do_center_crop: false },
  { do_resize: false },
  { do_resize: false, do_center_crop: false, do_normalize: false },
  { do_convert_rgb: true, do_rescale: false },
];

/** A decoder that knows what it decodes: `picture`, `step` rows at a time, always in the same piece of memory. */
function decoderOf(picture: DecodedImage, step: number) {
  const { data, width, height, channels } = picture;
  const calls = { rows: 0 };
  env.platform = {
    ...nodePlatform,
    async decodeJpeg(_bytes, _file, { open } = {}) {
      if (open === undefined) return picture;
      const sink = open({ width, height, channels });
      const memory = new Uint8Array(step * width * channels);
      for (let row = 0; row < height; row += step) {
        const count = Math.min(step, height - row);
        memory.set(data.subarray(row * width * channels, (row + count) * width * channels));
        sink.rows(memory, row, count);
        calls.rows += count;
      }
      return { warnings: ['there was something'] };
    },
  };
  onTestFinished(() => {
    env.platform = nodePlatform;
  });
  return calls;
}

const fileOf = ({ width, height, channels }: DecodedImage, exif?: Uint8Array): Uint8Array => {
  const components = Array.from({ length: channels }, (_, i) => ({ id: i + 1, value: 128 }));
  return jpeg({ width, height, components, ...(exif && { exif }) });
};

test.each([
  [300, 260, 1],
  [300, 260, 8],
  [61, 400, 16],
  [640, 31, 1000],
])('%i×%i, %i rows at a time', async (width, height, step) => {
  for (const channels of [1, 3] as const) {
    const picture = makePixels('noise', width, height, channels) as DecodedImage;
    const calls = decoderOf(picture, step);
    for (const settings of SETTINGS) {
      const processor = new MobileNetV2ImageProcessor(settings);
      const warnings: string[] = [];
      const { onWarning } = env;
      env.onWarning = (message) => warnings.push(message);
      calls.rows = 0;
      const inRows = await processor(fileOf(picture));
      env.onWarning = onWarning;
      expect(warnings).toEqual(['image: read although there was something']);
      expect(calls.rows).toBe(height);
      const whole = await processor(picture);
      expect(inRows.original_sizes).toEqual(whole.original_sizes);
      expect(inRows.pixel_values.dims).toEqual(whole.pixel_values.dims);
      expect(Buffer.compare(bytesOf(inRows.pixel_values.data), bytesOf(whole.pixel_values.data))).toBe(0);
    }
  }
});

const bytesOf = ({ buffer }: Float32Array): Buffer => Buffer.from(buffer as ArrayBuffer);

test('a picture that is to be turned is put together from its rows', async () => {
  const picture = makePixels('noise', 60, 40) as DecodedImage;
  const calls = decoderOf(picture, 8);
  const processor = new MobileNetV2ImageProcessor();
  const { original_sizes, pixel_values } = await processor(fileOf(picture, exifBlock(6)));
  expect(original_sizes).toEqual([[60, 40]]);
  expect(calls.rows).toBe(40);
  // Orientation 6: the file's left column is the picture's top row, from bottom to top.
  const { data } = picture;
  const upright = new Uint8Array(data.length);
  for (let y = 0; y < 60; y++) {
    for (let x = 0; x < 40; x++) {
      const from = 3 * ((39 - x) * 60 + y);
      upright.set(data.subarray(from, from + 3), 3 * (y * 40 + x));
    }
  }
  const whole = await processor({ ...picture, width: 40, height: 60, data: upright });
  expect(Buffer.compare(bytesOf(pixel_values.data), bytesOf(whole.pixel_values.data))).toBe(0);
});

test('what goes wrong on the way is told as without rows', async () => {
  const picture = makePixels('noise', 60, 40) as DecodedImage;
  const calls = decoderOf(picture, 8);
  const processor = new MobileNetV2ImageProcessor();
  await expectRefusal(
    () => processor(fileOf({ ...picture, width: 61 })),
    'IMAGE',
    /header says 61×40 pixels.*made 60×40/,
  );
  const one = new MobileNetV2ImageProcessor({ image_mean: [0.5], image_std: [0.5] });
  await expectRefusal(() => one(fileOf(picture)), 'ARG', /^images\[0\]: image_mean and image_std are for 1 channels/);
  expect(calls.rows).toBe(0);
  env.platform.decodeJpeg = async (_bytes, _file, { open } = {}) => {
    open!(picture).rows(picture.data, 0, 1);
    throw new TypeError('a bug');
  };
  await expectRefusal(() => processor(fileOf(picture)), 'IMAGE', /image: the picture is damaged \(a bug\)/);
});
