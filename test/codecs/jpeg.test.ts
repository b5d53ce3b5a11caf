/** JPEG: real files against Pillow, colours by formula, and malformed files. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeJpeg } from '../../src/codecs/jpeg/decode.js';
import { readJpeg } from '../../src/codecs/jpeg/header.js';
import * as jpegJs from '../../src/codecs/jpeg/jpeg-js.js';
import { RawImage } from '../../src/images/raw-image.js';
import { cpuTime } from '../helpers/cpu.js';
import { difference } from '../helpers/difference.js';
import {
  AC_TABLE,
  type ComponentSpec,
  DC_TABLE,
  exifBlock,
  frameHeader,
  GREY,
  joinParts,
  jpeg,
  jpegParts,
  replacing,
  scanHeader,
  segment,
  text,
} from '../helpers/jpeg-files.js';
import { expectRefusal, expectRefused, pixelsOf, withLimits } from '../helpers/pictures.js';
import { bytesOf } from '../helpers/png-files.js';
import { shared, withoutShared } from '../helpers/shared.js';

describe.skipIf(withoutShared('JPEG fixtures'))('fixtures', () => {
  const url = new URL('../goldens/images/jpeg.json', import.meta.url);
  const expected: Record<string, { width: number; height: number; sha256: string }> = JSON.parse(
    readFileSync(url, 'utf8'),
  );

  it('are complete', () => {
    expect(readdirSync(shared('jpeg')).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(Object.entries(expected))("%s has Pillow's pixels to the last byte", async (name, golden) => {
    const image = await RawImage.read(readFileSync(shared(`jpeg/${name}`)));
    expect(image.size).toEqual([golden.width, golden.height]);
    expect(createHash('sha256').update(image.rgb().data).digest('hex')).toBe(golden.sha256);
  });

  it('show the same upright picture in all eight orientations', async () => {
    const pictures = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7, 8].map((n) => RawImage.read(shared(`jpeg/exif-orientation-${n}.jpg`))),
    );
    for (const picture of pictures) {
      expect(picture.size).toEqual([256, 170]);
      // They were compressed as they lie, so the artefacts differ, by as much as they do in Pillow.
      const { max, mean } = difference(picture.data, pictures[0].data);
      expect(max).toBeLessThanOrEqual(25);
      expect(mean).toBeLessThan(2);
    }
  });
});

const three = (a: number, b: number, c: number, ids = [1, 2, 3]): ComponentSpec[] =>
  [a, b, c].map((value, i) => ({ id: ids[i], value }));
const four = (...values: number[]): ComponentSpec[] => values.map((value, i) => ({ id: i + 1, value }));

async function colourOf(spec: Parameters<typeof jpeg>[0]): Promise<number[]> {
  const { data, channels } = await pixelsOf(jpeg(spec));
  const first = data.slice(0, channels);
  // Flat pictures are flat.
  for (let at = 0; at < data.length; at += channels) expect(data.slice(at, at + channels)).toEqual(first);
  return first;
}

describe('colours', () => {
  it('of one component are grey', async () => {
    expect(await colourOf({ components: [{ id: 1, value: 77 }] })).toEqual([77]);
    expect(await colourOf({ components: [{ id: 9, value: 255, h: 2, v: 2 }], width: 17, height: 9 })).toEqual([255]);
  });

  it('are YCbCr unless something says RGB', async () => {
    const components = three(100, 90, 200);
    const converted = [201, 62, 33]; // 100 + 1.402·72, 100 − 0.344·(−38) − 0.714·72, 100 + 1.772·(−38)
    expect(await colourOf({ components })).toEqual(converted);
    expect(await colourOf({ components, jfif: true })).toEqual(converted);
    expect(await colourOf({ components, adobe: 1 })).toEqual(converted);
    expect(await colourOf({ components, progressive: true })).toEqual(converted);
    expect(await colourOf({ components, adobe: 0 })).toEqual([100, 90, 200]);
    expect(await colourOf({ components: three(100, 90, 200, [82, 71, 66]) })).toEqual([100, 90, 200]);
    // As in libjpeg, JFIF is believed more than Adobe.
    expect(await colourOf({ components, jfif: true, adobe: 0 })).toEqual(converted);
  });

  it('are clamped', async () => {
    expect(await colourOf({ components: three(255, 255, 255) })).toEqual([255, 121, 255]);
    expect(await colourOf({ components: three(0, 0, 0) })).toEqual([0, 135, 0]);
  });

  it('with subsampled chroma are the same', async () => {
    for (const [h, v] of [
      [2, 1],
      [2, 2],
      [1, 2],
      [4, 1],
    ]) {
      const [y, cb, cr] = three(100, 90, 200);
      expect(await colourOf({ components: [{ ...y, h, v }, cb, cr], width: 37, height: 21 })).toEqual([201, 62, 33]);
    }
  });

  it('of four components are inverted inks, YCCK where Adobe says so', async () => {
    // What is stored is 255 − ink: the light that the ink lets through.
    const light = (colour: number, black: number) => Math.round((colour * black) / 255);
    const expected = [light(200, 155), light(100, 155), light(0, 155)];
    for (const adobe of [undefined, 0]) {
      const spec = { components: four(200, 100, 0, 155), ...(adobe === undefined ? {} : { adobe }) };
      compareColours(await colourOf(spec), expected);
    }
    // YCCK: the first three as YCbCr give 201, 62, 33, which are inks as they stand.
    const ycck = await colourOf({ components: four(100, 90, 200, 155), adobe: 2 });
    compareColours(ycck, [light(255 - 201, 155), light(255 - 62, 155), light(255 - 33, 155)]);
  });

  function compareColours(actual: number[], expected: number[]): void {
    for (let c = 0; c < 3; c++)
      expect(Math.abs(actual[c] - expected[c]), `${actual} for ${expected}`).toBeLessThanOrEqual(1);
  }
});

describe('orientation', () => {
  it('is applied, damaged blocks are not', async () => {
    const spec = { width: 16, height: 8 };
    expect(await pixelsOf(jpeg({ ...spec, exif: exifBlock(6) }))).toMatchObject({ width: 8, height: 16 });
    expect(await pixelsOf(jpeg({ ...spec, exif: exifBlock(9) }))).toMatchObject({ width: 16, height: 8 });
    expect(await pixelsOf(jpeg({ ...spec, exif: exifBlock(6).subarray(0, 15) }))).toMatchObject({
      width: 16,
      height: 8,
    });
  });

  it('comes from the first EXIF block', () => {
    const parts = jpegParts({ exif: exifBlock(3) });
    const second = { name: 'EXIF', bytes: segment(0xe1, bytesOf(text('Exif\0\0'), exifBlock(6))) };
    const bytes = joinParts([...parts.slice(0, 2), second, ...parts.slice(2)]);
    expect(readJpeg(bytes, 'x').exif!.start).toBe(2 + 4 + 6);
  });
});

const plain = jpegParts();
const progressive = jpegParts({ progressive: true });
const colour = jpegParts({ components: three(1, 2, 3) });
const GOOD = joinParts(plain);
const flatTable = new Uint8Array(64).fill(1);
const sof = (marker: number, spec: Parameters<typeof frameHeader>[0] = {}) =>
  replacing(plain, 'SOF', segment(marker, frameHeader(spec)));
const sos = (content: number[], parts = plain) => replacing(parts, 'SOS', segment(0xda, content));
const dht = (...tables: ArrayLike<number>[]) => replacing(plain, 'DHT', segment(0xc4, bytesOf(...tables)));
const dqt = (...tables: ArrayLike<number>[]) => replacing(plain, 'DQT', segment(0xdb, bytesOf(...tables)));
const sofBytes = (h: number, v: number, precision = 8, id = 1, quantisation = 0) =>
  replacing(plain, 'SOF', segment(0xc0, [precision, 0, 8, 0, 8, 1, id, (h << 4) | v, quantisation]));

/** What Pillow refuses too. What it takes stands in tolerance.test.ts. */
const MALFORMED: Record<string, Uint8Array> = {
  'SOI alone': bytesOf([0xff, 0xd8]),
  'SOI and half a marker': bytesOf([0xff, 0xd8, 0xff]),
  'SOI and EOI': bytesOf([0xff, 0xd8, 0xff, 0xd9]),
  'SOI twice': bytesOf([0xff, 0xd8], GOOD),
  'no EOI': replacing(plain, 'EOI', []),
  'no DQT': replacing(plain, 'DQT', []),
  'no SOF': replacing(plain, 'SOF', []),
  'no SOS': joinParts(plain.filter(({ name }) => name !== 'SOS' && name !== 'data')),
  'SOF twice': joinParts([...plain.slice(0, 3), plain[2], ...plain.slice(3)]),
  'SOF behind SOS': joinParts([...plain.slice(0, 2), ...plain.slice(3, 6), plain[2], plain[6]]),
  'a reserved marker': bytesOf(GOOD.subarray(0, 2), segment(0x02, [0]), GOOD.subarray(2)),
  'a segment longer than the file': bytesOf(GOOD.subarray(0, 2), segment(0xfe, [], 65535), GOOD.subarray(2)),
  'a segment cut in its length': bytesOf(GOOD.subarray(0, 2), [0xff, 0xfe, 0]),
  'fill bytes to the end': bytesOf(GOOD.subarray(0, 2), new Uint8Array(100).fill(0xff)),
  'a DQT of 63 values': dqt([0], flatTable.subarray(1)),
  'a DQT of 65 values': dqt([0], flatTable, [1]),
  'DQT precision 2': dqt([0x20], flatTable),
  'DQT slot 4': dqt([4], flatTable),
  'DQT in another slot': dqt([1], flatTable),
  'an empty DQT': dqt(),
  'a DHT without symbols': dht(new Uint8Array(17), AC_TABLE),
  'a DHT with 3 codes of 1 bit': dht([0, 3], new Uint8Array(15), [0, 1, 2], AC_TABLE),
  'a DHT with 5 codes of 2 bits': dht([0, 0, 5], new Uint8Array(14), [0, 1, 2, 3, 4], AC_TABLE),
  'a DHT with 257 symbols': dht([0], new Uint8Array(14), [128, 129], new Uint8Array(257), AC_TABLE),
  'a DHT cut in its lengths': dht([0, 0, 0, 0, 9]),
  'a DHT cut in its symbols': dht(AC_TABLE, DC_TABLE.subarray(0, 20)),
  'DHT class 2': dht(DC_TABLE, AC_TABLE.with(0, 0x20)),
  'DHT slot 4': dht(DC_TABLE.with(0, 4), AC_TABLE),
  'DRI of 1 byte': bytesOf(GOOD.subarray(0, 2), segment(0xdd, [1]), GOOD.subarray(2)),
  'width 0': sof(0xc0, { width: 0 }),
  'width and height 0': sof(0xc0, { width: 0, height: 0 }),
  'no components': replacing(plain, 'SOF', segment(0xc0, [8, 0, 8, 0, 8, 0])),
  '2 components': sof(0xc0, { components: four(1, 2) }),
  '5 components': sof(0xc0, { components: four(1, 2, 3, 4, 5) }),
  'SOF of 5 bytes': replacing(plain, 'SOF', segment(0xc0, [8, 0, 8, 0, 8])),
  'SOF without its component': replacing(plain, 'SOF', segment(0xc0, [8, 0, 8, 0, 8, 1])),
  'SOF with a byte more': replacing(plain, 'SOF', bytesOf(segment(0xc0, bytesOf(frameHeader({}), [0])))),
  'a precision of 7 bits': sofBytes(1, 1, 7),
  'a baseline precision of 12 bits': sofBytes(1, 1, 12),
  'sampling 0×1': sofBytes(0, 1),
  'sampling 1×0': sofBytes(1, 0),
  'sampling 5×1': sofBytes(5, 1),
  'sampling 1×15': sofBytes(1, 15),
  'quantisation table 4': sofBytes(1, 1, 8, 1, 4),
  'a component twice in the frame': sof(0xc0, { components: three(1, 2, 3, [1, 1, 2]) }),
  'a scan of no component': sos([0, 0, 63, 0]),
  'a scan of too many components': sos([2, 1, 0, 2, 0, 0, 63, 0]),
  'a scan of an unknown component': sos([1, 7, 0, 0, 63, 0]),
  'a scan with a component twice': sos([3, 1, 0, 1, 0, 2, 0, 0, 63, 0], colour),
  'a scan header too short': sos([1, 1, 0, 0, 63]),
  'a scan header too long': sos([1, 1, 0, 0, 63, 0, 0]),
  '12 blocks in an MCU': jpeg({ components: three(1, 2, 3).map((component) => ({ ...component, h: 2, v: 2 })) }),
  'a pass of DC and AC': sos([1, 1, 0, 0, 63, 0], progressive),
  'a pass backwards': replacing(progressive, 'SOS', scanHeader({ components: GREY, first: 5, last: 3 })),
  'a pass up to 64': replacing(progressive, 'SOS', scanHeader({ components: GREY, first: 1, last: 64 })),
  'a pass refining 2 bits': replacing(progressive, 'SOS', scanHeader({ components: GREY, first: 0, last: 0 }, 0x31)),
  'a pass of bit 14': replacing(progressive, 'SOS', scanHeader({ components: GREY, first: 0, last: 0 }, 0x0e)),
};

