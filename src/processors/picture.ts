/**
 * Inputs of the image processor in one form, and the conversions transformers applies to them. What NumPy would round
 * to float32 on the way is rounded here too. Sources: transformers' image_processing_backends.py (`process_image`),
 * image_transforms.py (`convert_to_rgb`, `to_pil_image`, `resize`), Pillow's AlphaComposite.c.
 */

import { copyOf } from '../base/brands.js';
import { MobileNetError, show } from '../base/errors.js';
import { mapped } from '../base/mapped.js';
import type { Pixels } from '../base/pixels.js';
import { checkPixels } from '../base/pixels.js';
import { roundHalfEven } from '../base/round.js';
import { elementCount } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ChannelFormat } from './option-values.js';

/** A picture of any numbers. */
export interface Picture {
  /** [H,W,C]: bytes, or exact values of the other types (every float32 and int32 is a double). */
  data: Uint8Array | Uint8ClampedArray | Float64Array;
  width: number;
  height: number;
  channels: number;
  /** NumPy's type, by kind: it decides how later steps round. */
  type: 'uint8' | 'integer' | 'float32' | 'float64';
  /** Whether it came as a picture (`Pixels`) or as a tensor: transformers composes transparency differently. */
  from: 'pixels' | 'tensor';
}

/** A picture with its own pixels; the bytes are shared, not copied. */
export function pictureOfPixels(image: unknown, where: string): Picture {
  checkPixels(image, where);
  const { data, width, height, channels } = image;
  return { data, width, height, channels, type: 'uint8', from: 'pixels' };
}

/** The pictures of a tensor: one of 3 dimensions, or N of [N, …]. The channels come first or last. */
export function picturesOfTensor(tensor: Tensor, format: ChannelFormat | null, where: string): Picture[] {
  if (tensor.dims.length !== 3 && tensor.dims.length !== 4) {
    throw new MobileNetError(
      'ARG',
      `${where}: expected a tensor [C,H,W], [H,W,C] or a batch of them, got dims ${show(tensor.dims)}; .view(1, H, W) makes grey pixels a picture`,
    );
  }
  return split(tensor, 3, where).map(({ data, dims, type }) => {
    const [first, middle, last] = dims as [number, number, number];
    const channelsFirst = (format ?? inferFormat(first, last, where)) === 'channels_first';
    const channels = channelsFirst ? first : last;
    if (!isChannelCount(channels)) {
      throw new MobileNetError('ARG', `${where}: expected 1, 3 or 4 channels (${format}), got dims ${show(dims)}`);
    }
    if (!channelsFirst) {
      return { data, height: first, width: middle, channels, type, from: 'tensor' };
    }
    return { data: interleave(data, channels), height: middle, width: last, channels, type, from: 'tensor' };
  });
}

/** The maps of class indices in a tensor [H,W] or [N,H,W]. */
export function mapsOfTensor(tensor: Tensor, where: string): Picture[] {
  if (tensor.dims.length !== 2 && tensor.dims.length !== 3) {
    throw new MobileNetError('ARG', `${where}: expected a tensor [H,W] or [N,H,W], got dims ${show(tensor.dims)}`);
  }
  return split(tensor, 2, where).map(({ data, dims, type }) => {
    if (type !== 'uint8' && type !== 'integer') {
      throw new MobileNetError('ARG', `${where}: expected uint8, int32 or int64 class indices, got ${tensor.type}`);
    }
    return { data, height: dims[0], width: dims[1], channels: 1, type, from: 'tensor' };
  });
}

/** Cuts a batch into its items, bytes as they are and all else as checked doubles. */
function split(tensor: Tensor, rank: number, where: string) {
  const dims = tensor.dims.slice(-rank);
  const size = elementCount(dims);
  if (tensor.size === 0) throw new MobileNetError('ARG', `${where}: the tensor is empty, dims ${show(tensor.dims)}`);
  const { data, type } = valuesOf(tensor, where);
  const items = [];
  for (let at = 0; at < data.length; at += size) items.push({ data: data.subarray(at, at + size), dims, type });
  return items;
}

function valuesOf(tensor: Tensor, where: string): Pick<Picture, 'data' | 'type'> {
  const { data, type } = tensor;
  if (type === 'uint8') return { data: data as Uint8Array, type };
  if (type === 'int64')
    return { data: mapped(new Float64Array(data.length), data as BigInt64Array, Number), type: 'integer' };
  if (type === 'int32') return { data: new Float64Array(data as Int32Array), type: 'integer' };
  if (type !== 'float32' && type !== 'float64') {
    throw new MobileNetError(
      'ARG',
      `${where}: a ${type} tensor is not a picture; convert it with .to('float32') or .to('uint8')`,
    );
  }
  const values = new Float64Array(data as Float32Array | Float64Array);
  const broken = values.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) {
    throw new MobileNetError('ARG', `${where}: expected finite numbers, got ${values[broken]} at element ${broken}`);
  }
  return { data: values, type };
}

