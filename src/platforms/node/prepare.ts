/** From a picture to what a network takes: the work of the decoding threads, and of the main thread without them. */

import type { RawImage } from '../../images/raw-image.js';
import type { MobileNetV2ImageProcessor, ProcessOptions } from '../../processors/image-processor.js';
import type { Tensor } from '../../tensor/tensor.js';

export interface Preparation {
  processor: MobileNetV2ImageProcessor;
  /** For every call of the processor. */
  options: ProcessOptions;
  /** Whether the picture itself is wanted as well. */
  keepImage: boolean;
}

export interface Prepared {
  /** [1,C,H,W] */
  pixel_values: Tensor<'float32'>;
  /** Null unless it was wanted. */
  image: RawImage | null;
}

export async function prepare(image: RawImage, { processor, options, keepImage }: Preparation): Promise<Prepared> {
  const { pixel_values } = await processor(image, options);
  return { pixel_values, image: keepImage ? image : null };
}