describe('malformed', () => {
  it.each(Object.entries(MALFORMED))('%s is refused', (_, bytes) => expectRefused(bytes, 'IMAGE'));

  it('at every length short of its own', async () => {
    for (let length = 2; length < GOOD.length; length++) await expectRefused(GOOD.subarray(0, length), 'IMAGE');
  });

  it('the codec on its own refuses the same', async () => {
    for (const bytes of Object.values(MALFORMED))
      await expectRefusal(() => decodeJpeg(bytes, 'bad.file'), 'IMAGE', /bad\.file/);
  });

  it.each([
    [0xc3, 'lossless'],
    [0xc5, 'hierarchical'],
    [0xc7, 'hierarchical lossless'],
    [0xc9, 'arithmetic'],
    [0xca, 'arithmetic'],
    [0xcf, 'arithmetic'],
  ])('frame %i, %s, is unsupported', (marker, kind) => expectRefused(sof(marker), 'UNSUPPORTED', new RegExp(kind)));

  it('other rare kinds are unsupported', async () => {
    await expectRefused(replacing(plain, 'SOF', segment(0xcc, [0, 1])), 'UNSUPPORTED', /arithmetic/);
    await expectRefused(sof(0xc1, { precision: 12 }), 'UNSUPPORTED', /12 bits/);
    await expectRefused(sof(0xc0, { height: 0 }), 'UNSUPPORTED', /DNL/);
    const [y, cb, cr] = three(1, 2, 3);
    await expectRefused(jpeg({ components: [{ ...y, h: 3 }, { ...cb, h: 2 }, cr] }), 'UNSUPPORTED', /fractional/);
  });

  it('a component keeps the quantisers of its first scan', async () => {
    const components = three(1, 2, 3);
    const parts = jpegParts({ components, progressive: true });
    const second = { name: 'DQT', bytes: segment(0xdb, bytesOf([0], flatTable)) };
    const replaced = joinParts([...parts.slice(0, 6), second, ...parts.slice(6)]);
    expect(await pixelsOf(replaced)).toEqual(await pixelsOf(joinParts(parts)));
    await expectRefusal(() => jpegJs.decodeJpeg(replaced, 'bad.file'), 'UNSUPPORTED', /bad\.file.*between scans/);
  });

  it('a component without a scan is grey, in a picture that is too small to be a trap', async () => {
    const scan = [1, 1, 0, 0, 63, 0];
    const { data } = await pixelsOf(sos(scan, colour));
    expect(data.slice(0, 3)).toEqual([1, 1, 1]); // Pillow's
    const alone = progressive.filter((_, i) => i !== 4 && i !== 5);
    expect((await pixelsOf(joinParts(alone))).data[0]).toBe(128);
    const large = segment(0xc2, frameHeader({ width: 2000, height: 1000 }));
    await expectRefused(replacing(alone, 'SOF', large), 'IMAGE', /scan \(SOS\) of every component/);
    await expectRefusal(
      () => jpegJs.decodeJpeg(sos(scan, colour), 'bad.file'),
      'UNSUPPORTED',
      /bad\.file.*lacks scans/,
    );
  });

  it('tables that are left out are the standard’s in every scan', async () => {
    // DC 0 and the end of the block: 00 1010 in the tables of luma, 00 00 in those of chroma.
    const scan = (id: number, slots: number, data: number) => bytesOf(segment(0xda, [1, id, slots, 0, 63, 0]), [data]);
    const bytes = bytesOf(
      joinParts(colour.slice(0, 3)),
      scan(1, 0x00, 0b00101011),
      scan(2, 0x11, 0b00001111),
      scan(3, 0x11, 0b00001111),
      [0xff, 0xd9],
    );
    expect((await pixelsOf(bytes)).data).toEqual(new Array(8 * 8 * 3).fill(128));
    expect((await jpegJs.decodeJpeg(bytes, 'three scans')).data[0]).toBe(128);
  });

  it('what libjpeg takes is not refused', async () => {
    for (const data of [[], [0xff, 0xd9]])
      expect(await pixelsOf(replacing(plain, 'data', data))).toMatchObject({ width: 8 });
    const bytes = bytesOf(GOOD.subarray(0, 2), new Uint8Array(9).fill(0xff), GOOD.subarray(2), [1, 2, 3]);
    expect(await pixelsOf(bytes)).toMatchObject({ width: 8, height: 8, channels: 1 });
    const wide = dqt(
      [0x10],
      Uint8Array.from({ length: 128 }, (_, i) => (i % 2) * 8),
    );
    expect((await pixelsOf(wide)).data[0]).toBe(128);
    const comment = bytesOf(GOOD.subarray(0, 2), segment(0xfe, new Uint8Array(65533)), GOOD.subarray(2));
    expect(await pixelsOf(comment)).toMatchObject({ width: 8 });
    expect(await pixelsOf(sof(0xc1))).toMatchObject({ width: 8 });
    expect(await pixelsOf(sos([1, 1, 0, 0, 0, 0]))).toMatchObject({ width: 8 }); // baseline has but one pass
  });
});

