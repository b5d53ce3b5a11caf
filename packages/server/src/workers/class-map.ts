/** A segmentation as one picture: a PNG with a palette, whose values are the classes, as Pascal VOC has its label files. */
import { deflateSync } from 'node:zlib';
import { colorize, legend, type RawImage, Tensor } from 'mobilenet-v2';
import { ServeError } from '../errors.js';

/** What a class has of a picture. */
export interface ClassArea {
  /** The class's number. */
  index: number;
  label: string;
  pixels: number;
  /** Of the picture, 0 to 1. */
  share: number;
  /** Red, green, blue in the palette. */
  color: readonly number[];
}

export interface ClassMap {
  png: Uint8Array;
  /** The largest first. */
  classes: ClassArea[];
}

/** For pixels that no class is certain enough of. */
const NO_CLASS = 255;

interface Size {
  width: number;
  height: number;
}

/** @param masks by the class's number, 255 where it is */
export function classMap(
  masks: readonly { index: number; mask: RawImage }[],
  { width, height }: Size,
  names: readonly string[],
): ClassMap {
  if (names.length > NO_CLASS) {
    throw new ServeError('UNSUPPORTED', `the model has ${names.length} classes, a map has room for ${NO_CLASS}`);
  }
  const ids = new Int32Array(width * height).fill(-1);
  for (const { index, mask } of masks) {
    const { data } = mask;
    for (let i = 0; i < ids.length; i++) if (data[i] === 255) ids[i] = index;
  }
  const labels = [...names];
  const entries = legend(new Tensor('int32', ids, [height, width]), { labels });
  const classes = entries.map(({ id, label, share, color }) => ({
    index: id,
    label,
    pixels: Math.round(share * ids.length),
    share,
    color: [...color],
  }));
  return { png: palettePng(ids, { width, height }, paletteOf(labels)), classes };
}

/** The colours of all values that a map may hold, [256,3]. */
function paletteOf(labels: readonly string[]): Uint8Array {
  const every = Int32Array.from({ length: NO_CLASS + 1 }, (_, id) => (id === NO_CLASS ? -1 : id));
  return new Uint8Array(colorize(new Tensor('int32', every, [1, every.length]), { labels: [...labels] }).rgb().data);
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PALETTE_OF_8_BITS = [8, 3, 0, 0, 0];

/** https://www.w3.org/TR/png-3/ */
function palettePng(ids: Int32Array, { width, height }: Size, palette: Uint8Array): Uint8Array {
  // Before every row a filter byte of 0, which means no filter: neighbouring classes are equal, which deflate finds without help.
  const rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++) {
    const row = ids.subarray(y * width, (y + 1) * width);
    rows.set(row, y * (width + 1) + 1); // -1 becomes 255
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set(PALETTE_OF_8_BITS, 8);
  const chunks = [chunk('IHDR', header), chunk('PLTE', palette), chunk('IDAT', deflateSync(rows)), chunk('IEND', [])];
  return new Uint8Array(Buffer.concat([Uint8Array.from(SIGNATURE), ...chunks]));
}

function chunk(type: string, data: ArrayLike<number>): Buffer {
  const bytes = Buffer.alloc(data.length + 12);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
  return bytes;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Node has one since 20.15 only. */
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
}
