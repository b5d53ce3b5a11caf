/** RawImage: every way in, every conversion, and PIL's numbers. */
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { env } from '../../src/base/env.js';
import { type ImageInput, load_image, RawImage } from '../../src/images/raw-image.js';
import { resize } from '../../src/images/resize/resize.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { temporaryFolder } from '../helpers/cli.js';
import { expectRefusal, withLimits } from '../helpers/pictures.js';
import { simplePng } from '../helpers/png-files.js';

const FILE = simplePng({ width: 2, colourType: 2 }, [[1, 2, 3, 4, 5, 6]]);
const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i);
/** 0, 1, 2, … in rows. */
const grey = (width: number, height: number) => new RawImage(bytes(width * height), width, height, 1);
const data = (image: RawImage) => Array.from(image.data);

describe('reading', () => {
  const expected = { width: 2, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };

  it('takes paths, URLs, blobs and encoded bytes', async () => {
    const path = join(temporaryFolder(), 'a.png');
    writeFileSync(path, FILE);
    const inputs: ImageInput[] = [
      path,
      pathToFileURL(path),
      pathToFileURL(path).href,
      new URL(`data:image/png;base64,${Buffer.from(FILE).toString('base64')}`),
      new Blob([new Uint8Array(FILE)]),
      FILE,
      Buffer.from(FILE),
      new Uint8Array(FILE).buffer,
      new DataView(new Uint8Array(FILE).buffer),
      new Response(new Uint8Array(FILE)),
      new Request(`data:image/png;base64,${Buffer.from(FILE).toString('base64')}`),
      `data:image/png;base64,${encodeURIComponent(Buffer.from(FILE).toString('base64'))}`,
      URL.createObjectURL(new Blob([new Uint8Array(FILE)])),
      new Blob([new Uint8Array(FILE)]).stream(),
      createReadStream(path),
    ];
    for (const input of inputs) expect(await RawImage.read(input)).toMatchObject(expected);
    expect(await load_image(path)).toMatchObject(expected);
  });

  it('takes pixels, canvases and ImageData as they are', async () => {
    const image = grey(2, 2);
    expect(await RawImage.read(image)).toBe(image);
    expect((await RawImage.read({ data: bytes(3), width: 1, height: 1, channels: 3 })).channels).toBe(3);
    const pixels = { data: new Uint8ClampedArray(8), width: 2, height: 1 };
    expect(await RawImage.read(pixels)).toMatchObject({ channels: 4, data: pixels.data });
    const canvas = { width: 2, height: 1, getContext: () => ({ getImageData: () => pixels }) };
    expect(await RawImage.read(canvas)).toMatchObject({ channels: 4, width: 2 });
  });

  it('refuses what has no pixels yet, or no longer', async () => {
    class OffscreenCanvas {
      width: number;
      height: number;
      constructor(width: number, height: number) {
        this.width = width;
        this.height = height;
      }
      getContext = () => ({ getImageData: () => ({ data: new Uint8ClampedArray(), width: 0, height: 0 }) });
    }
    for (const [width, height] of [
      [0, 5],
      [5, 0],
      [Number.NaN, 5],
    ]) {
      const says = `the OffscreenCanvas has no pixels (${width}×${height})`;
      await expectRefusal(() => RawImage.read(new OffscreenCanvas(width, height) as never), 'ARG', says);
    }
    const element = (more: object) => ({ naturalWidth: 0, naturalHeight: 0, ...more }) as never;
    const decode = () => Promise.reject(new Error('it is no picture'));
    await expectRefusal(() => RawImage.read(element({ decode })), 'ARG', 'no source; set its src first');
    const lost = await expectRefusal(
      () => RawImage.read(element({ decode, src: 'https://a.example/b.png' })),
      'IO',
      'https://a.example/b.png: the image element has no picture (it is no picture)',
    );
    expect(lost.file).toBe('https://a.example/b.png');
  });

  it.each([[undefined], [null], [7], [{}], [[1, 2]], [{ data: [1], width: 1, height: 1, channels: 1 }]])(
    'refuses %j',
    async (input) => {
      await expectRefusal(() => RawImage.read(input as unknown as ImageInput), 'ARG');
    },
  );

  it('names the file in errors', async () => {
    const path = join(temporaryFolder(), 'bad.png');
    writeFileSync(path, 'no picture');
    const byPath = await expectRefusal(() => RawImage.read(path), 'UNSUPPORTED', 'text');
    expect(byPath.file).toBe(path);
    const byBlob = await expectRefusal(() => RawImage.read(new File(['x'], 'upload.jpg')), 'UNSUPPORTED', 'upload.jpg');
    expect(byBlob.file).toBe('upload.jpg');
    await expectRefusal(() => RawImage.read('/no/such/file.png'), 'NOT_FOUND', '/no/such/file.png');
    const url = `data:,${'a'.repeat(3000)}`;
    expect((await expectRefusal(() => RawImage.read(url), 'UNSUPPORTED')).file!.length).toBeLessThan(300);
  });

  it('keeps to the limit of bytes', () =>
    withLimits({ imageBytes: 10 }, async () => {
      const path = join(temporaryFolder(), 'a.png');
      writeFileSync(path, FILE);
      for (const input of [path, FILE, new Blob([new Uint8Array(FILE)])]) {
        await expectRefusal(() => RawImage.read(input), 'LIMIT', /imageBytes/);
      }
    }));

  it('needs a platform', async () => {
    env.platform = {};
    onTestFinished(() => {
      env.platform = nodePlatform;
    });
    await expectRefusal(() => RawImage.read('cat.png'), 'UNSUPPORTED', /readFile/);
    await expectRefusal(() => grey(1, 1).toBlob(), 'UNSUPPORTED', /encodePng/);
  });
});