describe('bombs', () => {
  it('9999×9999 pixels in few bytes are refused from the header', () =>
    expectRefused(sof(0xc0, { width: 9999, height: 9999 }), 'LIMIT', /9999×9999.*env\.limits\.imagePixels/));

  it('a size within the limit needs as much data as its blocks take at least', async () => {
    const before = process.memoryUsage().rss;
    const start = cpuTime();
    await expectRefused(sof(0xc0, { width: 7000, height: 7000 }), 'IMAGE', /need at least 191407 bytes of data/);
    const fullest = replacing(progressive, 'SOF', segment(0xc2, frameHeader({ width: 7000, height: 7000 })));
    await expectRefused(fullest, 'IMAGE', /need at least 95704 bytes/);
    expect(cpuTime() - start).toBeLessThan(500);
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  });

  it('400 scans are refused, the limit can be raised', async () => {
    const scan = progressive.slice(-3, -1);
    const file = (scans: number) =>
      joinParts([
        ...progressive.slice(0, -1),
        ...Array(scans - 2)
          .fill(scan)
          .flat(),
        ...progressive.slice(-1),
      ]);
    await expectRefused(file(400), 'LIMIT', /jpegScans/);
    await expectRefused(file(101), 'LIMIT', /jpegScans/);
    expect(await pixelsOf(file(100))).toMatchObject({ width: 8 });
    await withLimits({ jpegScans: 400 }, () => pixelsOf(file(400)));
  });

  it('the pixel limit can be lowered', () =>
    withLimits({ imagePixels: 63 }, () => expectRefused(GOOD, 'LIMIT', /8×8/)));
});
