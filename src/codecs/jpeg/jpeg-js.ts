/**
 * JPEG by jpeg-js, told what the colours are, with libjpeg's conversion of YCbCr in place of its own. It stands in for our
 * decoder where WebAssembly may not be compiled, and it writes JPEG.
 */
import jpeg from 'jpeg-js';
import { env } from '../../base/env.js';
import { MobileNetError } from '../../base/errors.js';
import type { DecodedImage } from '../../base/pixels.js';
import { codecError } from '../codec.js';
import { essentialJpeg, type JpegLayout, readJpeg } from './header.js';
import { repairJpeg } from './repair.js';

/**
 * jpeg-js refuses what would take more memory than it is told. By its own count a pixel of four components takes 27 bytes:
 * each 4 for the coefficient and 1 for the sample before and after enlarging, then 3 of RGB; blocks round that up.
 */
const BYTES_PER_PIXEL = 32;
const SPARE_BYTES = 64 * 1024 * 1024;

/**
 * Decodes a JPEG as `decode.ts` does, nearly: to grey [H,W,1] or RGB [H,W,3], as stored: not turned by EXIF. Subsampled chroma is repeated, not
 * smoothed, like `djpeg -nosmooth`.
 * @throws MobileNetError with `file`: IMAGE, LIMIT, UNSUPPORTED as `readJpeg`, and whatever jpeg-js throws as IMAGE
 */
export async function decodeJpeg(bytes: Uint8Array, file: string): Promise<DecodedImage> {
  const layout = readJpeg(bytes, file);
  const warnings: string[] = [];
  try {
    const { data, width, height } = decode(bytesForCodec(bytes, layout, file), layout, warnings);
    if (layout.colours === 'grey') return { data: everyThird(data), width, height, channels: 1, warnings };
    if (layout.colours === 'ycc') convertYcc(data);
    return { data, width, height, channels: 3, warnings };
  } catch (cause) {
    throw codecError(cause, file);
  }
}

/** jpeg-js gives up where the data of a scan are damaged. libjpeg does not, so they are mended to what it makes of them. */
function decode(bytes: Uint8Array, { orderly, frame }: JpegLayout, warnings: string[]) {
  const { progressive } = frame;
  if (progressive && !orderly) throw new Error('restart markers are missing or out of order in a progressive JPEG');
  if (!orderly) return runCodec(repairJpeg(bytes));
  try {
    return runCodec(bytes);
  } catch (cause) {
    if (progressive || cause instanceof RangeError) throw cause;
    const decoded = runCodec(repairJpeg(bytes));
    warnings.push('its data are damaged or end too early; pixels are missing or wrong');
    return decoded;
  }
}

function runCodec(bytes: Uint8Array) {
  return jpeg.decode(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    colorTransform: false, // where Adobe's segment says 1 or 2, jpeg-js transforms all the same
    maxResolutionInMP: env.limits.imagePixels / 1e6,
    maxMemoryUsageInMB: (env.limits.imagePixels * BYTES_PER_PIXEL + SPARE_BYTES) / (1024 * 1024),
  });
}

/**
 * YCbCr goes in as if it were RGB, so that it comes out unconverted. jpeg-js cuts off fractions where libjpeg rounds, which
 * makes pictures darker: a mean error of 0.53 of 255 at full chroma, 0.14 with the conversion below.
 */
function bytesForCodec(bytes: Uint8Array, layout: JpegLayout, file: string): Uint8Array {
  return layout.colours === 'ycc' ? essentialJpeg(bytes, layout, file, 0) : essentialJpeg(bytes, layout, file);
}

/** jpeg-js gives grey as three equal channels. */
function everyThird(rgb: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < grey.length; i++) grey[i] = rgb[i * 3];
  return grey;
}

/** libjpeg's fixed point, 16 bits of fraction. */
const fixed = (x: number): number => Math.floor(x * 65536 + 0.5);
const HALF = 0x8000;
const RED_OF_CR = fixed(1.402);
const GREEN_OF_CB = fixed(0.34414);
const GREEN_OF_CR = fixed(0.71414);
const BLUE_OF_CB = fixed(1.772);

/** [P,3] YCbCr to RGB in place, as libjpeg's jdcolor.c does it (JFIF 1.02, section 7). */
function convertYcc(data: Uint8Array): void {
  const clamped = new Uint8ClampedArray(data.buffer, data.byteOffset, data.length);
  for (let at = 0; at < data.length; at += 3) {
    const y = data[at];
    const cb = data[at + 1] - 128;
    const cr = data[at + 2] - 128;
    clamped[at] = y + ((RED_OF_CR * cr + HALF) >> 16);
    clamped[at + 1] = y + ((HALF - GREEN_OF_CB * cb - GREEN_OF_CR * cr) >> 16);
    clamped[at + 2] = y + ((BLUE_OF_CB * cb + HALF) >> 16);
  }
}

/**
 * Encodes a picture as JPEG with full chroma (4:4:4). Alpha is dropped; grey becomes colour whose chroma is nothing.
 * @param quality from 0 to 1
 * @throws MobileNetError UNSUPPORTED on an edge runtime without Node's Buffer, which jpeg-js makes its files with
 */
export async function encodeJpeg(
  { data, width, height, channels }: DecodedImage,
  quality: number,
): Promise<Uint8Array> {
  if (typeof Buffer === 'undefined') {
    throw new MobileNetError(
      'UNSUPPORTED',
      'image/jpeg: writing it needs Buffer; set the flag nodejs_compat, or write PNG',
    );
  }
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += channels, to += 4) {
    for (let c = 0; c < 3; c++) rgba[to + c] = data[channels === 1 ? from : from + c];
  }
  return new Uint8Array(jpeg.encode({ data: rgba, width, height }, Math.max(1, Math.round(quality * 100))).data);
}
