/**
 * From the bytes of a file to pixels. What a file is and whether it is sound is decided here, before a codec runs, and so
 * is what the pixels mean; the codec is the platform's. The outcome is PIL's `Image.open(…)`, then
 * `ImageOps.exif_transpose`, then `convert('RGB')`, as transformers opens pictures:
 *
 * - alpha and tRNS are dropped, not blended: what lies behind transparency shows;
 * - palettes and grey of 1, 2 and 4 bits are expanded; grey stays one channel;
 * - samples of 16 bits keep their upper 8 (of grey, PIL clips at 255 instead, which makes almost everything white);
 * - CMYK and YCCK become RGB as PIL does it, without a colour profile;
 * - gamma, ICC profiles and chromaticities are ignored;
 * - EXIF's orientation is applied, that in XMP is not.
 */
import { type DecodedImage, env, requirePlatform } from '../base/env.js';
import { MobileNetError, show } from '../base/errors.js';
import { applyOrientation, exifOrientation } from './exif.js';
import { type JpegLayout, readJpeg } from './jpeg-header.js';
import { checkNotShared, checkPixels, type Pixels } from './pixels.js';
import { type PngLayout, readPng } from './png-header.js';
import { detectFormat } from './sniff.js';

export interface DecodedPixels extends Pixels {
  /** 1 grey, 3 RGB. */
  readonly channels: 1 | 3;
}

export interface DecodeOptions {
  /** What errors call the picture. */
  file?: string;
}

/**
 * Decodes a PNG or JPEG.
 *
 * @returns [H,W,1] for grey pictures, [H,W,3] for all others, upright
 * @throws MobileNetError, with `file`: IMAGE for a damaged file, UNSUPPORTED for another format, LIMIT above
 *   `env.limits.imageBytes`, `imagePixels` or `jpegScans`, OUT_OF_MEMORY when the codec gets none, ARG for no bytes
 */
export async function decodeImage(bytes: Uint8Array, { file = 'image' }: DecodeOptions = {}): Promise<DecodedPixels> {
  if (!(bytes instanceof Uint8Array)) {
    throw new MobileNetError('ARG', `${file}: expected the bytes of a picture in a Uint8Array, got ${show(bytes)}`, {
      file,
    });
  }
  checkNotShared(bytes, file);
  if (bytes.length > env.limits.imageBytes) {
    throw new MobileNetError(
      'LIMIT',
      `${file}: ${bytes.length} bytes exceed env.limits.imageBytes (${env.limits.imageBytes}); raise it to read larger files`,
      { file },
    );
  }
  if (bytes.length === 0) {
    throw new MobileNetError('IMAGE', `${file}: expected a picture, got an empty file`, { file, offset: 0 });
  }
  const format = detectFormat(bytes);
  switch (format) {
    case 'PNG': {
      const layout = readPng(bytes, file);
      const decoded = await runCodec(requirePlatform('decodePng', file), bytes, layout, file);
      return upright(decoded, isGreyPng(layout), bytes, layout);
    }
    case 'JPEG': {
      const layout = readJpeg(bytes, file);
      const decoded = await runCodec(requirePlatform('decodeJpeg', file), bytes, layout, file);
      return upright(decoded, layout.colours === 'grey', bytes, layout);
    }
    case 'damaged PNG':
      throw new MobileNetError('IMAGE', `${file}: expected PNG's signature, got a damaged one (was it sent as text?)`, {
        file,
        offset: 0,
      });
    default:
      throw new MobileNetError('UNSUPPORTED', `${file}: expected a PNG or JPEG picture, got ${format}`, {
        file,
        offset: 0,
      });
  }
}

export function isGreyPng({ colourType }: PngLayout): boolean {
  return colourType === 0 || colourType === 4;
}

async function runCodec(
  decode: (bytes: Uint8Array, file: string) => Promise<DecodedImage>,
  bytes: Uint8Array,
  { width, height }: PngLayout | JpegLayout,
  file: string,
): Promise<DecodedImage> {
  let image: DecodedImage;
  try {
    image = await decode(bytes, file);
  } catch (cause) {
    throw codecError(cause, file);
  }
  checkPixels(image, file);
  if (image.width !== width || image.height !== height) {
    throw new MobileNetError(
      'IMAGE',
      `${file}: the header says ${width}×${height} pixels, the codec made ${image.width}×${image.height}`,
      { file },
    );
  }
  return image;
}

/** A codec throws what it likes, a bare TypeError too. It means that the file is damaged, unless memory ran out. */
export function codecError(cause: unknown, file: string): MobileNetError {
  if (cause instanceof MobileNetError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const place = { file, cause };
  if (cause instanceof RangeError && /allocat|memory|array length/i.test(reason)) {
    const remedy = 'env.limits.imagePixels can be lowered';
    return new MobileNetError('OUT_OF_MEMORY', `${file}: no memory for its pixels (${reason}); ${remedy}`, place);
  }
  return new MobileNetError('IMAGE', `${file}: the picture is damaged (${reason})`, place);
}

function upright(
  decoded: DecodedImage,
  grey: boolean,
  bytes: Uint8Array,
  { exif }: { exif?: PngLayout['exif'] },
): DecodedPixels {
  const image = keepChannels(decoded, grey ? 1 : 3);
  return exif === undefined ? image : applyOrientation(image, exifOrientation(bytes.subarray(exif.start, exif.end)));
}

/** The first channels of every pixel: a canvas gives RGBA whatever the picture has. */
export function keepChannels({ data, width, height, channels }: DecodedImage, kept: 1 | 3): DecodedPixels {
  if (channels === kept) return { data, width, height, channels: kept };
  const out = new Uint8Array(width * height * kept);
  // Of grey, which a codec may give as one channel even when asked about colours, all three are the same.
  const last = channels === 1 ? 0 : kept - 1;
  for (let from = 0, to = 0; to < out.length; from += channels) {
    for (let c = 0; c < kept; c++) out[to++] = data[from + Math.min(c, last)];
  }
  return { data: out, width, height, channels: kept };
}
