/** What is told apart by its first bytes, and codecs that misbehave. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { env } from '../../src/base/env.js';
import type { DecodedImage } from '../../src/base/pixels.js';
import type { Platform } from '../../src/base/platform.js';
import { loadCodec } from '../../src/codecs/codec.js';
import { detectFormat } from '../../src/codecs/sniff.js';
import { decodeImage } from '../../src/images/decode.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { jpeg, text } from '../helpers/jpeg-files.js';
import { expectRefusal, expectRefused, pixelsOf } from '../helpers/pictures.js';
import { bytesOf, simplePng } from '../helpers/png-files.js';

const box = (brand: string) => bytesOf([0, 0, 0, 24], text(`ftyp${brand}`), [0, 0, 0, 0]);

const OTHERS: [string, Uint8Array][] = [
  ['GIF', text('GIF89a\x01\x00\x01\x00')],
  ['GIF', text('GIF87a')],
  ['WebP', text('RIFF\x24\x00\x00\x00WEBPVP8 ')],
  ['BMP', text('BM\x46\x00\x00\x00')],
  ['HEIC', box('heic')],
  ['HEIC', box('heix')],
  ['HEIC', box('mif1')],
  ['AVIF', box('avif')],
  ['AVIF', box('avis')],
  ['video', box('isom')],
  ['TIFF', text('II*\0\x08\0\0\0')],
  ['TIFF', text('MM\0*\0\0\0\x08')],
  ['TIFF', text('II+\0\x08\0\0\0')],
  ['JPEG XL', bytesOf([0xff, 0x0a, 0, 1])],
  ['JPEG XL', bytesOf([0, 0, 0, 12], text('JXL \r\n\x87\n'))],
  ['JPEG 2000', bytesOf([0, 0, 0, 12], text('jP  \r\n\x87\n'))],
  ['Photoshop', text('8BPS\0\x01')],
  ['Windows icon', bytesOf([0, 0, 1, 0, 1, 0])],
  ['PDF', text('%PDF-1.7\n')],
  ['ZIP', text('PK\x03\x04')],
  ['gzip', bytesOf([0x1f, 0x8b, 8])],
  ['SVG', text('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>')],
  ['SVG', text('  <svg width="1"/>')],
  ['SVG', text('\xef\xbb\xbf<svg/>')],
  ['XML', text('<?xml version="1.0"?><note/>')],
  ['HTML', text('\n<!DOCTYPE html><title>404</title>')],
  ['HTML', text('<html><body>')],
  ['text', text('no picture at all')],
  ['text', new TextEncoder().encode('kein Bild, schöne Grüße')],
  ['unknown (starts with 00 01 02 03)', bytesOf([0, 1, 2, 3])],
  ['unknown (starts with 53 63 68 f6 6e)', text('Sch\xf6n')],
];

describe('other formats', () => {
  it.each(OTHERS)('%s is named and unsupported', async (format, bytes) => {
    expect(detectFormat(bytes)).toContain(format);
    const error = await expectRefusal(() => decodeImage(bytes, { file: 'photo.jpg' }), 'UNSUPPORTED', 'photo.jpg');
    expect(error.message).toContain(format);
    expect(error.file).toBe('photo.jpg');
  });

  it('bytes decide, not names', async () => {
    await expect(decodeImage(simplePng({}, [[7]]), { file: 'photo.jpg' })).resolves.toMatchObject({ width: 1 });
    await expect(decodeImage(jpeg(), { file: 'photo.png' })).resolves.toMatchObject({ width: 8 });
  });

  it('an empty file is damaged', () => expectRefused(new Uint8Array(), 'IMAGE', /empty/));

  it('no bytes at all are a wrong argument', async () => {
    for (const input of [undefined, null, 'cat.png', [0x89, 0x50]]) {
      await expectRefusal(() => decodeImage(input as unknown as Uint8Array), 'ARG', /Uint8Array/);
    }
  });

  // Row A1.
  it('memory that threads share is a wrong argument', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(FILE.length));
    shared.set(FILE);
    await expectRefusal(() => decodeImage(shared, { file: 'cat.png' }), 'ARG', /cat\.png: in shared memory/);
  });

  it('a view into a larger buffer is read where it lies', async () => {
    for (const file of [simplePng({}, [[7]]), jpeg()]) {
      const padded = bytesOf([1, 2, 3], file, [4, 5, 6]);
      expect(await pixelsOf(padded.subarray(3, 3 + file.length))).toEqual(await pixelsOf(file));
      expect(await pixelsOf(Buffer.from(file))).toEqual(await pixelsOf(file));
    }
  });
});

function withPlatform(platform: Platform): void {
  env.platform = platform;
  onTestFinished(() => {
    env.platform = nodePlatform;
  });
}

const codec = (decodePng: () => Promise<DecodedImage>) => withPlatform({ decodePng });
const FILE = simplePng({ width: 2, colourType: 2 }, [[1, 2, 3, 4, 5, 6]]);
const GREY = simplePng({ width: 2 }, [[1, 4]]);

describe('the codec of a platform', () => {
  it('may be missing', async () => {
    withPlatform({});
    await expectRefusal(() => decodeImage(FILE, { file: 'cat.png' }), 'UNSUPPORTED', /cat\.png.*decodePng/);
    await expectRefusal(() => decodeImage(jpeg(), { file: 'cat.jpg' }), 'UNSUPPORTED', /cat\.jpg.*decodeJpeg/);
  });

  it('may throw anything', async () => {
    for (const thrown of [new TypeError("Cannot read properties of undefined (reading 'x')"), 'a string', undefined]) {
      codec(() => Promise.reject(thrown));
      await expectRefused(FILE, 'IMAGE', /damaged/);
    }
    codec(() => Promise.reject(new RangeError('Array buffer allocation failed')));
    await expectRefused(FILE, 'OUT_OF_MEMORY', /imagePixels/);
  });

  it('may not give another size than the header', async () => {
    codec(async () => ({ data: new Uint8Array(3), width: 1, height: 1, channels: 3 }));
    await expectRefused(FILE, 'IMAGE', /2×1.*1×1/);
    codec(async () => ({ data: new Uint8Array(5), width: 2, height: 1, channels: 3 }));
    await expectRefusal(() => decodeImage(FILE), 'ARG');
  });

  it('may give RGBA or grey for everything, as canvases do', async () => {
    codec(async () => ({ data: Uint8ClampedArray.of(1, 2, 3, 255, 4, 5, 6, 0), width: 2, height: 1, channels: 4 }));
    expect(await pixelsOf(FILE)).toEqual({ width: 2, height: 1, channels: 3, data: [1, 2, 3, 4, 5, 6] });
    expect(await pixelsOf(GREY)).toEqual({ width: 2, height: 1, channels: 1, data: [1, 4] });
    codec(async () => ({ data: Uint8Array.of(8, 9), width: 2, height: 1, channels: 1 }));
    expect((await pixelsOf(FILE)).data).toEqual([8, 8, 8, 9, 9, 9]);
  });
});

describe('a codec that is not installed', () => {
  it.each([
    ['PNG', 'pngjs', () => simplePng({}, [[7]])],
    ['JPEG', 'jpeg-js', () => jpeg()],
  ])('%s: named, with what installs it, and the picture is not called damaged', async (format, name, file) => {
    const missing = Object.assign(new Error(`Cannot find package '${name}' imported from x.js`), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
    const decode = async (_: Uint8Array, path: string) => loadCodec<never>(Promise.reject(missing), format, name, path);
    env.platform = { ...nodePlatform, decodePng: decode, decodeJpeg: decode };
    onTestFinished(() => {
      env.platform = nodePlatform;
    });
    const error = await expectRefusal(
      () => decodeImage(file(), { file: 'photo' }),
      'UNSUPPORTED',
      `npm install ${name}`,
    );
    expect(error.message).toContain(`photo: the codec for ${format}, ${name}, cannot be loaded`);
    expect(error.message).not.toContain('damaged');
  });
});
