/**
 * Inputs as they are at the moment of the call. What is read later is copied: between a call and its reading a caller may fill
 * the same buffer with the next frame, or transfer it to a worker. A picture of 2 megapixels, 6 MB, takes 0.5 ms.
 */
import { asTyped, copyOf } from '../base/brands.js';
import { MobileNetError, show } from '../base/errors.js';
import { checkPixels, looksLikePixels } from '../base/pixels.js';
import { isCanvas, RawImage } from '../images/raw-image.js';
import { ownBytes } from '../images/source.js';
import { elementCount } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import type { OneInput, ProcessorInput } from './preprocess.js';

/** A list of its own: the caller may change theirs. */
export function listOf(input: ProcessorInput, where: string): OneInput[] {
  const list: readonly OneInput[] = Array.isArray(input) ? input : [input];
  if (list.length === 0) throw new MobileNetError('ARG', `${where}: expected at least one, got an empty list`);
  return [...list];
}

/**
 * An input that nobody else writes on. What is elsewhere comes back as it is: a path, a Blob, a stream, a video.
 * @throws MobileNetError ARG for pixels and tensors that are not sound
 */
export function ownInput(input: OneInput, where: string): OneInput {
  if (input instanceof Tensor) return ownTensor(input, where);
  if (isCanvas(input)) return RawImage.fromCanvas(input);
  if (looksLikePixels(input)) {
    const { data, width, height } = input;
    const pixels = { data, width, height, channels: 'channels' in input ? input.channels : 4 };
    checkPixels(pixels, where);
    return { ...pixels, data: copyOf(asTyped(data, Uint8Array) ?? (data as Uint8ClampedArray)) };
  }
  return ownBytes(input);
}

function ownTensor(tensor: Tensor, where: string): Tensor {
  if (tensor.data.length === elementCount(tensor.dims)) return tensor.clone();
  const got = `${tensor.data.length} values for ${show(tensor.dims)}`;
  throw new MobileNetError('ARG', `${where}: ${got}; was the buffer transferred?`);
}
