/** The browser's codecs, with a stand-in for the browser: what it is given, and what becomes of what it gives. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { env } from '../../src/base/env.js';
import type { DecodedImage } from '../../src/base/pixels.js';
import { RawImage } from '../../src/images/raw-image.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { webPlatform } from '../../src/platforms/web.js';
import { exifBlock, jpeg, text } from '../helpers/jpeg-files.js';
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
    const decode = blob.type === 'image/png' ? nodePlatform.decodePng! : nodePlatform.decodeJpeg!;
    const { data, width, height, channels } = (await decode(bytes, 'blob')) as DecodedImage;
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
    const upsideDown = await RawImage.read(simplePng({ width: 2 }, [[1, 2]], chunk('eXIf', exifBlock(3))));
    expect(Array.from(upsideDown.data)).toEqual([2, 1]);
    expect(seen.given[1].includes('eXIf')).toBe(false);
    expect(seen.closed).toBe(2);
  });

  it('nothing can change colours', async () => {
    const seen = standIn();
    const profile = chunk('iCCP', text('x\0\0'));
    const file = simplePng(
      { colourType: 2 },
      [[9, 8, 7]],
      profile,
      chunk('gAMA', [0, 0, 0, 1]),
      chunk('tRNS', [0, 9, 0, 8, 0, 7]),
    );
    expect(await RawImage.read(file)).toMatchObject({ channels: 3, data: Uint8Array.of(9, 8, 7) });
    for (const name of ['iCCP', 'gAMA', 'tRNS']) expect(seen.given[0].includes(name)).toBe(false);
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
    await expectRefusal(
      () => webPlatform.decodePng!(simplePng({}, [[1]]).subarray(0, -26), 'bad.png'),
      'IMAGE',
      /bad\.png/,
    );
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
    await expectRefusal(() => RawImage.read(simplePng({}, [[1]])), 'UNSUPPORTED', /hand in a RawImage/);
    await expectRefusal(() => RawImage.read(jpeg()), 'UNSUPPORTED', /bundle for 'workerd'/);
    expect((await RawImage.read(new RawImage(new Uint8Array(3), 1, 1, 3))).size).toEqual([1, 1]);
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
