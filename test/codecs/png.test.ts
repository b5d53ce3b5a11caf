/** PNG: all of PngSuite against Pillow, what is to become of every kind of sample, and malformed files. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { deflateSync, inflateSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import type { MobileNetError } from '../../src/base/errors.js';
import { decodePng, encodePng as encodeAnywhere } from '../../src/codecs/png/decode.js';
import { decodeImage } from '../../src/images/decode.js';
import { RawImage } from '../../src/images/raw-image.js';
import { encodePalettePng, encodePng } from '../../src/platforms/node/png.js';
import { cpuTime } from '../helpers/cpu.js';
import { exifBlock } from '../helpers/jpeg-files.js';
import { expectRefusal, expectRefused, pixelsOf, withLimits } from '../helpers/pictures.js';
import { bytesOf, chunk, IEND, idat, ihdr, png, SIGNATURE, simplePng, uint32 } from '../helpers/png-files.js';
import { shared, withoutShared } from '../helpers/shared.js';

interface Expected {
  width: number;
  height: number;
  sha256: string;
}

describe.skipIf(withoutShared('PngSuite'))('PngSuite', () => {
  const url = new URL('../goldens/images/pngsuite.json', import.meta.url);
  const expected: Record<string, Expected | null> = JSON.parse(readFileSync(url, 'utf8'));

  it('is complete', () => {
    const files = readdirSync(shared('pngsuite')).filter((name) => name.endsWith('.png'));
    expect(files.sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(Object.entries(expected))('%s is as Pillow has it', async (name, golden) => {
    const bytes = readFileSync(shared(`pngsuite/${name}`));
    // Pillow does not check the CRC of IDAT, where xcsn0g01 has it wrong.
    if (golden === null || name === 'xcsn0g01.png') return expectRefused(bytes, 'IMAGE');
    const image = await RawImage.read(bytes);
    expect(image.channels).toBe([0, 4].includes(bytes[25]) ? 1 : 3);
    expect(image.size).toEqual([golden.width, golden.height]);
    expect(createHash('sha256').update(image.rgb().data).digest('hex')).toBe(golden.sha256);
  });
});

describe('samples', () => {
  it('of 16 bits keep their upper byte', async () => {
    const grey = simplePng({ width: 2, depth: 16 }, [[0x12, 0xff, 0xfe, 0x80]]);
    expect(await pixelsOf(grey)).toEqual({ width: 2, height: 1, channels: 1, data: [0x12, 0xfe] });
    const rgb = simplePng({ depth: 16, colourType: 2 }, [[1, 255, 2, 128, 3, 127]]);
    expect((await pixelsOf(rgb)).data).toEqual([1, 2, 3]);
    const rgba = simplePng({ depth: 16, colourType: 6 }, [[1, 255, 2, 128, 3, 127, 0, 0]]);
    expect(await pixelsOf(rgba)).toEqual({ width: 1, height: 1, channels: 3, data: [1, 2, 3] });
  });

  it('of grey with 1, 2 and 4 bits are spread over 0 to 255', async () => {
    expect((await pixelsOf(simplePng({ width: 8, depth: 1 }, [[0b10110001]]))).data).toEqual([
      255, 0, 255, 255, 0, 0, 0, 255,
    ]);
    expect((await pixelsOf(simplePng({ width: 4, depth: 2 }, [[0b00011011]]))).data).toEqual([0, 85, 170, 255]);
    expect((await pixelsOf(simplePng({ width: 3, depth: 4 }, [[0x0f, 0x70]]))).data).toEqual([0, 255, 119]);
  });

  it('lose alpha and show what lies behind it', async () => {
    expect(await pixelsOf(simplePng({ colourType: 6, width: 2 }, [[9, 8, 7, 0, 6, 5, 4, 128]]))).toEqual({
      width: 2,
      height: 1,
      channels: 3,
      data: [9, 8, 7, 6, 5, 4],
    });
    expect(await pixelsOf(simplePng({ colourType: 4 }, [[77, 0]]))).toMatchObject({ channels: 1, data: [77] });
  });

  it('keep the colour that tRNS makes transparent', async () => {
    const trns = chunk('tRNS', [0, 9, 0, 8, 0, 7]);
    expect((await pixelsOf(simplePng({ colourType: 2 }, [[9, 8, 7]], trns))).data).toEqual([9, 8, 7]);
    expect((await pixelsOf(simplePng({}, [[9]], chunk('tRNS', [0, 9])))).data).toEqual([9]);
    const plte = chunk('PLTE', [1, 2, 3, 4, 5, 6]);
    const palette = simplePng({ colourType: 3, width: 2 }, [[1, 0]], plte, chunk('tRNS', [0, 0]));
    expect(await pixelsOf(palette)).toMatchObject({ channels: 3, data: [4, 5, 6, 1, 2, 3] });
  });

  it('are not changed by gamma', async () => {
    expect((await pixelsOf(simplePng({}, [[100]], chunk('gAMA', uint32(20000))))).data).toEqual([100]);
  });

  it('survive extreme shapes', async () => {
    expect(await pixelsOf(simplePng({}, [[5]]))).toEqual({ width: 1, height: 1, channels: 1, data: [5] });
    const tall = await pixelsOf(
      simplePng(
        { colourType: 2 },
        Array.from({ length: 10_000 }, (_, y) => [y & 255, y >> 8, 7]),
      ),
    );
    expect([tall.width, tall.height]).toEqual([1, 10_000]);
    expect(tall.data.slice(-3)).toEqual([9999 & 255, 9999 >> 8, 7]);
    const wide = await pixelsOf(simplePng({ width: 10_000 }, [Uint8Array.from({ length: 10_000 }, (_, x) => x)]));
    expect([wide.width, wide.height, wide.data[9999]]).toEqual([10_000, 1, 9999 & 255]);
  });

  it('are the same where no text may be compiled, which ndarray-ops needs', async () => {
    const grey = simplePng({ width: 2, depth: 16 }, [[0x12, 0xff, 0xfe, 0x80]]);
    const rgba = simplePng({ width: 2, depth: 16, colourType: 6 }, [[1, 9, 2, 9, 3, 9, 0, 0, 4, 9, 5, 9, 6, 9, 0, 0]]);
    const rgb = simplePng({ width: 2, colourType: 2 }, [[9, 8, 7, 6, 5, 4]]);
    const files = [grey, rgba, rgb];
    const compiled = await Promise.all(files.map(pixelsOf));
    const Refused = class {
      constructor() {
        throw new EvalError('Code generation from strings disallowed for this context');
      }
    };
    vi.stubGlobal('Function', Refused);
    try {
      expect(await Promise.all(files.map(pixelsOf))).toEqual(compiled);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('may come in many chunks, empty ones too', async () => {
    const data = deflateSync(Uint8Array.of(0, 42));
    const pieces = Array.from(data, (byte) => chunk('IDAT', [byte]));
    expect((await pixelsOf(png(ihdr(), chunk('IDAT'), ...pieces, chunk('IDAT'), IEND))).data).toEqual([42]);
  });

  it('are turned by eXIf', async () => {
    const upsideDown = simplePng({ width: 2 }, [[1, 2]], chunk('eXIf', exifBlock(3, { little: false })));
    expect((await pixelsOf(upsideDown)).data).toEqual([2, 1]);
    const transposed = png(ihdr({ width: 2 }), idat([0, 1, 2]), chunk('eXIf', exifBlock(6)), IEND);
    expect(await pixelsOf(transposed)).toEqual({ width: 1, height: 2, channels: 1, data: [1, 2] });
    expect((await pixelsOf(simplePng({ width: 2 }, [[1, 2]], chunk('eXIf', [1])))).data).toEqual([1, 2]);
  });
});

const GOOD = simplePng({ width: 2 }, [
  [1, 2],
  [3, 4],
]);
const PLTE = chunk('PLTE', [1, 2, 3]);
const rows = idat([0, 1]);
const deflated = deflateSync(Uint8Array.of(0, 1));

/** What stays refused. What Pillow and browsers take stands in tolerance.test.ts. */
const MALFORMED: Record<string, Uint8Array> = {
  'the signature alone': SIGNATURE,
  'half a signature': SIGNATURE.subarray(0, 5),
  'line ends changed to LF': bytesOf(SIGNATURE.subarray(0, 4), [0x0a, 0x1a, 0x0a], GOOD.subarray(8)),
  'line ends changed to CRLF': bytesOf(SIGNATURE.subarray(0, 4), [13, 13, 10, 26, 13, 10], GOOD.subarray(8)),
  'its first byte stripped to 7 bits': bytesOf([9], GOOD.subarray(1)),
  'half a chunk header': bytesOf(SIGNATURE, [0, 0, 0]),
  'no IHDR': png(rows, IEND),
  'IEND alone': png(IEND),
  'a chunk before IHDR': png(chunk('tEXt', [65]), ihdr(), rows, IEND),
  'IHDR twice': png(ihdr(), ihdr({ width: 2, height: 2 }), rows, IEND),
  'IHDR after IDAT': png(ihdr(), rows, ihdr(), IEND),
  'IHDR of 12 bytes': png(chunk('IHDR', [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0]), rows, IEND),
  'IHDR of 14 bytes': png(chunk('IHDR', [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0]), rows, IEND),
  'IHDR with a wrong CRC': png(chunk('IHDR', ihdr().subarray(8, 21), { crc: 1 }), rows, IEND),
  'width 0': png(ihdr({ width: 0 }), rows, IEND),
  'height 0': png(ihdr({ height: 0 }), rows, IEND),
  'a negative width': png(ihdr({ width: 0x80000000 }), rows, IEND),
  'colour type 1': png(ihdr({ colourType: 1 }), rows, IEND),
  'colour type 5': png(ihdr({ colourType: 5 }), rows, IEND),
  'colour type 7': png(ihdr({ colourType: 7 }), rows, IEND),
  'bit depth 0': png(ihdr({ depth: 0 }), rows, IEND),
  'bit depth 3': png(ihdr({ depth: 3 }), rows, IEND),
  'bit depth 32': png(ihdr({ depth: 32 }), rows, IEND),
  'RGB of 4 bits': png(ihdr({ depth: 4, colourType: 2 }), rows, IEND),
  'palette of 16 bits': png(ihdr({ depth: 16, colourType: 3 }), PLTE, rows, IEND),
  'grey with alpha of 4 bits': png(ihdr({ depth: 4, colourType: 4 }), rows, IEND),
  'RGBA of 2 bits': png(ihdr({ depth: 2, colourType: 6 }), rows, IEND),
  'compression method 1': png(ihdr({ compression: 1 }), rows, IEND),
  'filter method 64': png(ihdr({ filter: 64 }), rows, IEND),
  'interlace method 2': png(ihdr({ interlace: 2 }), rows, IEND),
  'no IDAT': png(ihdr(), IEND),
  'an empty IDAT': png(ihdr(), chunk('IDAT'), IEND),
  'IDAT in two places': png(
    ihdr(),
    chunk('IDAT', deflated.subarray(0, 4)),
    chunk('tEXt', [65]),
    chunk('IDAT', deflated.subarray(4)),
    IEND,
  ),
  'IDAT with a wrong CRC': png(ihdr(), chunk('IDAT', deflated, { crc: 0 }), IEND),
  'IDAT shorter than its data': png(ihdr(), chunk('IDAT', deflated, { length: 3 }), IEND),
  'a row too few': png(ihdr({ height: 2 }), rows, IEND),
  'half a row': png(ihdr({ width: 4 }), rows, IEND),
  'a wrong Adler-32': png(
    ihdr(),
    chunk('IDAT', bytesOf(deflated.subarray(0, -1), [deflated[deflated.length - 1] ^ 1])),
    IEND,
  ),
  'no deflate stream': png(ihdr(), chunk('IDAT', [1, 2, 3, 4]), IEND),
  'gzip in place of zlib': png(ihdr(), chunk('IDAT', [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), IEND),
  'a preset dictionary': png(ihdr(), chunk('IDAT', [0x78, 0xbb, 0, 0, 0, 0]), IEND),
  'row filter 5': png(ihdr(), idat([5, 1]), IEND),
  'interlaced rows of a plain picture': png(
    ihdr({ width: 2, height: 2, interlace: 1 }),
    idat([0, 1, 2, 0, 3, 4]),
    IEND,
  ),
  'palette colours without PLTE': png(ihdr({ colourType: 3 }), rows, IEND),
  'PLTE after IDAT': png(ihdr({ colourType: 3 }), rows, PLTE, IEND),
  'PLTE twice': png(ihdr({ colourType: 3 }), PLTE, PLTE, rows, IEND),
  'an empty PLTE': png(ihdr({ colourType: 3 }), chunk('PLTE'), rows, IEND),
  'PLTE of 257 colours': png(ihdr({ colourType: 3 }), chunk('PLTE', new Uint8Array(771)), rows, IEND),
  'a chunk type with a digit': png(ihdr(), chunk('tE1t'), rows, IEND),
};

describe('malformed', () => {
  it.each(Object.entries(MALFORMED))('%s is refused', (_, bytes) => expectRefused(bytes, 'IMAGE'));

  it('at every length short of its own', async () => {
    for (let length = 1; length < 5; length++)
      await expectRefusal(() => decodeImage(GOOD.subarray(0, length)), length < 4 ? 'UNSUPPORTED' : 'IMAGE');
    const lastPixel = GOOD.length - 12 - 4 - 4 - 1; // before them IEND, a CRC, the Adler-32 and the end of the last block
    for (let length = 5; length < lastPixel; length++) await expectRefused(GOOD.subarray(0, length), 'IMAGE');
    for (let length = lastPixel; length < GOOD.length; length++) {
      expect(await pixelsOf(GOOD.subarray(0, length))).toEqual(await pixelsOf(GOOD));
    }
  });

  it('with any byte changed: refused, or what was changed is no pixel', async () => {
    const good = await pixelsOf(GOOD);
    let refused = 0;
    for (let at = 0; at < GOOD.length; at++) {
      const bytes = GOOD.slice();
      bytes[at] ^= 0x55;
      const outcome = await pixelsOf(bytes).catch((error: MobileNetError) => error.code);
      if (outcome === 'IMAGE') refused++;
      else expect(outcome, `byte ${at}`).toEqual(good);
    }
    expect(refused).toBeGreaterThan(GOOD.length - 18); // the rest is IEND, or the length of IDAT
  });

  it('a critical chunk of the future is unsupported', () =>
    expectRefused(png(ihdr(), chunk('FUTR'), rows, IEND), 'UNSUPPORTED', /FUTR/));

  it('the codec on its own refuses the same', async () => {
    for (const bytes of Object.values(MALFORMED).filter((file) => file[0] === 0x89 && file.length > 8)) {
      await expectRefusal(() => decodePng(bytes, 'bad.file'), 'IMAGE', /bad\.file/);
    }
  });
});

describe('bombs', () => {
  it('30000×30000 pixels in 69 bytes are refused from the header', async () => {
    const bytes = png(ihdr({ width: 30_000, height: 30_000 }), chunk('IDAT', [0x78, 0x9c, 3, 0]), IEND);
    await expectRefused(bytes, 'LIMIT', /30000×30000.*env\.limits\.imagePixels/);
  });

  it('a size within the limit is refused before memory is taken for it', async () => {
    const bytes = png(ihdr({ width: 7000, height: 7000, depth: 16, colourType: 6 }), rows, IEND);
    const before = process.memoryUsage().rss;
    const start = cpuTime();
    await expectRefused(bytes, 'IMAGE', /IDAT/);
    expect(cpuTime() - start).toBeLessThan(500);
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  });

  it('a flood after a small header is cut off', async () => {
    const flood = deflateSync(new Uint8Array(64 << 20));
    const start = cpuTime();
    expect(await pixelsOf(png(ihdr(), chunk('IDAT', flood), IEND))).toMatchObject({ data: [0] });
    expect(cpuTime() - start).toBeLessThan(500);
  });

  it('the limit can be lowered and raised', async () => {
    await withLimits({ imagePixels: 3 }, () => expectRefused(GOOD, 'LIMIT', /2×2/));
    await withLimits({ imagePixels: 4 }, () => pixelsOf(GOOD));
    await withLimits({ imageBytes: GOOD.length - 1 }, () => expectRefused(GOOD, 'LIMIT', /imageBytes/));
  });
});

describe('encoding', () => {
  const data = Uint8Array.from({ length: 60 }, (_, i) => (i * 37) % 256);

  it.each([1, 3, 4] as const)('%i channels come back', async (channels) => {
    const image = { data: data.subarray(0, 15 * channels), width: 5, height: 3, channels };
    const bytes = await encodePng(image);
    const opaque = channels === 4 ? new RawImage(image.data, 5, 3, 4).rgb() : image;
    expect(await pixelsOf(bytes)).toEqual({
      width: 5,
      height: 3,
      channels: Math.min(3, channels),
      data: Array.from(opaque.data),
    });
    expect(bytes[25]).toBe({ 1: 0, 3: 2, 4: 6 }[channels]);
  });

  it('keeps the colours under transparency', async () => {
    const bytes = await encodePng({ data: Uint8Array.of(1, 2, 3, 0), width: 1, height: 1, channels: 4 });
    expect((await pixelsOf(bytes)).data).toEqual([1, 2, 3]);
  });

  it('refuses what is no picture', async () => {
    await expectRefusal(() => encodePng({ data, width: 5, height: 5, channels: 3 }), 'ARG');
  });

  it('a palette keeps indices and colours', async () => {
    const palette = Uint8Array.from({ length: 21 * 3 }, (_, i) => (i * 11) % 256);
    const indices = Uint8Array.from({ length: 35 }, (_, i) => (i * 5) % 21);
    const bytes = await encodePalettePng({ data: indices, width: 7, height: 5, palette });
    expect([bytes[24], bytes[25]]).toEqual([8, 3]);
    const start = bytes.indexOf(0x49, 33 + 12 + palette.length) + 4; // after 'IDAT'
    expect(Array.from(inflateSync(bytes.subarray(start)))).toEqual(
      Array.from({ length: 5 }, (_, y) => [0, ...indices.subarray(y * 7, y * 7 + 7)]).flat(),
    );
    const colours = Array.from(indices).flatMap((index) => Array.from(palette.subarray(index * 3, index * 3 + 3)));
    expect(await pixelsOf(bytes)).toEqual({ width: 7, height: 5, channels: 3, data: colours });
  });

  it('a palette that does not fit is refused', async () => {
    const one = { data: Uint8Array.of(0, 1), width: 2, height: 1 };
    await expectRefusal(() => encodePalettePng({ ...one, palette: Uint8Array.of(1, 2, 3) }), 'ARG', /got 1 at pixel 1/);
    await expectRefusal(() => encodePalettePng({ ...one, palette: new Uint8Array(4) }), 'ARG', /palette/);
    await expectRefusal(() => encodePalettePng({ ...one, palette: new Uint8Array(257 * 3) }), 'ARG', /palette/);
    await expectRefusal(() => encodePalettePng({ ...one, height: 2, palette: new Uint8Array(6) }), 'ARG', /bytes/);
  });
});

it.each([1, 3, 4] as const)('a picture of %i channels is encoded where there is no zlib, too', async (channels) => {
  const image = { width: 5, height: 3, channels, data: Uint8Array.from({ length: 15 * channels }, (_, i) => i * 37) };
  const bytes = await encodeAnywhere(image);
  expect((await pixelsOf(bytes)).data).toEqual(await pixelsOf(await encodePng(image)).then(({ data }) => data));
  // Alpha is left out by the decoder: rows as they were written, undone by hand.
  const rows = inflateSync(bytes.subarray(41));
  expect(rows).toHaveLength(3 * (1 + 5 * channels));
  expect([...rows.subarray(1, 1 + 5 * channels)]).toEqual([...image.data.subarray(0, 5 * channels)]);
});
