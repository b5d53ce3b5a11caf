/**
 * JPEG files made by hand, right or wrong on purpose: every component has one value all over, so that what must come out
 * can be computed from the standard's formulas alone.
 */
import { bytesOf } from './png-files.js';

export interface ComponentSpec {
  id: number;
  /** Sample value, 0 to 255. */
  value: number;
  /** Sampling factors; 1 unless given. */
  h?: number;
  v?: number;
}

export interface JpegSpec {
  width?: number;
  height?: number;
  components?: readonly ComponentSpec[];
  progressive?: boolean;
  jfif?: boolean;
  /** Transform byte of Adobe's segment; none unless given. */
  adobe?: number;
  /** An EXIF block from its TIFF header on. */
  exif?: Uint8Array;
}

/** A named part of a file, to be left out, doubled or replaced. */
export interface Part {
  name: string;
  bytes: Uint8Array;
}

export const segment = (marker: number, content: ArrayLike<number>, length = content.length + 2): Uint8Array =>
  bytesOf([0xff, marker, length >> 8, length & 255], content);

export const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');

export const GREY: readonly ComponentSpec[] = [{ id: 1, value: 128 }];

/** The parts of a file, in order: SOI, JFIF, Adobe, EXIF, DQT, SOF, DHT, then SOS and data of each scan, EOI. */
export function jpegParts(spec: JpegSpec = {}): Part[] {
  const { width = 8, height = 8, components = GREY, progressive = false } = spec;
  const parts: Part[] = [{ name: 'SOI', bytes: Uint8Array.of(0xff, 0xd8) }];
  const add = (name: string, bytes: Uint8Array) => parts.push({ name, bytes });
  if (spec.jfif) add('JFIF', segment(0xe0, bytesOf(text('JFIF\0'), [1, 2, 0, 0, 1, 0, 1, 0, 0])));
  if (spec.adobe !== undefined) add('Adobe', segment(0xee, bytesOf(text('Adobe'), [0, 100, 0, 0, 0, 0, spec.adobe])));
  if (spec.exif) add('EXIF', segment(0xe1, bytesOf(text('Exif\0\0'), spec.exif)));
  add('DQT', segment(0xdb, bytesOf([0], new Uint8Array(64).fill(8))));
  add('SOF', segment(progressive ? 0xc2 : 0xc0, frameHeader({ width, height, components })));
  add('DHT', segment(0xc4, bytesOf(DC_TABLE, AC_TABLE)));
  for (const scan of progressive ? progressiveScans(components) : [{ components, first: 0, last: 63 }]) {
    add('SOS', scanHeader(scan));
    add('data', entropy(spec, scan));
  }
  add('EOI', Uint8Array.of(0xff, 0xd9));
  return parts;
}

export const jpeg = (spec: JpegSpec = {}): Uint8Array => joinParts(jpegParts(spec));

export const joinParts = (parts: readonly Part[]): Uint8Array => bytesOf(...parts.map(({ bytes }) => bytes));

/** The file with other bytes for the parts of a name; an empty list leaves them out. */
export const replacing = (parts: readonly Part[], name: string, bytes: ArrayLike<number>): Uint8Array =>
  joinParts(parts.map((part) => (part.name === name ? { name, bytes: bytesOf(bytes) } : part)));

/** Class 0, slot 0: categories 0 to 8, codes of 4 bits, so that the code of a category is its number. */
export const DC_TABLE = bytesOf([0x00, 0, 0, 0, 9], new Uint8Array(12), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
/** Class 1, slot 0: end of block alone, code 0 of one bit. */
export const AC_TABLE = bytesOf([0x10, 1], new Uint8Array(15), [0]);

export function frameHeader({
  width = 8,
  height = 8,
  components = GREY,
  precision = 8,
}: JpegSpec & { precision?: number }) {
  const sizes = [precision, height >> 8, height & 255, width >> 8, width & 255, components.length];
  return bytesOf(sizes, ...components.map(({ id, h = 1, v = 1 }) => [id, (h << 4) | v, 0]));
}

interface Scan {
  components: readonly ComponentSpec[];
  first: number;
  last: number;
}

export function scanHeader({ components, first, last }: Scan, bits = 0): Uint8Array {
  const tables = components.flatMap(({ id }) => [id, 0x00]);
  return segment(0xda, [components.length, ...tables, first, last, bits]);
}

const progressiveScans = (components: readonly ComponentSpec[]): Scan[] => [
  { components, first: 0, last: 0 },
  ...components.map((component) => ({ components: [component], first: 1, last: 63 })),
];

function entropy({ width = 8, height = 8, components: all = GREY }: JpegSpec, scan: Scan): Uint8Array {
  let bits = '';
  const started = new Set<ComponentSpec>();
  const block = (component: ComponentSpec) => {
    if (scan.first === 0) {
      // The DC of a flat block is 8 times its value, and the quantiser is 8.
      const difference = started.has(component) ? 0 : component.value - 128;
      started.add(component);
      const category = difference === 0 ? 0 : 32 - Math.clz32(Math.abs(difference));
      bits += category.toString(2).padStart(4, '0');
      const value = difference < 0 ? difference + 2 ** category - 1 : difference;
      if (category > 0) bits += value.toString(2).padStart(category, '0');
    }
    if (scan.last > 0) bits += '0';
  };
  const maxH = Math.max(...all.map(({ h = 1 }) => h));
  const maxV = Math.max(...all.map(({ v = 1 }) => v));
  const interleaved = scan.components.length > 1;
  const [{ h: ownH = 1, v: ownV = 1 }] = scan.components;
  const across = interleaved ? Math.ceil(width / (8 * maxH)) : Math.ceil((width * ownH) / maxH / 8);
  const down = interleaved ? Math.ceil(height / (8 * maxV)) : Math.ceil((height * ownV) / maxV / 8);
  for (let unit = 0; unit < across * down; unit++) {
    for (const component of scan.components) {
      const blocks = interleaved ? (component.h ?? 1) * (component.v ?? 1) : 1;
      for (let b = 0; b < blocks; b++) block(component);
    }
  }
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  const bytes = padded.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? [];
  return Uint8Array.from(bytes.flatMap((byte) => (byte === 0xff ? [0xff, 0] : [byte])));
}

/** A TIFF header with one directory of one entry: tag, type, count, and the value where a SHORT stands. */
export function exifBlock(
  value: number,
  { little = true, tag = 0x0112, type = 3, count = 1, magic = 42, at = 8 } = {},
): Uint8Array {
  const bytes = new Uint8Array(26);
  const view = new DataView(bytes.buffer);
  bytes.set(text(little ? 'II' : 'MM'));
  view.setUint16(2, magic, little);
  view.setUint32(4, at, little);
  view.setUint16(8, 1, little);
  view.setUint16(10, tag, little);
  view.setUint16(12, type, little);
  view.setUint32(14, count, little);
  if (type === 4) view.setUint32(18, value, little);
  else view.setUint16(18, value, little);
  return bytes;
}
