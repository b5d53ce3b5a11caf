/** From a picture's file to what a network takes or gives: the work of the picture threads, and of the main thread without them. */
import { load_image, type RawImage } from '../../images/raw-image.js';
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
  /** [1,C,H,W]; null where the thread has given it to a network of its own. */
  pixel_values: Tensor<'float32'> | null;
  /** What that network made of it. */
  output: Tensor<'float32'> | null;
  /** Null unless it was wanted. */
  image: RawImage | null;
}

/** Where the picture itself is not wanted, it is resized while it is decoded, and never in memory. */
export async function prepareFile(file: string, preparation: Preparation): Promise<Prepared> {
  const { processor, options, keepImage } = preparation;
  if (keepImage) return prepare(await load_image(file), preparation);
  const { pixel_values } = await processor(file, options);
  return { pixel_values, output: null, image: null };
}

export async function prepare(image: RawImage, { processor, options, keepImage }: Preparation): Promise<Prepared> {
  const { pixel_values } = await processor(image, options);
  return { pixel_values, output: null, image: keepImage ? image : null };
}
