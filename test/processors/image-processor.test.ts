import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PNG } from 'pngjs';
import { afterEach, describe, expect, test } from 'vitest';
import { env } from '../../src/base/env.js';
import type { Folder } from '../../src/base/folder.js';
import type { Pixels } from '../../src/base/pixels.js';
import { RawImage } from '../../src/images/raw-image.js';
import { resize } from '../../src/images/resize/resize.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { encodePalettePng } from '../../src/platforms/node/png.js';
import {
  MobileNetV2FeatureExtractor,
  MobileNetV2ImageProcessor,
  type ProcessOptions,
  type ProcessorInput,
} from '../../src/processors/image-processor.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { cpuTime } from '../helpers/cpu.js';
import { float32Golden, maxDifference, readGoldens } from '../helpers/goldens.js';
import { type InputSpec, makeInput, makePixels } from '../helpers/processor-inputs.js';
import { shared, sharedFiles, withoutShared } from '../helpers/shared.js';

interface Case {
  name: string;
  options: Record<string, unknown>;
  call: ProcessOptions;
  inputs: InputSpec[];
  maps: InputSpec[];
}

const folder = new URL('../goldens/processors/', import.meta.url);
const cases = JSON.parse(readFileSync(new URL('cases.json', folder), 'utf8')).processor as Case[];
const goldens = readGoldens(new URL('expected.safetensors', folder));

describe('as transformers does, bit for bit', () => {
  test.each(cases)('$name', async ({ name, options, call, inputs, maps }) => {
    const processor = new MobileNetV2ImageProcessor(options);
    const segmentation_maps = maps.length > 0 ? maps.map(makeInput) : null;
    const output = await processor(inputs.map(makeInput), { ...call, segmentation_maps });

    const expected = goldens.get(`${name}.pixel_values`)!;
    expect(output.pixel_values.dims).toEqual(expected.dims);
    const difference = maxDifference(output.pixel_values.data, expected.data as Float32Array);
    expect(difference).toEqual({ difference: 0, at: -1 });

    const labels = goldens.get(`${name}.labels`);
    expect(output.labels?.dims).toEqual(labels?.dims);
    expect(output.labels?.data).toEqual(labels?.data);
  });
});

// The parrot is a JPEG, whose decoding has tests of its own; the goldens at 513 hold no pixel_values.
const photographs = sharedFiles('goldens').filter((name) =>
  /^(classify_(?!parrot)|segment_.*_257_).*safetensors$/.test(name),
);
describe.runIf(photographs.length > 0)('pixel_values of real photographs, bit for bit', () => {
  test.each(photographs)('%s', async (name) => {
    const [, model, image] =
      /^segment_(.*_257)_(.*)\.safetensors$/.exec(name) ?? /^()classify_(.*)\.safetensors$/.exec(name)!;
    const config = shared(`weights/${model || 'mobilenet_v2_1.0_224'}/preprocessor_config.json`);
    const processor = MobileNetV2ImageProcessor.from_dict(JSON.parse(readFileSync(config, 'utf8')));
    const { width, height, data } = PNG.sync.read(readFileSync(shared(`images/${image}.png`)));
    const { pixel_values } = await processor({ data, width, height, channels: 4 });
    const golden = readGoldens(shared(`goldens/${name}`));
    expect(maxDifference(pixel_values.data, float32Golden(golden, 'pixel_values')).difference).toBe(0);
  });
});

