/**
 * `RawImage`, a picture in memory, with the methods of transformers.js. Two things differ, both on purpose: every method
 * leaves the image as it is and returns another (there, `rgb`, `rgba` and `grayscale` change it in place), and pixels are
 * exactly Pillow's (there they are the canvas's or sharp's).
 */
import { checkSignal, unlessAborted } from '../base/abort.js';
import { copyOf, isUrl } from '../base/brands.js';
import { checkText } from '../base/check.js';
import { env, requirePlatform } from '../base/env.js';
import { expected, MobileNetError, show } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import type { Pixels } from '../base/pixels.js';
import { checkPixels, looksLikePixels } from '../base/pixels.js';
import { checkPixelLimit } from '../codecs/header.js';
import { Tensor } from '../tensor/tensor.js';
import { canvasState } from './canvas.js';
import { decodeImage } from './decode.js';
import {
  type CanvasLike,
  canvasPixels,
  type DrawableLike,
  type ImageDataLike,
  isDrawable,
  pixelsOf,
  whenLoaded,
} from './drawable.js';
import type { ResamplingName, ResamplingNumber } from './resize/filters.js';
import { resize } from './resize/resize.js';
import { type EncodedInput, ownBytes, readEncoded } from './source.js';

/**
 * A picture wherever it is: a path (Node), a URL, a Request or Response, an encoded file as Blob, bytes or stream, pixels,
 * or, in a browser, whatever can be drawn: a canvas, an ImageBitmap, an image or video element, a VideoFrame.
 */
export type ImageInput = EncodedInput | RawImage | Pixels | CanvasLike | ImageDataLike | DrawableLike;

/** [C,H,W] or [H,W,C]. */
export type ChannelOrder = 'CHW' | 'HWC';

/** How a picture is read. */
export interface ReadOptions {
  /**
   * For masks of classes: palette indices in place of their colors, black and white as 0 and 1, as NumPy has a picture
   * that Pillow opens. One channel, then; a picture of colors stays RGB. Default false.
   */
  indices?: boolean;
  /**
   * Width and height: a JPEG is decoded at 1/2, 1/4 or 1/8 where that is at least so large, which is several times faster and
   * changes pixels: Pillow's `Image.draft`. The picture may be larger, and is its own size where there is no WebAssembly.
   */
  draft?: readonly [width: number, height: number];
  /** Ends the reading, and a request with it: the promise rejects with the signal's reason. Not heard while a picture is decoded. */
  signal?: AbortSignal | undefined;
}

const READ_OPTIONS = ['indices', 'draft', 'signal'];

/** How a picture is resized. */
export interface ResizeOptions {
  /** Filter by Pillow's number or name. Default 2, bilinear. */
  resample?: ResamplingNumber | ResamplingName;
}

