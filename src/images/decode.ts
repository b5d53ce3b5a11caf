/**
 * From the bytes of a file to pixels. What a file is and whether it is sound is decided here, before a codec runs, and so
 * is what the pixels mean; the codec is the platform's. The outcome is PIL's `Image.open(…)`, then
 * `ImageOps.exif_transpose`, then `convert('RGB')`, as transformers opens pictures:
 *
 * - alpha and tRNS are dropped, not blended: what transparency hides shows;
 * - palettes and grey of 1, 2 and 4 bits are expanded; grey stays one channel;
 * - samples of 16 bits keep their upper 8 (of grey, PIL clips at 255 instead, which makes almost everything white);
 * - CMYK and YCCK become RGB as PIL does it, without a colour profile;
 * - gamma, ICC profiles and chromaticities are ignored;
 * - EXIF's orientation is applied, that in XMP is not.
 */
import { asBytes } from '../base/brands.js';
import { env, requirePlatform, warn } from '../base/env.js';
import { MobileNetError, show } from '../base/errors.js';
import type { DecodedImage, OpenRows, RowsAhead } from '../base/pixels.js';
import { checkNotShared, checkPixels } from '../base/pixels.js';
import type { JpegDecoding, Platform } from '../base/platform.js';
import { codecError, keepChannels } from '../codecs/codec.js';
import { type JpegLayout, readJpeg } from '../codecs/jpeg/header.js';
import { asGreyPng, isGreyPng, type PngLayout, readPng } from '../codecs/png/header.js';
import { detectFormat, MEDIA_TYPES } from '../codecs/sniff.js';
import { applyOrientation, exifOrientation, type Orientation, Upright } from './exif.js';

export interface DecodeOptions {
  /** What errors call the picture. */
  file?: string;
  /**
   * Pixels as they are stored, for a mask of classes: palette indices in place of their colors, black and white as 0 and 1,
   * 16 bits where they are below 256. What NumPy makes of a picture that Pillow opens.
   */
  indices?: boolean;
  /** A size that a JPEG may be decoded at less than its own for; see `ReadOptions`. */
  draft?: Draft | undefined;
}

/** Of the size of a picture, upright, the least that is wanted. */
export type Draft = (upright: Size) => Size;

type Size = Readonly<{ width: number; height: number }>;

/**
 * Decodes a PNG or JPEG, and other formats where the place can.
 *
 * @returns [H,W,1] for grey pictures, [H,W,3] for all others, upright
 * @throws MobileNetError, with `file`: IMAGE for a damaged file, UNSUPPORTED for another format, LIMIT above
 *   `env.limits.imageBytes`, `imagePixels` or `jpegScans`, OUT_OF_MEMORY when the codec gets none, ARG for no bytes
 */
export async function decodeImage(
  encoded: Uint8Array,
  { file = 'image', indices = false, draft }: DecodeOptions = {},
): Promise<DecodedImage> {
  const bytes = checkEncoded(encoded, file);
  const format = detectFormat(bytes);
  switch (format) {
    case 'PNG': {
      const layout = readPng(bytes, file);
      const decodePng = requirePlatform('decodePng', file);
      const decoded = indices
        ? await decodeIndices(decodePng, bytes, layout, file)
        : await runCodec(decodePng, bytes, layout, file);
      const grey = isGreyPng(layout) || (indices && layout.colourType === 3);
      return applyOrientation(keepChannels(decoded, grey ? 1 : 3), orientationOf(bytes, layout));
    }
    case 'JPEG': {
      const layout = readJpeg(bytes, file);
      const orientation = orientationOf(bytes, layout);
      const scale = scaleFor(layout, orientation, draft);
      let upright: Upright | undefined;
      const open = (ahead: RowsAhead) => {
        upright = new Upright(ahead, orientation);
        return upright;
      };
      // A turned picture is put together upright from its rows, where the codec gives rows: there are never two of it.
      const decoded = await runJpegCodec(bytes, layout, file, { scale, ...(orientation > 1 && { open }) });
      return decoded === undefined ? upright!.image : applyOrientation(decoded, orientation);
    }
    case 'damaged PNG':
      throw new MobileNetError('IMAGE', `${file}: expected PNG's signature, got a damaged one (was it sent as text?)`, {
        file,
        offset: 0,
      });
    default:
      return decodeOther(bytes, format, file);
  }
}

/**
 * The same row by row: `open` is told the size and gives what takes the rows. Those of an upright JPEG come as they are
 * decoded, where the codec can do that, and the picture is never in memory; those of others come in one piece.
 */
export async function decodeRows(encoded: Uint8Array, file: string, open: OpenRows, draft?: Draft): Promise<void> {
  const bytes = checkEncoded(encoded, file);
  const layout = detectFormat(bytes) === 'JPEG' ? readJpeg(bytes, file) : undefined;
  const image =
    layout !== undefined && orientationOf(bytes, layout) === 1
      ? await runJpegCodec(bytes, layout, file, { open, scale: scaleFor(layout, 1, draft) })
      : await decodeImage(bytes, { file, draft });
  if (image !== undefined) open(image).rows(image.data, 0, image.height);
}