function isChannelCount(size: number): boolean {
  return size === 1 || size === 3 || size === 4;
}

/** Where both ends could be channels they come first, as in transformers. */
function inferFormat(first: number, last: number, where: string): ChannelFormat {
  if (isChannelCount(first)) return 'channels_first';
  if (isChannelCount(last)) return 'channels_last';
  throw new MobileNetError(
    'ARG',
    `${where}: neither the first dimension (${first}) nor the last (${last}) can be channels (1, 3 or 4)`,
  );
}

/** [C,P] → [P,C]. */
function interleave(planes: Picture['data'], channels: number): Picture['data'] {
  const out = copyOf(planes);
  const pixels = planes.length / channels;
  for (let c = 0; c < channels; c++) {
    const from = c * pixels;
    for (let p = 0; p < pixels; p++) out[p * channels + c] = planes[from + p];
  }
  return out;
}

/** RGBA as RGB, laid over white. */
export function overWhite(picture: Picture, where: string): Picture {
  if (picture.from === 'pixels') return blend(picture, overWhitePillow);
  if (picture.type === 'uint8' || picture.type === 'integer') return blend(picture, overWhiteIntegers);
  if (picture.data.some((value) => value < 0 || value > 1)) {
    throw new MobileNetError('ARG', `${where}: RGBA in floats must be between 0 and 1 to be laid over white`);
  }
  return blend(picture, picture.type === 'float32' ? overWhiteFloat32 : overWhiteFloat64);
}

function blend(picture: Picture, over: (value: number, alpha: number) => number): Picture {
  const { data, width, height } = picture;
  const pixels = width * height;
  const out = data instanceof Float64Array ? new Float64Array(pixels * 3) : new Uint8Array(pixels * 3);
  for (let p = 0; p < pixels; p++) {
    const alpha = data[p * 4 + 3]!;
    for (let c = 0; c < 3; c++) out[p * 3 + c] = over(data[p * 4 + c]!, alpha);
  }
  return { ...picture, data: out, channels: 3 };
}

/** Pillow's fixed point, 7 bits of fraction, for an opaque white background. */
function overWhitePillow(value: number, alpha: number): number {
  if (alpha === 0) return 255;
  const front = alpha << 7;
  const sum = value * front + 255 * ((255 << 7) - front) + (0x80 << 7);
  // Dividing by 255, in 32-bit arithmetic.
  return (((sum >>> 8) + sum) >>> 8) >>> 7;
}

function overWhiteIntegers(value: number, alpha: number): number {
  return roundHalfEven((alpha / 255) * value + (1 - alpha / 255) * 255);
}

function overWhiteFloat32(value: number, alpha: number): number {
  return Math.fround(Math.fround(alpha * value) + Math.fround(1 - alpha));
}

function overWhiteFloat64(value: number, alpha: number): number {
  return alpha * value + (1 - alpha);
}

/**
 * A picture as the bytes that can be resized. Whole numbers from 0 to 255 are taken as they are, floats from 0 to 1 times
 * 255 (`scaled`); anything else is not a picture.
 */
export function toBytes(picture: Picture, where: string): { pixels: Pixels; scaled: boolean } {
  const { data, width, height, channels } = picture;
  if (!(data instanceof Float64Array)) return { pixels: { data, width, height, channels }, scaled: false };
  // numpy.allclose(x, trunc(x))
  const whole = data.every((value) => Math.abs(value - Math.trunc(value)) <= 1e-8 + 1e-5 * Math.abs(Math.trunc(value)));
  const most = whole ? 255 : 1;
  const outside = data.findIndex((value) => value < 0 || value > most);
  if (outside >= 0) {
    throw new MobileNetError(
      'ARG',
      `${where}: can resize whole numbers from 0 to 255 or fractions from 0 to 1, got ${data[outside]}; or pass do_resize: false`,
    );
  }
  const byteOf = whole ? Math.trunc : (value: number) => Math.trunc(Math.fround(value * 255));
  const bytes = mapped(new Uint8Array(data.length), data, byteOf);
  return { pixels: { data: bytes, width, height, channels }, scaled: !whole };
}
