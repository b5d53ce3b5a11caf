/**
 * Pictures in memory. A picture is one of three things: an encoded file (`EncodedFile` in images/source.ts), its pixels
 * (here), and what the image processor is working on (`Picture` in processors/picture.ts), which may hold any numbers.
 */
import { asTyped, isShared } from './brands.js';
import { expected, MobileNetError } from './errors.js';

/**
 * Rows of interleaved bytes, [H,W,C]. Anything of this form will do: a `RawImage`, what a codec gives, a canvas's ImageData
 * with `channels: 4`.
 */
export interface Pixels {
  /** `height · width · channels` bytes, row by row, the channels of a pixel side by side. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  /** 1 grey, 3 RGB, 4 RGBA with straight (not premultiplied) alpha. */
  readonly channels: number;
}

/** Pixels as a codec gives them. */
export interface DecodedImage extends Pixels {
  readonly channels: 1 | 3 | 4;
  /** What was wrong with the file and did not keep it from being decoded. */
  readonly warnings?: readonly string[];
}

/** A picture whose rows are about to come. */
export type RowsAhead = Pick<DecodedImage, 'width' | 'height' | 'channels'>;

/** Takes the rows of a picture. */
export interface RowSink {
  /**
   * `count` whole rows from row `first` on. All rows come, from the top down, each once.
   * @param data valid during the call only
   */
  rows(data: Uint8Array | Uint8ClampedArray, first: number, count: number): void;
}

/** Is told of a picture before its first row, and gives what takes the rows. */
export type OpenRows = (ahead: RowsAhead) => RowSink;

/** What a codec answers when it has given rows in place of a picture. */
export type RowsGiven = Pick<DecodedImage, 'warnings'>;

/** Whether a value is meant as a picture; `checkPixels` then says whether it is a sound one. */
export function looksLikePixels(value: unknown): value is Pixels {
  return typeof value === 'object' && value !== null && 'data' in value && 'width' in value && 'height' in value;
}

/** Throws ARG for memory that another thread may change between a check and its use. */
export function checkNotShared({ buffer }: Uint8Array | Uint8ClampedArray, where: string): void {
  if (!isShared(buffer)) return;
  throw new MobileNetError('ARG', `${where}: in shared memory, where another thread may change it; pass a copy`);
}

/** Throws ARG unless sizes and bytes belong together. `where` names the argument in the message. */
export function checkPixels(image: unknown, where = 'image'): asserts image is Pixels {
  if (!looksLikePixels(image)) {
    throw expected(where, '{ data, width, height, channels }', image);
  }
  const { data, width, height, channels } = image;
  for (const [side, size] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw expected(`${where}.${side}`, 'a whole number of pixels ≥ 1', size);
    }
  }
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw expected(`${where}.channels`, '1 (grey), 3 (RGB) or 4 (RGBA)', channels);
  }
  if (asTyped(data, Uint8Array) === undefined && asTyped(data, Uint8ClampedArray) === undefined) {
    throw expected(`${where}.data`, 'Uint8Array or Uint8ClampedArray', data);
  }
  checkNotShared(data, `${where}.data`);
  const needed = width * height * channels;
  if (data.length !== needed) {
    const detached = data.length === 0 && data.buffer.byteLength === 0 ? ' (is the buffer detached?)' : '';
    throw new MobileNetError(
      'ARG',
      `${where}.data: ${width}×${height} with ${channels} channels need ${needed} bytes, got ${data.length}${detached}`,
    );
  }
}