describe('making one', () => {
  it('has its fields', () => {
    const image = new RawImage(bytes(6), 2, 1, 3);
    expect([image.width, image.height, image.channels, image.size]).toEqual([2, 1, 3, [2, 1]]);
  });

  it.each([
    ['too few bytes', bytes(5), 2, 1, 3],
    ['2 channels', bytes(4), 2, 1, 2],
    ['no width', bytes(0), 0, 1, 3],
    ['half a height', bytes(3), 2, 0.5, 3],
    ['a list', [1, 2, 3], 1, 1, 3],
    ['floats', new Float32Array(3), 1, 1, 3],
  ])('refuses %s', async (_, pixels, width, height, channels) => {
    await expectRefusal(() => new RawImage(pixels as Uint8Array, width, height, channels as 3), 'ARG', /RawImage/);
  });
});

describe('channels', () => {
  it('grayscale is PIL’s luma', () => {
    // Image.new('RGB', (1, 1), colour).convert('L') in Pillow 13
    for (const [colour, luma] of [
      [[255, 0, 0], 76],
      [[0, 255, 0], 150],
      [[0, 0, 255], 29],
      [[255, 255, 255], 255],
      [[1, 2, 3], 2],
      [[10, 200, 30], 124],
      [[123, 45, 67], 71],
    ] as const) {
      expect(data(new RawImage(Uint8Array.from(colour), 1, 1, 3).grayscale())).toEqual([luma]);
      expect(data(new RawImage(Uint8Array.of(...colour, 0), 1, 1, 4).grayscale())).toEqual([luma]);
    }
  });

  it('rgb and rgba repeat grey, drop alpha and add it', () => {
    const rgba = new RawImage(Uint8Array.of(1, 2, 3, 0, 5, 6, 7, 255), 2, 1, 4);
    expect(data(rgba.rgb())).toEqual([1, 2, 3, 5, 6, 7]);
    expect(data(rgba.rgb().rgba())).toEqual([1, 2, 3, 255, 5, 6, 7, 255]);
    expect(data(grey(2, 1).rgb())).toEqual([0, 0, 0, 1, 1, 1]);
    expect(data(grey(2, 1).rgba())).toEqual([0, 0, 0, 255, 1, 1, 1, 255]);
    expect(data(rgba)).toEqual([1, 2, 3, 0, 5, 6, 7, 255]);
  });

  it('convert takes their number', async () => {
    const rgb = new RawImage(Uint8Array.of(10, 200, 30), 1, 1, 3);
    expect([1, 3, 4].map((count) => data(rgb.convert(count as 1)))).toEqual([[124], [10, 200, 30], [10, 200, 30, 255]]);
    for (const count of [2, 0, 'toString', null]) await expectRefusal(() => rgb.convert(count as 3), 'ARG', /convert/);
  });

  it('putAlpha takes a mask', async () => {
    const rgb = new RawImage(bytes(6), 2, 1, 3);
    const mask = new RawImage(Uint8Array.of(255, 7), 2, 1, 1);
    expect(data(rgb.putAlpha(mask))).toEqual([0, 1, 2, 255, 3, 4, 5, 7]);
    expect(data(rgb.putAlpha(mask).putAlpha(grey(2, 1)))).toEqual([0, 1, 2, 0, 3, 4, 5, 1]);
    expect(data(grey(2, 1).putAlpha(mask))).toEqual([0, 0, 0, 255, 1, 1, 1, 7]);
    expect(data(rgb)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const wrong of [grey(1, 2), rgb, undefined])
      await expectRefusal(() => rgb.putAlpha(wrong as RawImage), 'ARG', /putAlpha.*2×1/);
  });

  it('split takes them apart', () => {
    const parts = new RawImage(bytes(8), 2, 1, 4).split();
    expect(parts.map(data)).toEqual([
      [0, 4],
      [1, 5],
      [2, 6],
      [3, 7],
    ]);
    expect(parts[0]).toMatchObject({ width: 2, height: 1, channels: 1 });
  });

  it('that are right already cost nothing', () => {
    for (const channels of [1, 3, 4] as const) {
      const image = new RawImage(bytes(channels), 1, 1, channels);
      expect({ 1: image.grayscale(), 3: image.rgb(), 4: image.rgba() }[channels]).toBe(image);
    }
  });
});

