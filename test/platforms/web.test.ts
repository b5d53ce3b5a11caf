/** The browser's decoder of JPEG, with a stand-in for the browser: what it is given, and what becomes of what it gives. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { env } from '../../src/base/env.js';
import type { DecodedImage } from '../../src/base/pixels.js';
import { RawImage } from '../../src/images/raw-image.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { webPlatform } from '../../src/platforms/web.js';
import { browserPlatform } from '../../src/platforms/web-codecs.js';
import { exifBlock, jpeg } from '../helpers/jpeg-files.js';
import { expectRefusal } from '../helpers/pictures.js';
import { chunk, simplePng } from '../helpers/png-files.js';

afterEach(() => {
  vi.unstubAllGlobals();
  env.platform = nodePlatform;
});

/** A browser that decodes as Node does; it remembers the encoded bytes it was given. */
function standIn(): { given: Buffer[]; closed: number } {
  const seen = { given: [] as Buffer[], closed: 0 };
  vi.stubGlobal('createImageBitmap', async (blob: Blob) => {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    seen.given.push(Buffer.from(bytes));
    const { data, width, height, channels } = (await nodePlatform.decodeJpeg!(bytes, 'blob')) as DecodedImage;
    const image = new RawImage(data, width, height, channels).rgba();
    return { image, width, height, close: () => seen.closed++ };
  });
  vi.stubGlobal(
    'OffscreenCanvas',
    class {
      image: RawImage | undefined;
      getContext() {
        return {
          canvas: this,
          drawImage: (bitmap: { image: RawImage }) => {
            this.image = bitmap.image;
          },
          getImageData: () => ({ data: Uint8ClampedArray.from(this.image!.data) }),
          createImageData: (width: number, height: number) => ({
            data: new Uint8ClampedArray(width * height * 4),
            width,
            height,
          }),
          putImageData: ({ data, width, height }: { data: Uint8ClampedArray; width: number; height: number }) => {
            this.image = new RawImage(data, width, height, 4);
          },
        };
      }
      async convertToBlob() {
        const { data, width, height } = this.image!;
        return new Blob([new Uint8Array(await nodePlatform.encodePng!({ data, width, height, channels: 4 }))]);
      }
    },
  );
  env.platform = webPlatform;
  return seen;
}

describe('in a browser', () => {
  it('a picture is turned once, by us', async () => {
    const seen = standIn();
    const portrait = await RawImage.read(jpeg({ width: 16, height: 8, exif: exifBlock(6) }));
    expect(portrait.size).toEqual([8, 16]);
    expect(seen.given[0].includes('Exif')).toBe(false);
    expect(seen.closed).toBe(1);
  });

  it('nothing can change colours', async () => {
    standIn();
    const components = [100, 90, 200].map((value, i) => ({ id: i + 1, value }));
    expect((await RawImage.read(jpeg({ components, adobe: 0 }))).data.subarray(0, 3)).toEqual(
      Uint8Array.of(100, 90, 200),
    );
    expect((await RawImage.read(jpeg({ components, jfif: true, adobe: 0 }))).data.subarray(0, 3)).toEqual(
      Uint8Array.of(201, 62, 33),
    );
  });

  it('a damaged file never reaches it', async () => {
    const seen = standIn();
    await expectRefusal(() => RawImage.read(jpeg().subarray(0, -2)), 'IMAGE');
    expect(seen.given).toEqual([]);
  });

  it('pictures are encoded and drawn', async () => {
    standIn();
    for (const channels of [1, 3, 4] as const) {
      const image = new RawImage(
        Uint8Array.from({ length: 6 * channels }, (_, i) => i * 9),
        3,
        2,
        channels,
      );
      const bytes = new Uint8Array(await (await image.toBlob()).arrayBuffer());
      env.platform = { ...webPlatform, decodePng: browserPlatform.decodePng! };
      expect((await RawImage.read(bytes)).data).toEqual(image.rgb().data);
    }
    vi.stubGlobal('ImageData', function (data: Uint8ClampedArray, width: number, height: number) {
      return { data, width, height };
    });
    const canvas = new RawImage(Uint8Array.of(1, 2, 3), 1, 1, 3).toCanvas() as unknown as { image: RawImage };
    expect(Array.from(canvas.image.data)).toEqual([1, 2, 3, 255]);
  });

  it('files are not written', async () => {
    standIn();
    await expectRefusal(
      () => new RawImage(Uint8Array.of(1), 1, 1, 1).save('a.png'),
      'UNSUPPORTED',
      /a\.png: a worker cannot offer a download.*toBlob/,
    );
  });

  it('a place without a decoder says what to do', async () => {
    env.platform = webPlatform; // Node has no OffscreenCanvas
    await expectRefusal(() => RawImage.read(jpeg()), 'UNSUPPORTED', /hand in a RawImage, or bundle for 'workerd'/);
    expect((await RawImage.read(new RawImage(new Uint8Array(3), 1, 1, 3))).size).toEqual([1, 1]);
  });
});

