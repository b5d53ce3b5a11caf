/** Small pictures that fuzzing begins with: of each kind that a reader has a way of its own for. */
import { exifBlock, jpeg } from '../helpers/jpeg-files.js';
import { chunk, IEND, idat, ihdr, png, simplePng } from '../helpers/png-files.js';

const row = (length: number) => Uint8Array.from({ length }, (_, i) => i * 29);

/** Gray, 16 bits with alpha, a palette with EXIF, interlaced. */
export const PNGS = [
  simplePng({ width: 9 }, [row(9), row(9), row(9)]),
  simplePng({ width: 3, depth: 16, colourType: 6 }, [row(24), row(24)]),
  simplePng(
    { width: 8, depth: 2, colourType: 3 },
    [row(2), row(2)],
    chunk('PLTE', row(12)),
    chunk('eXIf', exifBlock(6)),
  ),
  png(ihdr({ width: 5, height: 5, interlace: 1 }), idat(row(30).map((value, i) => (i % 6 ? value : i % 5))), IEND),
];

const components = [
  { id: 1, value: 90, h: 2, v: 2 },
  { id: 2, value: 100 },
  { id: 3, value: 200 },
];

/** Gray, 4:2:0 with EXIF, progressive, CMYK. */
export const JPEGS = [
  jpeg(),
  jpeg({ width: 20, height: 20, components, jfif: true, exif: exifBlock(5) }),
  jpeg({ width: 20, height: 20, components, progressive: true }),
  jpeg({ components: [...components, { id: 4, value: 50 }], adobe: 2 }),
];

/** Blocks of EXIF. */
export const EXIFS = [exifBlock(6), exifBlock(3, { little: false }), exifBlock(8, { type: 4 })];