describe('results', () => {
  const processor = new MobileNetV2ImageProcessor({ size: 20, crop_size: 16 });

  test('sizes before and after', async () => {
    const output = await processor([makePixels('noise', 40, 30), makePixels('noise', 25, 50)]);
    expect(output.original_sizes).toEqual([
      [30, 40],
      [50, 25],
    ]);
    expect(output.reshaped_input_sizes).toEqual([
      [16, 16],
      [16, 16],
    ]);
    expect(output.pixel_values.dims).toEqual([2, 3, 16, 16]);
    expect(output).not.toHaveProperty('labels');
  });

  test('a batch, a list, one at a time and .forward agree', async () => {
    const first = makePixels('noise', 40, 30, 3, 1);
    const second = makePixels('noise', 40, 30, 3, 2);
    const list = (await processor([first, second])).pixel_values;
    const batch = new Tensor('uint8', [...first.data, ...second.data], [2, 30, 40, 3]);
    expect((await processor(batch)).pixel_values).toEqual(list);
    expect((await processor.forward([batch])).pixel_values).toEqual(list);
    const each = [await processor(first), await processor(second)].flatMap(({ pixel_values }) => [
      ...pixel_values.data,
    ]);
    expect(each).toEqual([...list.data]);
  });

  test('inputs are left alone', async () => {
    const image = makePixels('noise', 40, 30, 4);
    const map = new Tensor('int64', [...makePixels('labels', 40, 30, 1).data], [30, 40]);
    const before = [[...image.data], [...map.data]];
    await processor(image, { segmentation_maps: map, do_reduce_labels: true, do_convert_rgb: true });
    expect([[...image.data], [...map.data]]).toEqual(before);
  });

  test('a very long picture needs no very long memory', async () => {
    const output = await new MobileNetV2ImageProcessor()(makePixels('noise', 1, 10_000));
    expect(output.pixel_values.dims).toEqual([1, 3, 224, 224]);
  });

  test('alpha: dropped, laid over white, or kept', async () => {
    const glass = { data: Uint8Array.of(10, 20, 30, 0), width: 1, height: 1, channels: 4 };
    const raw = { do_resize: false, do_center_crop: false, do_rescale: false, do_normalize: false };
    const values = async (more: ProcessOptions) => [...(await processor(glass, { ...raw, ...more })).pixel_values.data];
    expect(await values({})).toEqual([10, 20, 30]);
    expect(await values({ do_convert_rgb: true })).toEqual([255, 255, 255]);
    expect(await values({ do_convert_rgb: false })).toEqual([10, 20, 30, 0]);
  });

  test('a step that is off costs nothing of what it needs', async () => {
    const image = makePixels('noise', 5, 4);
    const { pixel_values } = await processor(image, { do_resize: false, do_center_crop: false, do_normalize: false });
    expect(pixel_values.dims).toEqual([1, 3, 4, 5]);
    expect(pixel_values.data[0]).toBe(Math.fround(image.data[0]! / 255));
  });

  test('12 megapixels take well under a second', () => {
    const image = { data: new Uint8Array(4000 * 3000 * 3), width: 4000, height: 3000, channels: 3 };
    resize(image, 341, 256);
    const start = cpuTime();
    resize(image, 341, 256);
    expect(cpuTime() - start).toBeLessThan(1000); // 60 ms alone, on a machine that is also doing other things
  });
});

// transformers 5: None turns a step off, in a file, in the constructor and in a call; it is no value of a field.
describe('null', () => {
  const image = makePixels('noise', 40, 30);
  const base: ProcessOptions = { size: 20, crop_size: 16 };
  const steps: Record<string, ProcessOptions> = {
    do_resize: { size: null, resample: null },
    do_center_crop: { crop_size: null },
    do_rescale: { rescale_factor: null },
    do_normalize: { image_mean: null, image_std: null },
  };

  test.each(Object.entries(steps))('%s', async (step, needed) => {
    const off = await new MobileNetV2ImageProcessor({ ...base, [step]: false })(image);
    const processor = new MobileNetV2ImageProcessor({ ...base, [step]: null, ...needed });
    expect((await processor(image)).pixel_values).toEqual(off.pixel_values);
    expect((await new MobileNetV2ImageProcessor(base)(image, { [step]: null })).pixel_values).toEqual(off.pixel_values);
    const again = MobileNetV2ImageProcessor.from_dict(JSON.parse(JSON.stringify(processor.to_dict())));
    expect((await again(image)).pixel_values).toEqual(off.pixel_values);
    for (const field of Object.keys(needed)) {
      const without = new MobileNetV2ImageProcessor({ ...base, [field]: null });
      const message = expect.stringMatching(`${field}: is null, and ${step} needs it`);
      await expect(without(image)).rejects.toMatchObject({ code: 'ARG', tensor: field, message });
    }
  });

  // The means are those of transformers 5's MobileNetV2ImageProcessorPil.
  const cases = 'cases/07-preprocessor-null';
  test.skipIf(withoutShared(cases)).each([
    ['null_crop_and_size', -0.0018777796067297459],
    ['null_do_normalize', 0.4988182485103607],
    ['null_do_resize', -0.006995491683483124],
  ])('%s', async (name, mean) => {
    const file = readFileSync(shared(`${cases}/${name}/preprocessor_config.json`), 'utf8');
    const { width, height, data } = PNG.sync.read(readFileSync(shared(`${cases}/pp.png`)));
    const processor = MobileNetV2ImageProcessor.from_dict(JSON.parse(file));
    const { pixel_values } = await processor({ data, width, height, channels: 4 });
    expect(pixel_values.dims).toEqual([1, 3, 64, 64]);
    expect(pixel_values.data.reduce((sum, value) => sum + value, 0) / pixel_values.size).toBeCloseTo(mean, 6);
  });
});

