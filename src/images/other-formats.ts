/** Pictures that are neither PNG nor JPEG, by the decoders of a browser. */
import { MobileNetError } from '../base/errors.js';
import type { DecodedImage } from '../base/pixels.js';
import { checkPixelLimit } from '../codecs/header.js';
import { MEDIA_TYPES } from '../codecs/sniff.js';
import { checkCanvas, newContext } from './canvas.js';

/** What every browser decodes: where it does not, the file is damaged. */
const EVERYWHERE = ['GIF', 'WebP', 'BMP'];

/**
 * The first frame, upright, RGBA.
 * @throws MobileNetError IMAGE for a damaged file, UNSUPPORTED for a format that this browser does not decode, LIMIT above
 *   `env.limits.imagePixels`
 */
export async function decodeOther(bytes: Uint8Array, format: string, file: string): Promise<DecodedImage> {
  if (typeof createImageBitmap === 'undefined' || typeof OffscreenCanvas === 'undefined') {
    return refuse(format, file, 'there is no createImageBitmap here');
  }
  checkCanvas(file);
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>], { type: MEDIA_TYPES[format] });
  if (format === 'SVG') return decodeSvg(blob, file);
  let bitmap: ImageBitmap;
  try {
    if (format === 'WebP' && isCutOff(bytes)) throw new Error('its end is missing'); // WebKit draws what there is
    bitmap = await createImageBitmap(blob, { premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
  } catch (cause) {
    return refuse(format, file, (cause as Error).message, cause);
  }
  try {
    const drawn = read(bitmap, bitmap.width, bitmap.height, file);
    return isOpaque(drawn) ? drawn : ((await withColours(blob, drawn)) ?? withoutColours(drawn));
  } finally {
    bitmap.close();
  }
}

/** RIFF says how many bytes follow its first eight. */
const isCutOff = ({ buffer, byteOffset, length }: Uint8Array): boolean =>
  new DataView(buffer, byteOffset).getUint32(4, true) + 8 > length;

function refuse(format: string, file: string, reason: string, cause?: unknown): never {
  const damaged = cause !== undefined && EVERYWHERE.includes(format);
  throw new MobileNetError(
    damaged ? 'IMAGE' : 'UNSUPPORTED',
    damaged
      ? `${file}: the ${format} picture is damaged (${reason})`
      : `${file}: ${format} cannot be decoded here (${reason}); convert it to PNG or JPEG`,
    { file, cause },
  );
}

function read(
  source: CanvasImageSource,
  width: number,
  height: number,
  file: string,
  background?: string,
): DecodedImage {
  checkPixelLimit(width, height, file);
  const context = newContext(width, height);
  if (background !== undefined) {
    context.fillStyle = background;
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(source, 0, 0, width, height);
  return { data: context.getImageData(0, 0, width, height).data, width, height, channels: 4 };
}

function isOpaque({ data }: DecodedImage): boolean {
  for (let at = 3; at < data.length; at += 4) if (data[at] < 255) return false;
  return true;
}

/** WebCodecs keeps the colors that a canvas loses under transparency. */
async function withColours(blob: Blob, drawn: DecodedImage): Promise<DecodedImage | undefined> {
  if (typeof ImageDecoder === 'undefined') return undefined;
  let decoder: ImageDecoder | undefined;
  try {
    decoder = new ImageDecoder({
      type: blob.type,
      data: await blob.arrayBuffer(),
      colorSpaceConversion: 'none',
    });
    const { image } = await decoder.decode();
    const { width, height } = drawn;
    // A frame that the canvas has turned is left to it.
    if (image.codedWidth !== width || image.codedHeight !== height) return undefined;
    // As stored: copied into another format, Chromium's frames lose what the canvas loses.
    const blueFirst = image.format === 'BGRA';
    const data = new Uint8Array(width * height * 4);
    if (!(blueFirst || image.format === 'RGBA') || image.allocationSize() !== data.length) return undefined;
    await image.copyTo(data);
    image.close();
    if (blueFirst) for (let at = 0; at < data.length; at += 4) [data[at], data[at + 2]] = [data[at + 2], data[at]];
    if (!isStraight(data, drawn.data)) return undefined;
    return { data, width, height, channels: 4 };
  } catch {
    return undefined; // a browser that does not know the type, or not this form of copyTo
  } finally {
    decoder?.close();
  }
}

/**
 * Whether colors are there where the canvas has none, and where it has them are the same: Firefox gives frames whose colors
 * are multiplied by alpha.
 */
function isStraight(data: Uint8Array, drawn: ArrayLike<number>): boolean {
  let black = true;
  let clear = false;
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    clear ||= alpha === 0;
    if (alpha === 0) black &&= data[at] + data[at + 1] + data[at + 2] === 0;
    for (let c = 0; alpha > 100 && c < 3; c++) if (Math.abs(data[at + c] - drawn[at + c]) > 4) return false;
  }
  return !(clear && black);
}

function withoutColours(drawn: DecodedImage): DecodedImage {
  return { ...drawn, warnings: ['this browser gives no colors under transparency; they are black'] };
}

/** A drawing has a size of its own or, without one, the browser's 300×150, and lies on white paper. */
async function decodeSvg(blob: Blob, file: string): Promise<DecodedImage> {
  if (typeof Image === 'undefined') return refuse('SVG', file, 'only a page can draw it, a worker cannot');
  const url = URL.createObjectURL(blob);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const { naturalWidth, naturalHeight } = image;
    if (naturalWidth < 1 || naturalHeight < 1) return refuse('SVG', file, 'it has no width and height');
    return read(image, naturalWidth, naturalHeight, file, 'white');
  } catch (cause) {
    return cause instanceof MobileNetError
      ? Promise.reject(cause)
      : refuse('SVG', file, (cause as Error).message, cause);
  } finally {
    URL.revokeObjectURL(url);
  }
}