/** Of a JPEG; what canvases take. */
const DEFAULT_QUALITY = 0.92;
const TYPES: Record<string, string> = { '.png': 'image/png', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg' };

/** A picture in memory, with the methods of transformers.js; none of them changes it. */
export class RawImage implements Pixels {
  /** [height, width, channels], bytes. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  /** 1 grey, 3 RGB, 4 RGBA with straight alpha. */
  readonly channels: 1 | 3 | 4;

  /**
   * @param data interleaved pixels, `height · width · channels` bytes; not copied
   * @throws MobileNetError ARG when they do not fit together
   */
  constructor(data: Uint8Array | Uint8ClampedArray, width: number, height: number, channels: 1 | 3 | 4) {
    checkPixels({ data, width, height, channels }, 'RawImage');
    this.data = data;
    this.width = width;
    this.height = height;
    this.channels = channels;
  }

  /** [width, height], as in transformers.js and PIL. */
  get size(): [number, number] {
    return [this.width, this.height];
  }

  /**
   * Reads a picture from wherever it is. Files become RGB, or grey with one channel; see decode.ts for what that means
   * for alpha, 16 bits, CMYK and EXIF. What is wrong with a file and does not keep it from being read, `env.onWarning` hears.
   * @throws MobileNetError NOT_FOUND or IO where it cannot be read, IMAGE, UNSUPPORTED or LIMIT where it is not decoded, ARG
   *   for no picture at all; all with `file`. The signal's reason
   */
  static async read(input: ImageInput, options: ReadOptions = {}): Promise<RawImage> {
    checkOptions(options, READ_OPTIONS, 'RawImage.read');
    const { signal, ...how } = options;
    checkSignal(signal);
    signal?.throwIfAborted();
    if (input instanceof RawImage) return input;
    if (isCanvas(input)) return RawImage.fromCanvas(input); // before anything is waited for: it may be drawn on
    const encoded = await unlessAborted(readEncoded(ownBytes(input), signal), signal);
    if (encoded !== undefined) return RawImage.#decode(encoded.bytes, { file: encoded.file, ...how });
    if (looksLikePixels(input)) {
      return new RawImage(input.data, input.width, input.height, ('channels' in input ? input.channels : 4) as 4);
    }
    if (isDrawable(input)) return RawImage.#fromElement(input);
    throw expected(
      'image',
      'a path, URL, Response, Blob, bytes of an encoded picture, RawImage, canvas, ImageData, bitmap or video',
      input,
    );
  }

  /** An image element shows a file, which has the colors that a canvas loses under transparency, or changes. */
  static async #fromElement(source: DrawableLike): Promise<RawImage> {
    const address = await whenLoaded(source);
    const fromFile = () => (address === undefined ? null : RawImage.fromURL(address).catch(() => null));
    if (canvasState() === 'useless') return (await fromFile()) ?? RawImage.fromDrawable(source);
    const image = RawImage.fromDrawable(source);
    return (isTransparent(image) && (await fromFile())) || image;
  }

  /** From a path (Node) or URL. */
  static async fromURL(url: string | URL, options: ReadOptions = {}): Promise<RawImage> {
    if (!isUrl(url)) checkText(url, 'fromURL');
    return RawImage.read(url, options);
  }

  /** From an encoded picture; a File gives its name to errors. */
  static async fromBlob(blob: Blob, options: ReadOptions = {}): Promise<RawImage> {
    return RawImage.read(blob, options);
  }

  /**
   * From a canvas, with its alpha.
   * @throws MobileNetError ARG for a canvas without pixels or one that was transferred, UNSUPPORTED where the browser keeps
   *   its pixels to itself or changes them
   */
  static fromCanvas(canvas: CanvasLike): RawImage {
    if (!isCanvas(canvas)) throw expected('fromCanvas', 'a canvas', canvas);
    return RawImage.fromImageData(canvasPixels(canvas));
  }

  /** From what a browser can draw, as it is shown: a VideoFrame, ImageBitmap, video or image element, with its alpha. */
  static fromDrawable(source: DrawableLike): RawImage {
    if (!isDrawable(source)) throw expected('fromDrawable', 'a VideoFrame, bitmap, video or image element', source);
    return RawImage.fromImageData(pixelsOf(source));
  }

  /** From ImageData, which shares its pixels. */
  static fromImageData(image: ImageDataLike): RawImage {
    if (!looksLikePixels(image)) throw expected('fromImageData', '{ data, width, height }', image);
    const { data, width, height } = image;
    return new RawImage(data, width, height, 4);
  }

  /** From a uint8 tensor [C,H,W] or [H,W,C]; HWC shares memory. */
  static fromTensor(tensor: Tensor, order: ChannelOrder = 'CHW'): RawImage {
    checkOrder(order);
    if (!(tensor instanceof Tensor) || tensor.dims.length !== 3 || tensor.type !== 'uint8') {
      const got = tensor instanceof Tensor ? `${tensor.type} ${show(tensor.dims)}` : show(tensor);
      throw new MobileNetError('ARG', `fromTensor: expected a uint8 tensor of 3 dimensions, got ${got}`);
    }
    const interleaved = order === 'CHW' ? tensor.permute(1, 2, 0) : tensor;
    const [height, width, channels] = interleaved.dims;
    return new RawImage(interleaved.data as Uint8Array, width, height, channels as 1 | 3 | 4);
  }

  static async #decode(bytes: Uint8Array, options: Omit<ReadOptions, 'signal'> & { file: string }): Promise<RawImage> {
    const { draft, ...others } = options;
    const least = draft === undefined ? undefined : checkDraft(draft);
    const { data, width, height, channels } = await decodeImage(bytes, { ...others, draft: least && (() => least) });
    return new RawImage(data, width, height, channels);
  }

  /** Three channels: grey three times, alpha dropped. */
  rgb(): RawImage {
    if (this.channels === 3) return this;
    const { data, channels } = this;
    return this.#map(3, (out, to, from) => {
      out[to] = data[from];
      out[to + 1] = data[channels === 1 ? from : from + 1];
      out[to + 2] = data[channels === 1 ? from : from + 2];
    });
  }

  /** Four channels, opaque where there was no alpha. */
  rgba(): RawImage {
    if (this.channels === 4) return this;
    const { data, channels } = this;
    return this.#map(4, (out, to, from) => {
      out[to] = data[from];
      out[to + 1] = data[channels === 1 ? from : from + 1];
      out[to + 2] = data[channels === 1 ? from : from + 2];
      out[to + 3] = 255;
    });
  }

  /** One channel: PIL's mode L, the luma of ITU-R 601-2 in its fixed point (Convert.c). Alpha is dropped. */
  grayscale(): RawImage {
    if (this.channels === 1) return this;
    const { data } = this;
    return this.#map(1, (out, to, from) => {
      out[to] = (data[from] * 19595 + data[from + 1] * 38470 + data[from + 2] * 7471 + 0x8000) >> 16;
    });
  }

  /**
   * Resized with PIL's filters, antialiased. A width or height of null or -1 follows from the other and keeps the shape.
   * @throws MobileNetError ARG for impossible sizes, LIMIT above `env.limits.imagePixels`
   */
  async resize(width: number | null, height: number | null = null, options: ResizeOptions = {}): Promise<RawImage> {
    checkOptions(options, ['resample'], 'resize');
    const { resample = 2 } = options;
    for (const size of [width, height]) {
      if (size !== null && typeof size !== 'number') throw expected('resize', 'a number of pixels, or null', size);
    }
    const [givenWidth, givenHeight] = [width, height].map((size) => (size === -1 ? null : size));
    const w = givenWidth ?? Math.max(1, Math.round((this.width / this.height) * (givenHeight ?? this.height)));
    const h = givenHeight ?? Math.max(1, Math.round((this.height / this.width) * (givenWidth ?? this.width)));
    const { data } = resize(this, w, h, resample);
    return new RawImage(data, w, h, this.channels);
  }

  /**
   * The part from (x0, y0) up to and with (x1, y1): both corners belong to it. What lies outside the image is left out.
   * @throws MobileNetError ARG when nothing is left
   */
  async crop(corners: readonly [x0: number, y0: number, x1: number, y1: number]): Promise<RawImage> {
    if (!Array.isArray(corners) || corners.length !== 4 || !corners.every(Number.isInteger)) {
      throw expected('crop', '[x0, y0, x1, y1] in whole pixels', corners);
    }
    const [x0, y0, x1, y1] = corners as readonly number[];
    const left = Math.max(0, x0);
    const top = Math.max(0, y0);
    const width = Math.min(this.width - 1, x1) - left + 1;
    const height = Math.min(this.height - 1, y1) - top + 1;
    if (width < 1 || height < 1) {
      throw new MobileNetError('ARG', `crop: ${show(corners)} leaves nothing of ${this.width}×${this.height} pixels`);
    }
    return this.#window(left, top, width, height);
  }

  /** The middle `width`×`height` pixels; zeros (black, transparent) around an image that is smaller. */
  async center_crop(width: number, height: number): Promise<RawImage> {
    if (![width, height].every((size) => Number.isSafeInteger(size) && size >= 1)) {
      throw new MobileNetError('ARG', `center_crop: expected whole sizes from 1, got ${show(width)}×${show(height)}`);
    }
    checkPixelLimit(width, height, 'center_crop');
    // Of an odd rest, the pixel more is after the crop, or the zero more after the image.
    const offset = (rest: number) => Math.sign(rest) * Math.floor(Math.abs(rest) / 2);
    return this.#window(offset(this.width - width), offset(this.height - height), width, height);
  }

  /** With so many rows and columns of zeros (black, transparent) more on each side; negative counts add none. */
  async pad(sides: readonly [left: number, right: number, top: number, bottom: number]): Promise<RawImage> {
    const counts = Array.isArray(sides) ? (sides as readonly number[]) : [];
    if (counts.length !== 4 || !counts.every(Number.isSafeInteger)) {
      throw expected('pad', '[left, right, top, bottom] in whole pixels', sides);
    }
    const [left, right, top, bottom] = counts.map((count) => Math.max(0, count));
    const [width, height] = [left + this.width + right, top + this.height + bottom];
    checkPixelLimit(width, height, 'pad');
    return this.#window(-left, -top, width, height);
  }

  /** `grayscale`, `rgb` or `rgba`, by the number of channels. */
  convert(numChannels: 1 | 3 | 4): RawImage {
    const conversions = { 1: this.grayscale, 3: this.rgb, 4: this.rgba };
    if (typeof numChannels === 'number' && Object.hasOwn(conversions, numChannels))
      return conversions[numChannels].call(this);
    throw expected('convert', '1 (grey), 3 (RGB) or 4 (RGBA) channels', numChannels);
  }

  /**
   * RGBA whose alpha is a mask of one channel: cut out what a segmentation has found.
   * @throws MobileNetError ARG for a mask of another size or more channels
   */
  putAlpha(mask: RawImage): RawImage {
    const fits = mask instanceof RawImage && mask.channels === 1;
    if (!fits || mask.width !== this.width || mask.height !== this.height) {
      const got = mask instanceof RawImage ? `${mask.width}×${mask.height} with ${mask.channels}` : show(mask);
      throw new MobileNetError(
        'ARG',
        `putAlpha: expected a mask of ${this.width}×${this.height} with 1 channel, got ${got}`,
      );
    }
    const out = this.rgba().clone();
    for (let i = 0; i < mask.data.length; i++) out.data[4 * i + 3] = mask.data[i];
    return out;
  }

  /** Each channel as an image of its own. */
  split(): RawImage[] {
    const { data, width, height, channels } = this;
    return Array.from({ length: channels }, (_, c) => {
      const out = new Uint8Array(width * height);
      for (let i = 0; i < out.length; i++) out[i] = data[i * channels + c];
      return new RawImage(out, width, height, 1);
    });
  }

  /** Another image with pixels of its own. */
  clone(): RawImage {
    return new RawImage(copyOf(this.data), this.width, this.height, this.channels);
  }

  /** A uint8 tensor [C,H,W] or [H,W,C]; HWC shares memory. */
  toTensor(order: ChannelOrder = 'CHW'): Tensor<'uint8'> {
    checkOrder(order);
    const { data, width, height, channels } = this;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
    const tensor = new Tensor('uint8', bytes, [height, width, channels]);
    return order === 'HWC' ? tensor : tensor.permute(2, 0, 1);
  }

  /** Draws itself on a canvas of its size. Browsers and their workers only. */
  toCanvas(): OffscreenCanvas {
    if (typeof OffscreenCanvas === 'undefined') {
      throw new MobileNetError('UNSUPPORTED', 'toCanvas: there is no OffscreenCanvas here; use toBlob or save');
    }
    const canvas = new OffscreenCanvas(this.width, this.height);
    const pixels = new ImageData(new Uint8ClampedArray(this.rgba().data), this.width, this.height);
    canvas.getContext('2d')!.putImageData(pixels, 0, 0);
    return canvas;
  }

  /**
   * Encoded as PNG, or as JPEG ('image/jpeg'), which drops alpha.
   * @param quality of a JPEG, from 0 to 1
   * @throws MobileNetError UNSUPPORTED for another type, or without an encoder
   */
  async toBlob(type = 'image/png', quality = DEFAULT_QUALITY): Promise<Blob> {
    return new Blob([new Uint8Array(await this.#encode(type, quality))], { type });
  }

  /**
   * Writes a file, PNG or JPEG by its extension; a page offers it as a download, as transformers.js does.
   * @throws MobileNetError UNSUPPORTED for another extension, or where there are neither files nor downloads; IO
   */
  async save(path: string, options: { quality?: number } = {}): Promise<void> {
    checkOptions(options, ['quality'], 'save');
    const { quality = DEFAULT_QUALITY } = options;
    checkText(path, 'save');
    const extension = /\.[^./\\]*$/.exec(path)?.[0].toLowerCase() ?? '';
    const type = Object.hasOwn(TYPES, extension) ? TYPES[extension] : `${extension || 'no extension'} (${path})`;
    const bytes = await this.#encode(type, quality);
    const split = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1;
    const name = path.slice(split);
    if (env.platform.offerFile !== undefined) return env.platform.offerFile(name, bytes, type);
    await requirePlatform('writeFolder', path)(path.slice(0, split) || '.', new Map([[name, bytes]]));
  }

  async #encode(type: string, quality: number): Promise<Uint8Array> {
    if (!(typeof quality === 'number' && quality >= 0 && quality <= 1)) {
      throw expected('quality', 'a number from 0 to 1', quality);
    }
    // A copy: the codec may have to be loaded first, and the caller may write on the pixels meanwhile.
    if (type === 'image/png') return requirePlatform('encodePng', type)(this.clone());
    if (type === 'image/jpeg') return requirePlatform('encodeJpeg', type)(this.clone(), quality);
    throw new MobileNetError(
      'UNSUPPORTED',
      `expected image/png or image/jpeg, or a name with .png, .jpg or .jpeg, got ${show(type)}`,
    );
  }

  /** As many pixels with other channels. `write` puts the pixel that begins at `from` where the new one begins. */
  #map(channels: 1 | 3 | 4, write: (out: Uint8Array, to: number, from: number) => void): RawImage {
    const out = new Uint8Array(this.width * this.height * channels);
    for (let to = 0, from = 0; to < out.length; to += channels, from += this.channels) write(out, to, from);
    return new RawImage(out, this.width, this.height, channels);
  }

  /** `width`×`height` pixels from (left, top) on; both may be negative or reach too far, which gives zeros. */
  #window(left: number, top: number, width: number, height: number): RawImage {
    const { channels } = this;
    const out = new Uint8Array(width * height * channels);
    const firstX = Math.max(0, left);
    const endX = Math.min(this.width, left + width);
    for (let y = Math.max(0, top); y < Math.min(this.height, top + height); y++) {
      const row = this.data.subarray((y * this.width + firstX) * channels, (y * this.width + endX) * channels);
      out.set(row, ((y - top) * width + firstX - left) * channels);
    }
    return new RawImage(out, width, height, channels);
  }
}

/** `RawImage.read` under the name Python's transformers has for it. `{ indices: true }` reads a mask of classes. */
export function load_image(input: ImageInput, options: ReadOptions = {}): Promise<RawImage> {
  return RawImage.read(input, options);
}

function checkDraft(draft: unknown): { width: number; height: number } {
  const [width, height] = Array.isArray(draft) ? draft : [];
  if ([width, height].every((side) => Number.isSafeInteger(side) && side >= 1)) return { width, height };
  throw expected('draft', '[width, height] in whole pixels ≥ 1', draft);
}

function isTransparent({ data, channels }: RawImage): boolean {
  if (channels !== 4) return false;
  for (let at = 3; at < data.length; at += 4) if (data[at] < 255) return true;
  return false;
}

export function isCanvas(input: unknown): input is CanvasLike {
  return typeof (input as CanvasLike | null)?.getContext === 'function';
}

function checkOrder(order: unknown): asserts order is ChannelOrder {
  if (order !== 'CHW' && order !== 'HWC') {
    throw new MobileNetError('ARG', `expected 'CHW' or 'HWC', got ${show(order)}`);
  }
}
