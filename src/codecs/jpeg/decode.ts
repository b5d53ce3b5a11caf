/**
 * JPEG to pixels by our own decoder, byte for byte as libjpeg-turbo and so Pillow decode it: entropy/ turns bits into
 * coefficients, samples/ turns those into rows of pixels, both in emitted WebAssembly. Where that cannot be compiled,
 * jpeg-js decodes, whose pixels differ a little.
 */
import { MobileNetError } from '../../base/errors.js';
import type { DecodedImage, OpenRows, RowSink, RowsGiven } from '../../base/pixels.js';
import { codecError } from '../codec.js';
import type { Scale } from './frame.js';
import { type JpegLayout, readJpeg } from './header.js';
import { withDecoder } from './module.js';
import { Reconstruction } from './samples/reconstruction.js';
import { Scans } from './scans.js';

/** Decodes where there is no WebAssembly. */
export interface PlainDecoder {
  decodeJpeg(bytes: Uint8Array, file: string): Promise<DecodedImage>;
}

export interface JpegOptions {
  /** Decodes at a half, a quarter or an eighth of the size, as Pillow's `draft` does. Without WebAssembly it is not kept. */
  scale?: Scale;
  /** Loads what decodes where there is no WebAssembly. */
  plain?: () => Promise<PlainDecoder>;
}

/**
 * Decodes a JPEG to grey [H,W,1] or RGB [H,W,3], as stored: not turned by EXIF.
 * @param options with `open`, that gets the rows one after another, and the whole picture is never in memory
 * @throws MobileNetError with `file`: IMAGE, LIMIT, UNSUPPORTED as `readJpeg`; OUT_OF_MEMORY
 */
export function decodeJpeg(bytes: Uint8Array, file: string, options?: JpegOptions): Promise<DecodedImage>;
export function decodeJpeg(
  bytes: Uint8Array,
  file: string,
  options: JpegOptions & { open?: OpenRows },
): Promise<DecodedImage | RowsGiven>;
export async function decodeJpeg(
  bytes: Uint8Array,
  file: string,
  { scale = 1, plain = unsupported, open }: JpegOptions & { open?: OpenRows } = {},
): Promise<DecodedImage | RowsGiven> {
  const layout = readJpeg(bytes, file);
  const collected = new Collected();
  try {
    const decoded = await decodeRows(bytes, layout, scale, open ?? ((ahead) => collected.open(ahead)));
    if (decoded === undefined) return await decodePlainly(bytes, file, await plain(), open);
    const isNews = decoded.damaged && layout.orderly;
    const warnings = isNews ? ['its data are damaged or end too early; pixels are missing or wrong'] : [];
    return open === undefined ? { ...collected.picture, warnings } : { warnings };
  } catch (cause) {
    throw codecError(cause, file);
  }
}

/** @returns undefined where there is no WebAssembly */
async function decodeRows(bytes: Uint8Array, layout: JpegLayout, scale: Scale, open: OpenRows) {
  return withDecoder((decoder) => {
    const scans = new Scans(decoder, bytes, layout);
    const { memory, exports } = decoder;
    let sink: RowSink;
    const later: RowSink = { rows: (data, first, count) => sink.rows(data, first, count) };
    const reconstruction = new Reconstruction(scans.frame, memory, exports, later, { scale });
    sink = open({ ...reconstruction.size, channels: layout.colours === 'grey' ? 1 : 3 });
    return { damaged: scans.decode(reconstruction) };
  });
}

/** Rows put together. */
class Collected {
  picture!: DecodedImage & { readonly data: Uint8Array };

  open({ width, height, channels }: Parameters<OpenRows>[0]): RowSink {
    const data = new Uint8Array(width * height * channels);
    this.picture = { data, width, height, channels };
    return { rows: (rows, first) => data.set(rows, first * width * channels) };
  }
}

async function unsupported(): Promise<never> {
  throw new MobileNetError('UNSUPPORTED', 'JPEG: decoding it needs WebAssembly with SIMD');
}

async function decodePlainly(bytes: Uint8Array, file: string, plain: PlainDecoder, open: OpenRows | undefined) {
  const picture = await plain.decodeJpeg(bytes, file);
  open?.(picture).rows(picture.data, 0, picture.height);
  return open === undefined ? picture : { warnings: picture.warnings ?? [] };
}