describe('sizes', () => {
  const image = new RawImage(bytes(5 * 4 * 3), 5, 4, 3);

  it('resize is PIL’s', async () => {
    const result = await image.resize(3, 2, { resample: 'bicubic' });
    expect(result.size).toEqual([3, 2]);
    expect(data(result)).toEqual(Array.from(resize(image, 3, 2, 3).data));
    expect(data(await image.resize(3, 2))).toEqual(Array.from(resize(image, 3, 2, 2).data));
  });

  it('resize keeps the shape where one size is null', async () => {
    const wide = grey(10, 4);
    expect((await wide.resize(5, null)).size).toEqual([5, 2]);
    expect((await wide.resize(null, 8)).size).toEqual([20, 8]);
    expect((await wide.resize(null, null)).size).toEqual([10, 4]);
    expect((await wide.resize(5, -1)).size).toEqual([5, 2]);
    expect((await wide.resize(-1, 8)).size).toEqual([20, 8]);
    expect((await wide.resize(20)).size).toEqual([20, 8]);
    expect((await grey(200, 1).resize(64, -1)).size).toEqual([64, 1]);
    await expectRefusal(() => wide.resize(-2, 2), 'ARG');
    await expectRefusal(() => wide.resize(2, 2, { filter: 'box' } as object), 'ARG', /resize: .*filter.*resample/);
    await expectRefusal(() => wide.resize(0, null), 'ARG');
    await expectRefusal(() => wide.resize(2, 2, { resample: 9 as 0 }), 'ARG', /resample/);
  });

  it('crop takes both corners with it', async () => {
    const small = grey(4, 3);
    const part = await small.crop([1, 1, 2, 2]);
    expect([part.size, data(part)]).toEqual([
      [2, 2],
      [5, 6, 9, 10],
    ]);
    expect(data(await small.crop([3, 2, 3, 2]))).toEqual([11]);
    expect(data(await small.crop([-5, -5, 99, 0]))).toEqual([0, 1, 2, 3]);
    for (const corners of [[4, 0, 5, 1], [2, 0, 1, 1], [0, 0, 0.5, 1], [0, 0, 1], undefined]) {
      await expectRefusal(() => small.crop(corners as unknown as [0, 0, 0, 0]), 'ARG', /crop/);
    }
  });

  it('center_crop leaves the odd pixel after it', async () => {
    const small = grey(4, 3);
    expect(data(await small.center_crop(2, 1))).toEqual([5, 6]);
    expect(data(await small.center_crop(3, 2))).toEqual([0, 1, 2, 4, 5, 6]);
    expect(data(await small.center_crop(4, 3))).toEqual(data(small));
  });

  it('center_crop puts zeros around, the odd one after', async () => {
    const small = grey(2, 1);
    expect(data(await small.center_crop(5, 2))).toEqual([0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    expect(data(await grey(4, 1).center_crop(2, 3))).toEqual([0, 0, 1, 2, 0, 0]);
    for (const size of [0, -1, 1.5, Number.NaN])
      await expectRefusal(() => small.center_crop(size, 1), 'ARG', /center_crop/);
    await withLimits({ imagePixels: 99 }, () => expectRefusal(() => small.center_crop(10, 10), 'LIMIT', /imagePixels/));
  });

  it('pad puts zeros around', async () => {
    const small = grey(2, 1);
    const padded = await small.pad([1, 2, 0, 1]);
    expect([padded.size, data(padded)]).toEqual([
      [5, 2],
      [0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ]);
    expect(data(await small.pad([-3, 0, 0, 0]))).toEqual([0, 1]);
    for (const sides of [[1, 1], 3, [1, 2, 3, 0.5]]) await expectRefusal(() => small.pad(sides as never), 'ARG', /pad/);
    await withLimits({ imagePixels: 99 }, () => expectRefusal(() => small.pad([50, 50, 0, 0]), 'LIMIT', /imagePixels/));
  });

  it('clone has pixels of its own', () => {
    const clone = image.clone();
    clone.data[0] = 99;
    expect(image.data[0]).toBe(0);
    expect(clone.size).toEqual(image.size);
  });
});

describe('tensors', () => {
  const image = new RawImage(bytes(12), 2, 2, 3);

  it('come as CHW and HWC, and go back', () => {
    expect(image.toTensor()).toMatchObject({ type: 'uint8', dims: [3, 2, 2] });
    expect(Array.from(image.toTensor().data)).toEqual([0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    expect(image.toTensor('HWC')).toMatchObject({ dims: [2, 2, 3], data: image.data });
    for (const order of ['CHW', 'HWC'] as const)
      expect(RawImage.fromTensor(image.toTensor(order), order)).toEqual(image);
    const clamped = new RawImage(Uint8ClampedArray.from(image.data), 2, 2, 3);
    expect(clamped.toTensor()).toEqual(image.toTensor());
  });

  it('that are no picture are refused', async () => {
    const tensor = (type: 'uint8' | 'float32', dims: number[]) =>
      new Tensor(type, Array(dims.reduce((a, b) => a * b)).fill(0), dims);
    for (const bad of [
      tensor('float32', [3, 2, 2]),
      tensor('uint8', [2, 2]),
      tensor('uint8', [2, 2, 2]),
      tensor('uint8', [1, 3, 2, 2]),
      {},
    ]) {
      await expectRefusal(() => RawImage.fromTensor(bad as Tensor), 'ARG');
    }
    await expectRefusal(() => RawImage.fromTensor(image.toTensor(), 'WHC' as 'HWC'), 'ARG', /CHW/);
    await expectRefusal(() => image.toTensor('NCHW' as 'CHW'), 'ARG', /CHW/);
  });
});

describe('writing', () => {
  it('makes PNG blobs and files', async () => {
    const image = new RawImage(bytes(18), 3, 2, 3);
    const blob = await image.toBlob();
    expect(blob.type).toBe('image/png');
    expect(await RawImage.read(blob)).toMatchObject({ width: 3, height: 2, data: image.data });
    const path = join(temporaryFolder(), 'out.PNG');
    await image.save(path);
    expect(new Uint8Array(readFileSync(path))).toEqual(new Uint8Array(await blob.arrayBuffer()));
  });

  it('makes JPEG blobs and files, nearly what went in', async () => {
    const data = Uint8Array.from({ length: 21 * 13 * 4 }, (_, i) => [(i / 84) * 12, ((i / 4) % 21) * 12, 40, 9][i % 4]);
    const image = new RawImage(data, 21, 13, 4);
    const blob = await image.toBlob('image/jpeg', 0.95);
    expect(blob.type).toBe('image/jpeg');
    const back = await RawImage.read(blob);
    expect([back.size, back.channels]).toEqual([[21, 13], 3]);
    const { data: expected } = image.rgb(); // alpha is dropped, not blended
    expect(back.data.every((value, i) => Math.abs(value - expected[i]) <= 6)).toBe(true);

    const folder = temporaryFolder();
    for (const name of ['a.jpg', 'b.JPEG']) {
      await image.save(join(folder, name), { quality: 0.95 });
      expect(new Uint8Array(readFileSync(join(folder, name)))).toEqual(new Uint8Array(await blob.arrayBuffer()));
    }
    await image.save(join(folder, 'small.jpg'), { quality: 0.1 });
    expect(readFileSync(join(folder, 'small.jpg')).length).toBeLessThan(blob.size);
    expect((await RawImage.read(await grey(3, 2).toBlob('image/jpeg'))).size).toEqual([3, 2]);
    for (const quality of [2, -1, Number.NaN, '0.5'])
      await expectRefusal(() => image.toBlob('image/jpeg', quality as number), 'ARG', /quality/);
    await expectRefusal(() => image.save('a.jpg', { qualtiy: 1 } as object), 'ARG', /save: .*quality/);
  });

  it('knows no other format', async () => {
    const image = grey(1, 1);
    await expectRefusal(() => image.toBlob('image/webp'), 'UNSUPPORTED', /image\/png or image\/jpeg/);
    for (const path of ['a.gif', 'png', 'a.png/b']) await expectRefusal(() => image.save(path), 'UNSUPPORTED', /\.png/);
  });

  it('draws on a canvas only where there is one', async () => {
    await expectRefusal(() => grey(1, 1).toCanvas(), 'UNSUPPORTED', /OffscreenCanvas/);
  });
});
