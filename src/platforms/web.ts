/**
 * What a browser and its workers have to offer by themselves: `createImageBitmap` and canvases decode and encode, files come
 * by `fetch`, nothing can be written.
 */
import { join, transformed } from '../base/bytes.js';
import { MobileNetError, show } from '../base/errors.js';
import { checkAnswer, isMissing, readStream, readUrl, requestFile } from '../base/fetcher.js';
import type { Folder } from '../base/folder.js';
import { type HubOptions, MODEL_NAME } from '../base/hub-options.js';
import type { DecodedImage } from '../base/pixels.js';
import type { Platform } from '../base/platform.js';
import { FileProgress } from '../base/progress.js';
import { checkPixelLimit } from '../codecs/header.js';
import { adler32 } from '../codecs/inflate.js';
import { essentialJpeg, readJpeg } from '../codecs/jpeg/header.js';
import { hasCanvas, newContext } from '../images/canvas.js';
import { decodeOther } from '../images/other-formats.js';

export const webPlatform = {
  openFolder,
  readFile: async (path, limit, signal?: AbortSignal) => readUrl(absolute(path), path, limit, signal),
  decodeJpeg: (bytes, file) => decode(essentialJpeg(bytes, readJpeg(bytes, file), file), file),
  decodeOther,
  encodePng: (image) => encode(image, 'image/png'),
  encodeJpeg: (image, quality) => encode(image, 'image/jpeg', quality),
  offerFile,
  inflate,
  inflateInPieces,
} satisfies Platform;

async function inflate(bytes: Uint8Array, format: 'deflate' | 'deflate-raw', most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of transformed(bytes as Uint8Array<ArrayBuffer>, new DecompressionStream(format))) {
    size += chunk.length;
    if (size > most) throw new RangeError(`more than ${most} bytes`);
    chunks.push(chunk);
  }
  return join(chunks);
}

async function* inflateInPieces(bytes: Uint8Array<ArrayBuffer>): AsyncGenerator<Uint8Array> {
  let sum = 1;
  for await (const piece of transformed(bytes, new DecompressionStream('deflate'))) {
    sum = adler32(piece, sum);
    yield piece;
  }
  // Some platforms stop at the end of the stream, whatever follows its checksum.
  const { buffer, byteOffset, length } = bytes;
  if (new DataView(buffer, byteOffset, length).getUint32(length - 4) !== sum)
    throw new RangeError('bytes after the end');
}

/**
 * `bytes` hold no EXIF block and no color profile. Whether 'none' as an imageOrientation means "ignore EXIF" or "do not
 * flip" has changed over the years, so the browser is given nothing to turn; the caller turns the picture. The other options
 * keep the browser from changing values.
 */
async function decode(bytes: Uint8Array<ArrayBuffer>, file: string): Promise<DecodedImage> {
  if (!canDecode()) {
    const lacks = hasCanvas() ? 'createImageBitmap' : 'OffscreenCanvas';
    const remedy = "hand in a RawImage, or bundle for 'workerd'";
    throw new MobileNetError('UNSUPPORTED', `${file}: no decoder here, for lack of ${lacks}; ${remedy}`, { file });
  }
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/jpeg' }), {
    premultiplyAlpha: 'none',
    colorSpaceConversion: 'none',
  });
  const { width, height } = bitmap;
  try {
    checkPixelLimit(width, height, file);
    const context = newContext(width, height);
    context.drawImage(bitmap, 0, 0);
    return { data: context.getImageData(0, 0, width, height).data, width, height, channels: 4 };
  } finally {
    bitmap.close();
  }
}

/** Whether this place decodes pictures by itself. */
export const canDecode = (): boolean => hasCanvas() && typeof createImageBitmap !== 'undefined';