describe('the codecs of a page', () => {
  it('are ours: a canvas is not asked', async () => {
    const seen = standIn();
    env.platform = browserPlatform;
    const png = simplePng({ width: 2, colourType: 2 }, [[9, 8, 7, 6, 5, 4]], chunk('eXIf', exifBlock(3)));
    expect((await RawImage.read(png)).data).toEqual(Uint8Array.of(6, 5, 4, 9, 8, 7));
    const file = jpeg({ width: 16, height: 8, exif: exifBlock(6) });
    expect((await RawImage.read(file)).size).toEqual([8, 16]);
    expect(seen.given).toEqual([]);
  });

  it('where WebAssembly may not be compiled, a canvas that can be trusted decodes JPEG, and jpeg-js where none can', async () => {
    vi.resetModules(); // compiled once, a module stays
    const refuse = vi.spyOn(WebAssembly, 'compile').mockRejectedValue(new WebAssembly.CompileError('refused'));
    const components = [100, 90, 200].map((value, i) => ({ id: i + 1, value }));
    const files = [jpeg({ width: 16, height: 8 }), jpeg({ components, adobe: 1 })];
    const expected = await Promise.all(
      files.map((bytes) => nodePlatform.decodeJpeg!(bytes, 'a') as Promise<DecodedImage>),
    );
    const seen = standIn();
    const { browserPlatform: strict } = await import('../../src/platforms/web-codecs.js');
    for (const [i, bytes] of files.entries()) {
      const { data, channels } = (await strict.decodeJpeg!(bytes, 'a')) as DecodedImage;
      expect([channels, Array.from(data)]).toEqual([expected[i].channels, Array.from(expected[i].data)]);
    }
    expect(seen.given.length).toBe(2);
    vi.stubGlobal('OffscreenCanvas', undefined);
    expect((await strict.decodeJpeg!(files[0], 'a')) as DecodedImage).toMatchObject({
      width: 16,
      height: 8,
      channels: 1,
    });
    expect(seen.given.length).toBe(2);
    refuse.mockRestore();
  });
});

describe('in a page', () => {
  it('a picture is saved as a download', async () => {
    standIn();
    const links: { href: string; download: string; clicked: boolean }[] = [];
    vi.stubGlobal('document', {
      createElement: (tag: string) => {
        expect(tag).toBe('a');
        const link = { href: '', download: '', clicked: false, click: () => (link.clicked = true) };
        links.push(link);
        return link;
      },
    });
    vi.useFakeTimers();
    try {
      await new RawImage(Uint8Array.of(1, 2, 3), 1, 1, 3).save('masks/cat.png');
      expect(links).toEqual([expect.objectContaining({ download: 'cat.png', clicked: true })]);
      const bytes = await (await fetch(links[0].href)).arrayBuffer();
      expect((await nodePlatform.decodePng!(new Uint8Array(bytes), 'cat.png')).data).toEqual(Uint8Array.of(1, 2, 3));
      vi.runAllTimers();
      await expect(fetch(links[0].href)).rejects.toThrow();
    } finally {
      vi.useRealTimers();
    }
  });
});
