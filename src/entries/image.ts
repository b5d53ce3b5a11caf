/**
 * `mobilenet-v2/image`: pictures without a network. They are read, resized as Pillow does it and made into tensors, and
 * segmentations are made into masks; no kernel is in its import graph.
 */
export { env } from '../base/env.js';
export { type ErrorCode, type ErrorPlace, MobileNetError } from '../base/errors.js';
export type { Folder } from '../base/folder.js';
export type { Limits } from '../base/limits.js';
export type { DecodedImage, OpenRows, Pixels, RowSink, RowsAhead, RowsGiven } from '../base/pixels.js';
export type { FolderStore, JpegDecoding, Platform } from '../base/platform.js';
export type { CanvasLike, DrawableLike, ImageDataLike } from '../images/drawable.js';
export { type EveryFrameOptions, everyFrame, type VideoLike } from '../images/every-frame.js';
export {
  type ChannelOrder,
  type ImageInput,
  load_image,
  RawImage,
  type ReadOptions,
  type ResizeOptions,
} from '../images/raw-image.js';
export type { ResamplingName, ResamplingNumber } from '../images/resize/filters.js';
export type { EncodedInput } from '../images/source.js';
export {
  type ClassMap,
  type Color,
  type ColorizeOptions,
  colorize,
  type LegendEntry,
  legend,
  type OverlayOptions,
  overlay,
} from '../processors/colorize.js';
export type { Geometry } from '../processors/geometry.js';
export {
  type ImageProcessorOptions,
  MobileNetV2FeatureExtractor,
  MobileNetV2ImageProcessor,
  MobileNetV2ImageProcessor as AutoImageProcessor,
  MobileNetV2ImageProcessor as AutoProcessor,
  type ProcessOptions,
  type ProcessorInput,
  type ProcessorOutput,
} from '../processors/image-processor.js';
export type { ChannelFormat, Size } from '../processors/option-values.js';
export type { SegmentationOutput, TargetSizes } from '../processors/postprocess.js';
export { cos_sim, dot, log_softmax, magnitude, softmax, type Vector } from '../tensor/maths.js';
export {
  cat,
  full,
  full_like,
  matmul,
  mean,
  ones,
  ones_like,
  permute,
  rand,
  randn,
  stack,
  std_mean,
  topk,
  zeros,
  zeros_like,
} from '../tensor/operations.js';
export type { Dims } from '../tensor/shape.js';
export {
  type Element,
  type FloatOf,
  type NestedList,
  type Scalar,
  type SliceRange,
  type SumOf,
  Tensor,
  type TensorData,
  type TensorType,
} from '../tensor/tensor.js';