/** The bytes of an encoded picture. Throws ARG for anything else, IMAGE for an empty one, LIMIT above the limit. */
function checkEncoded(encoded: Uint8Array, file: string): Uint8Array {
  const bytes = asBytes(encoded);
  if (bytes === undefined) {
    throw new MobileNetError('ARG', `${file}: expected the bytes of a picture in a Uint8Array, got ${show(encoded)}`, {
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
  return bytes;
}

async function decodeOther(bytes: Uint8Array, format: string, file: string): Promise<DecodedImage> {
  if (env.platform.decodeOther !== undefined && MEDIA_TYPES[format] !== undefined) {
    const decoded = await env.platform.decodeOther(bytes, format, file);
    checkPixels(decoded, file);
    tell(decoded.warnings, file);
    return keepChannels(decoded, 3);
  }
  const remedy =
    MEDIA_TYPES[format] === undefined ? '' : '; convert it to one of them, or hand in its pixels as a RawImage';
  throw new MobileNetError('UNSUPPORTED', `${file}: expected a PNG or JPEG picture, got ${format}${remedy}`, {
    file,
    offset: 0,
  });
}

/** One message about a file, however much is wrong with it. */
function tell(warnings: readonly string[] | undefined, file: string): void {
  if (warnings?.length) warn(`${file}: read although ${warnings.join('; ')}`);
}

/**
 * A PNG's pixels as they are stored. Palette indices lie in a file as grey does, so they are decoded as grey, which spreads
 * fewer than 8 bits over 0 to 255.
 */
async function decodeIndices(
  decodePng: NonNullable<Platform['decodePng']>,
  bytes: Uint8Array,
  layout: PngLayout,
  file: string,
): Promise<DecodedImage> {
  const { colourType, depth, width, height } = layout;
  if (colourType === 3) {
    const decoded = keepChannels(await runCodec(decodePng, asGreyPng(bytes, layout), layout, file), 1);
    return {
      ...decoded,
      data: depth < 8 ? decoded.data.map((value) => value / (255 / (2 ** depth - 1))) : decoded.data,
    };
  }
  const decoded = await runCodec(decodePng, bytes, layout, file);
  if (!isGreyPng(layout)) return decoded;
  const grey = keepChannels(decoded, 1);
  if (depth === 1) return { ...grey, data: grey.data.map((value) => value & 1) };
  if (depth < 16) return grey;
  if (grey.data.some((value) => value > 0)) {
    throw new MobileNetError(
      'UNSUPPORTED',
      `${file}: expected class indices up to 255, got a 16-bit picture with larger ones`,
      { file },
    );
  }
  const { data } = await decodePng(bytes, file, { lowerBytes: true, checked: true });
  return { data, width, height, channels: 1 };
}

async function runCodec(
  decode: (bytes: Uint8Array, file: string, options: { checked: boolean }) => Promise<DecodedImage>,
  bytes: Uint8Array,
  layout: PngLayout | JpegLayout,
  file: string,
): Promise<DecodedImage> {
  try {
    return checkDecoded(await decode(bytes, file, { checked: true }), layout, file);
  } catch (cause) {
    throw codecError(cause, file);
  }
}

/** The largest scale at which a picture is as large as `draft` wants it: the choice of Pillow's `Image.draft`. */
function scaleFor({ width, height }: Size, orientation: Orientation, draft?: Draft): 1 | 2 | 4 | 8 {
  if (draft === undefined) return 1;
  const upright = orientation >= 5 ? { width: height, height: width } : { width, height };
  const wanted = draft(upright);
  const most = Math.floor(Math.min(upright.width / wanted.width, upright.height / wanted.height));
  return ([8, 4, 2] as const).find((scale) => scale <= most) ?? 1;
}

/** @returns undefined when the codec has given its rows to what `open` gave */
async function runJpegCodec(
  bytes: Uint8Array,
  layout: JpegLayout,
  file: string,
  { open, scale = 1 }: JpegDecoding,
): Promise<DecodedImage | undefined> {
  let opened = false;
  const openChecked = (ahead: RowsAhead) => {
    checkSize(ahead, layout, file, scale);
    opened = true;
    return open!(ahead);
  };
  try {
    const decodeJpeg = requirePlatform('decodeJpeg', file);
    const decoded = await decodeJpeg(bytes, file, { ...(open && { open: openChecked }), ...(scale > 1 && { scale }) });
    if (opened) {
      tell([...layout.warnings, ...(decoded.warnings ?? [])], file);
      return undefined;
    }
    return keepChannels(checkDecoded(decoded, layout, file, scale), layout.colours === 'grey' ? 1 : 3);
  } catch (cause) {
    throw codecError(cause, file);
  }
}

function checkDecoded(image: unknown, layout: PngLayout | JpegLayout, file: string, scale = 1): DecodedImage {
  checkPixels(image, file);
  const decoded = image as DecodedImage;
  tell([...layout.warnings, ...(decoded.warnings ?? [])], file);
  checkSize(decoded, layout, file, scale);
  return decoded;
}

/** A codec gives the size of the file, or that divided by the scale which it was asked for. */
function checkSize(image: RowsAhead, { width, height }: Size, file: string, scale: number): void {
  const is = (by: number) => image.width === Math.ceil(width / by) && image.height === Math.ceil(height / by);
  if (is(1) || is(scale)) return;
  throw new MobileNetError(
    'IMAGE',
    `${file}: the header says ${width}×${height} pixels, the codec made ${image.width}×${image.height}`,
    { file },
  );
}

function orientationOf(bytes: Uint8Array, { exif }: { exif?: PngLayout['exif'] }): Orientation {
  return exif === undefined ? 1 : exifOrientation(bytes.subarray(exif.start, exif.end));
}