async function encode(
  { data, width, height, channels }: DecodedImage,
  type: string,
  quality?: number,
): Promise<Uint8Array> {
  const context = newContext(width, height);
  const pixels = context.createImageData(width, height);
  for (let from = 0, to = 0; from < data.length; from += channels, to += 4) {
    for (let c = 0; c < 3; c++) pixels.data[to + c] = data[channels === 1 ? from : from + c];
    // JPEG has no alpha. Left in, it would darken the colours where codecs elsewhere drop it.
    pixels.data[to + 3] = channels === 4 && type === 'image/png' ? data[from + 3] : 255;
  }
  context.putImageData(pixels, 0, 0);
  const blob = await context.canvas.convertToBlob({ type, ...(quality !== undefined && { quality }) });
  return new Uint8Array(await blob.arrayBuffer());
}

/** A download, as a click on a link is one. */
async function offerFile(name: string, bytes: Uint8Array, type: string): Promise<void> {
  if (typeof document === 'undefined') {
    const remedy = 'send the Blob of toBlob() to the page, or store it';
    throw new MobileNetError('UNSUPPORTED', `${name}: a worker cannot offer a download; ${remedy}`, { file: name });
  }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // Safari reads it later than at the click
}

/** A folder of model files at a URL, absolute or relative to the page. */
async function openFolder(path: string, options: HubOptions = {}): Promise<Folder> {
  const base = absolute(path.endsWith('/') ? path : `${path}/`);
  const progress = new FileProgress(path, options);
  return {
    name: path,
    async read(file, signal, most = Number.POSITIVE_INFINITY) {
      const url = new URL(file, base);
      if (!url.href.startsWith(base.href)) {
        throw new MobileNetError('PATH_ESCAPE', `expected the name of a file inside ${path}, got ${show(file)}`, {
          file,
        });
      }
      const response = await modelFile(url, file, signal);
      if (response === undefined) return checkName(path, file, base, signal);
      progress.step('initiate', file);
      progress.step('download', file);
      // What is told of a compressed answer is how long it is compressed.
      const { headers } = response;
      const total = headers.has('content-encoding') ? Number.NaN : Number(headers.get('content-length') ?? Number.NaN);
      const limitName = 'weightsBytes, or jsonBytes for a configuration,';
      let told = -1;
      const onChunk = (loaded: number) => {
        told = Math.max(loaded, total || 0);
        progress.update(file, loaded, total);
      };
      const bytes = await readStream(response.body ?? [], file, most, limitName, { signal, onChunk });
      if (told !== bytes.length) progress.update(file, bytes.length, bytes.length);
      progress.step('done', file);
      return bytes;
    },
  };
}

/** A file of a model. Servers of single-page applications answer with their page in place of a missing file; no model file is HTML. */
async function modelFile(url: URL, file: string, signal?: AbortSignal): Promise<Response | undefined> {
  const response = await requestFile(url, file, signal);
  const isPage = response.ok && response.headers.get('content-type')?.startsWith('text/html');
  if (!isPage && !isMissing(response)) return checkAnswer(response, file);
  response.body?.cancel().catch(() => {});
  return undefined;
}

/** Undefined, for a file that is not there, unless nothing is there and the folder has the name of a model of the hub. */
async function checkName(path: string, file: string, base: URL, signal?: AbortSignal): Promise<undefined> {
  const named = MODEL_NAME.test(path) || /^https?:\/\/(www\.)?(huggingface\.co|hf\.co)\//.test(path);
  if (!named || !/^(preprocessor_)?config\.json$/.test(file)) return;
  const config = file === 'config.json' ? undefined : await modelFile(new URL('config.json', base), file, signal);
  config?.body?.cancel().catch(() => {});
  if (config !== undefined) return;
  throw new MobileNetError(
    'NOT_FOUND',
    `${path}: no config.json in ${base.href.slice(0, 150)}; for a model of the Hugging Face hub, import 'mobilenet-v2/hub' first`,
    { file },
  );
}

function absolute(path: string): URL {
  try {
    return new URL(path, globalThis.location?.href);
  } catch (cause) {
    throw new MobileNetError('ARG', `expected a URL, got ${show(path)}`, { file: path, cause });
  }
}