describe('what transformers takes', () => {
  const processor = new MobileNetV2ImageProcessor({ size: 20, crop_size: 16 });
  const image = makePixels('noise', 40, 30);
  const map = makePixels('labels', 40, 30, 1);

  test('preprocess, and maps in second place', async () => {
    const output = await processor(image, { segmentation_maps: map, do_reduce_labels: true });
    expect(output.labels?.dims).toEqual([1, 16, 16]);
    expect(await processor(image, map, { do_reduce_labels: true })).toEqual(output);
    expect(await processor.preprocess([image], [map], { do_reduce_labels: true })).toEqual(output);
    expect(await processor.preprocess(image, { segmentation_maps: map, do_reduce_labels: true })).toEqual(output);
    expect(await processor(image, null, { return_tensors: 'pt' })).toEqual(await processor(image));
    const bare = Object.assign(Object.create(null), { segmentation_maps: map, do_reduce_labels: true });
    expect(await processor(image, bare)).toEqual(output);
  });

  test('paths, URLs and files', async () => {
    const { platform } = env;
    env.platform = nodePlatform;
    try {
      const url = new URL('../../examples/husky.png', import.meta.url);
      const read = await processor(await RawImage.read(fileURLToPath(url)));
      for (const input of [fileURLToPath(url), url, new Uint8Array(readFileSync(url))]) {
        expect(await processor(input)).toEqual(read);
      }
      await expect(processor([image, 'no/such.png'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
      // A palette's indices are the classes.
      const palette = Uint8Array.from({ length: 768 }, (_, i) => 255 - i);
      const png = await encodePalettePng({ data: new Uint8Array(map.data), width: 40, height: 30, palette });
      const labels = (await processor(image, { segmentation_maps: map })).labels;
      expect((await processor(image, new Blob([new Uint8Array(png)]))).labels).toEqual(labels);
    } finally {
      env.platform = platform;
    }
  });
});

describe('many pictures', () => {
  test('come in batches, which end where sizes change', async () => {
    const processor = new MobileNetV2ImageProcessor({ size: 20, do_center_crop: false });
    const sizes = [30, 30, 30, 50, 30];
    const images = sizes.map((width, seed) => makePixels('noise', width, 30, 3, seed));
    const batches = [];
    for await (const batch of processor.batches(images, {}, 2)) batches.push(batch);
    expect(batches.map(({ pixel_values }) => pixel_values.dims)).toEqual([
      [2, 3, 20, 20],
      [1, 3, 20, 20],
      [1, 3, 20, 33],
      [1, 3, 20, 20],
    ]);
    expect(batches.flatMap(({ original_sizes }) => original_sizes)).toEqual(sizes.map((width) => [30, width]));
    const alone = await processor.preprocess(images[2]);
    expect(batches[1].pixel_values).toEqual(alone.pixel_values);
  });

  test('two are read at a time, in order; with a signal one', async () => {
    const events: string[] = [];
    env.platform = {
      ...env.platform,
      readFile: async (path) => {
        events.push(`read ${path}`);
        return new Uint8Array(readFileSync(new URL('../../examples/husky.png', import.meta.url)));
      },
      decodePng: async (bytes) => {
        const { data, width, height } = PNG.sync.read(Buffer.from(bytes));
        return { data: new Uint8Array(data), width, height, channels: 4 };
      },
    };
    const processor = new MobileNetV2ImageProcessor();
    const order = async (signal?: AbortSignal) => {
      events.length = 0;
      for await (const _batch of processor.batches(['a', 'b', 'c'], { signal }, 1)) events.push('batch');
      return events.join(', ');
    };
    expect(await order()).toBe('read a, read b, read c, batch, batch, batch');
    expect(await order(new AbortController().signal)).toBe('read a, read b, batch, read c, batch, batch');
  });
});

describe('refusals', () => {
  const processor = new MobileNetV2ImageProcessor({ size: 20, crop_size: 16 });
  const image = makePixels('noise', 40, 30);

  test.each<[string, Record<string, unknown>]>([
    ['image_std', { image_std: 0 }],
    ['image_std', { image_std: [0.5, 0, 0.5] }],
    ['image_std', { image_std: 1e-50 }],
    ['image_mean', { image_mean: [0.5, 0.5] }],
    ['image_mean', { image_mean: [0.5, 0.5, '0.5'] }],
    ['image_mean', { image_mean: Number.NaN }],
    ['image_std', { image_mean: [0.5], image_std: [1, 1, 1] }],
    ['resample', { resample: 7 }],
    ['resample', { resample: 'cubic' }],
    ['size', { size: 0 }],
    ['size', { size: -5 }],
    ['size', { size: 1e9 }],
    ['size', { size: 1.5 }],
    ['size', { size: '224' }],
    ['size', { size: {} }],
    ['size', { size: [224] }],
    ['size', { size: { height: 224 } }],
    ['size', { size: { longest_edge: 224 } }],
    ['size', { size: { shortest_edge: 224, depth: 3 } }],
    ['crop_size', { crop_size: { shortest_edge: 224 } }],
    ['crop_size', { crop_size: { height: 0, width: 224 } }],
    ['do_resize', { do_resize: 'yes' }],
    ['do_normalize', { do_normalize: 1 }],
    ['rescale_factor', { rescale_factor: Number.POSITIVE_INFINITY }],
    ['input_data_format', { input_data_format: 'nchw' }],
  ])('%s %o', async (field, options) => {
    const named = { message: expect.stringContaining(field), tensor: field };
    expect(() => new MobileNetV2ImageProcessor(options)).toThrowError(
      expect.objectContaining({ ...named, code: 'CONFIG' }),
    );
    await expect(processor(image, options)).rejects.toMatchObject({ ...named, code: 'ARG' });
  });

  const detached = (pixels: Pixels): Pixels => {
    structuredClone(pixels.data, { transfer: [pixels.data.buffer as ArrayBuffer] });
    return pixels;
  };
  const float = (value: number) => new Tensor('float32', new Float32Array(48).fill(value), [3, 4, 4]);
  test.each<[string, unknown, ProcessOptions?]>([
    ['nothing', undefined],
    ['an empty list', []],
    ['a hole in a list', [image, null]],
    ['wrong length', { ...image, height: 31 }],
    ['shared memory', { ...image, data: new Uint8Array(new SharedArrayBuffer(image.data.length)) }],
    ['a detached buffer', detached(makePixels('noise', 4, 4))],
    ['an empty tensor', new Tensor('uint8', [], [3, 0, 4])],
    ['two dimensions', new Tensor('uint8', new Uint8Array(16), [4, 4])],
    ['no channels', new Tensor('uint8', new Uint8Array(125), [5, 5, 5])],
    ['five channels said', new Tensor('uint8', new Uint8Array(125), [5, 5, 5]), { input_data_format: 'channels_last' }],
    ['grey tensor for three means', new Tensor('uint8', new Uint8Array(16), [1, 4, 4])],
    ['grey pixels kept for three means', makePixels('noise', 4, 4, 1), { do_convert_rgb: false }],
    ['NaN', float(Number.NaN)],
    ['infinity', float(Number.NEGATIVE_INFINITY), { do_resize: false }],
    ['floats above 1', float(1.5)],
    ['floats below 0', float(-0.5)],
    ['whole numbers above 255', float(256)],
    ['float RGBA above 1', new Tensor('float32', new Float32Array(64).fill(2), [4, 4, 4]), { do_convert_rgb: true }],
    ['float16', new Tensor('float16', new Uint16Array(48), [3, 4, 4])],
    ['different sizes', [image, makePixels('noise', 20, 60)], { do_center_crop: false }],
    ['different channels', [image, makePixels('noise', 9, 9, 1)], { do_convert_rgb: false, do_normalize: false }],
    ['unknown option', image, { do_resise: false } as ProcessOptions],
    ['channels last', image, { return_dict: false } as ProcessOptions],
    ['options that are none', image, 7 as unknown as ProcessOptions],
    ['a map too few', [image, image], { segmentation_maps: makePixels('labels', 9, 9, 1) }],
    ['a map in colour', image, { segmentation_maps: makePixels('labels', 9, 9, 3) }],
    ['a map of floats', image, { segmentation_maps: float(1) }],
    ['a map of four dimensions', image, { segmentation_maps: new Tensor('uint8', new Uint8Array(16), [1, 1, 4, 4]) }],
    ['labels too large to resize', image, { segmentation_maps: new Tensor('int32', [1, 300], [1, 2]) }],
  ])('%s', async (_name, images, options) => {
    await expect(processor(images as ProcessorInput, options)).rejects.toMatchObject({
      name: 'MobileNetError',
      code: 'ARG',
    });
  });

  test('different sizes are named', async () => {
    await expect(processor([image, makePixels('noise', 20, 60)], { do_center_crop: false })).rejects.toThrow(
      /\[0\] is 3×20×26 and \[1\] is 3×60×20/,
    );
  });

  test('results above the limit are refused before memory is taken', async () => {
    await expect(processor(image, { crop_size: 10_000 })).rejects.toMatchObject({ code: 'LIMIT' });
    const thin = makePixels('noise', 1, 1000);
    await expect(processor(thin, { size: 1000, do_center_crop: false })).rejects.toMatchObject({ code: 'LIMIT' });
    await expect(processor(thin, { size: { max_height: 100, max_width: 100 } })).rejects.toMatchObject({ code: 'ARG' });
  });

  test('a field assigned to is checked as well', async () => {
    const own = new MobileNetV2ImageProcessor();
    own.do_center_crop = false;
    own.size = { height: 3, width: 4 };
    expect((await own(image)).pixel_values.dims).toEqual([1, 3, 3, 4]);
    own.image_std = 0;
    await expect(own(image)).rejects.toMatchObject({ code: 'ARG', tensor: 'image_std' });
  });
});

describe('configuration', () => {
  const { platform } = env;
  afterEach(() => {
    env.platform = platform;
  });
  const folderOf = (files: Record<string, string>): Folder => ({
    name: 'model',
    read: async (file) => (file in files ? new TextEncoder().encode(files[file]) : undefined),
  });
  const load = (config: string) =>
    MobileNetV2ImageProcessor.from_pretrained(folderOf({ 'preprocessor_config.json': config }));

  test('old spellings', async () => {
    const processor = await load(
      '{"feature_extractor_type": "MobileNetV2FeatureExtractor", "size": 200, "crop_size": 180, "resample": "bicubic", "note": {"kept": [1, null]}}',
    );
    expect(processor).toBeInstanceOf(MobileNetV2FeatureExtractor);
    expect(processor.size).toEqual({ shortest_edge: 200 });
    expect(processor.crop_size).toEqual({ height: 180, width: 180 });
    expect(processor.resample).toBe(3);
    expect(processor.image_mean).toEqual([0.5, 0.5, 0.5]);
    expect(processor.to_dict()).toMatchObject({
      note: { kept: [1, null] },
      image_processor_type: 'MobileNetV2ImageProcessor',
    });
    expect(processor.to_dict()).not.toHaveProperty('feature_extractor_type');
  });

  test('sizes in every form', () => {
    const sizeOf = (size: unknown, default_to_square = false) =>
      MobileNetV2ImageProcessor.from_dict({ size, default_to_square }).size;
    expect(sizeOf(7)).toEqual({ shortest_edge: 7 });
    expect(sizeOf(7, true)).toEqual({ height: 7, width: 7 });
    expect(sizeOf([7, 8])).toEqual({ height: 7, width: 8 });
    expect(sizeOf({ shortest_edge: 7, longest_edge: null })).toEqual({ shortest_edge: 7 });
    expect(sizeOf({ longest_edge: 9, shortest_edge: 7 })).toEqual({ shortest_edge: 7, longest_edge: 9 });
  });

  test('overrides beat the file', async () => {
    const files = folderOf({ 'preprocessor_config.json': '{"size": 200, "do_resize": true}' });
    const processor = await MobileNetV2ImageProcessor.from_pretrained(files, { size: 100, do_resize: false });
    expect([processor.size, processor.do_resize]).toEqual([{ shortest_edge: 100 }, false]);
    for (const overrides of [{ size: 0 }, { tokenizer: 'main' } as object]) {
      await expect(MobileNetV2ImageProcessor.from_pretrained(files, overrides)).rejects.toMatchObject({ code: 'ARG' });
    }
  });

  test('what is written is what transformers writes, and reads back the same', async () => {
    let written = '';
    env.platform = {
      writeFolder: async (path, files) => {
        expect([path, [...files.keys()]]).toEqual(['out', ['preprocessor_config.json']]);
        written = new TextDecoder().decode(files.get('preprocessor_config.json'));
      },
    };
    await MobileNetV2ImageProcessor.from_dict({ image_mean: 0.25, zebra: 1 }).save_pretrained('out');
    const keys = [...written.matchAll(/^ {2}"(\w+)":/gm)].map(([, key]) => key);
    expect(keys).toEqual([
      'crop_size',
      'do_center_crop',
      'do_normalize',
      'do_reduce_labels',
      'do_rescale',
      'do_resize',
      'image_mean',
      'image_processor_type',
      'image_std',
      'resample',
      'rescale_factor',
      'size',
      'zebra',
    ]);
    expect(written).toContain('"rescale_factor": 0.00392156862745098,\n  "size": {\n    "shortest_edge": 256\n  }');
    const again = await load(written);
    expect(again.to_dict()).toEqual(JSON.parse(written));
  });

  test.each<[string, string]>([
    ['CONFIG', '{"image_std": [0.5, 0, 0.5]}'],
    ['CONFIG', '{"image_mean": [0.5, 0.5]}'],
    ['CONFIG', '{"resample": 17}'],
    ['CONFIG', '[]'],
    ['CONFIG', 'null'],
    ['CONFIG', '{"size": '],
    ['DUPLICATE_KEY', '{"size": 1, "size": 2}'],
    ['UNSUPPORTED', '{"image_processor_type": "CLIPImageProcessor"}'],
  ])('%s: %s', async (code, config) => {
    await expect(load(config)).rejects.toMatchObject({ code, file: 'preprocessor_config.json' });
  });

  test('a key named __proto__ pollutes nothing', async () => {
    const processor = await load('{"__proto__": {"size": 1}, "constructor": {"do_resize": false}}');
    expect(processor.size).toEqual({ shortest_edge: 256 });
    expect(({} as Record<string, unknown>).size).toBeUndefined();
  });

  test('a missing file is named', async () => {
    await expect(MobileNetV2ImageProcessor.from_pretrained(folderOf({}))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('preprocessor_config.json'),
    });
  });

  test('paths go through the platform', async () => {
    env.platform = { openFolder: async (path) => ({ ...folderOf({ 'preprocessor_config.json': '{}' }), name: path }) };
    expect((await MobileNetV2ImageProcessor.from_pretrained('some/model')).resample).toBe(2);
    env.platform = {};
    await expect(MobileNetV2ImageProcessor.from_pretrained('some/model')).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    await expect(new MobileNetV2ImageProcessor().save_pretrained('out')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});
