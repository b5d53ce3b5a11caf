/**
 * The public surface. `mobilenet-v2` resolves to node.ts in Node and to web.ts elsewhere: the same, with files and
 * codecs in place.
 */
// For `Symbol.dispose` in the declarations, where a project's own `lib` is older.
/// <reference lib="esnext.disposable" preserve="true" />
export {
  type DecodedImage,
  env,
  type Folder,
  type HubOptions,
  type HubSettings,
  type Limits,
  type Platform,
  type ProgressInfo,
  type ResponseCache,
  type WorkerHandle,
} from './base/env.js';
export { type ErrorCode, type ErrorPlace, MobileNetError } from './base/errors.js';
export type { Engine } from './layers/spec.js';
export type { Graph, Node as GraphNode } from './models/graph.js';
export {
  MobileNetV2Config,
  MobileNetV2Config as AutoConfig,
  type MobileNetV2ConfigFields,
  type MobileNetV2ConfigOptions,
  type ProblemType,
} from './models/mobilenet-v2/config.js';
export {
  type BaseModelOutput,
  type FromPretrainedOptions,
  type ImageClassifierOutput,
  MobileNetV2ForImageClassification,
  MobileNetV2ForImageClassification as AutoModelForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ForSemanticSegmentation as AutoModelForSemanticSegmentation,
  MobileNetV2Model,
  MobileNetV2Model as AutoModel,
  MobileNetV2PreTrainedModel,
  type ModelInputs,
  type ModelOptions,
  type ProfileOptions,
  type SavePretrainedOptions,
  type SemanticSegmenterOutput,
} from './models/mobilenet-v2/model.js';
export type { State } from './models/mobilenet-v2/weights.js';
export type { Device } from './models/runtime/choose.js';
export type { Layer, ReceptiveField } from './models/runtime/layers.js';
export { describePlan, type InputDims, type Plan, type PlanOutput, type Step } from './models/runtime/plan.js';
export type { Profile, ProfileRow, ProfileStep } from './models/runtime/profile.js';
export {
  type ClassificationOptions,
  type ClassificationResult,
  type Explanation,
  type FeatureOptions,
  ImageClassificationPipeline,
  ImageFeatureExtractionPipeline,
  ImageSegmentationPipeline,
  type PipelineOf,
  type PipelineOptions,
  pipeline,
  type SegmentationOptions,
  type SegmentationResult,
  type Task,
} from './pipeline.js';
export type { DrawableLike } from './processors/drawable.js';
export { type EveryFrameOptions, every_frame, type VideoLike } from './processors/every-frame.js';
export type { Geometry } from './processors/geometry.js';
export {
  type ImageInput as ProcessorInput,
  type ImageProcessorOptions,
  MobileNetV2FeatureExtractor,
  MobileNetV2ImageProcessor,
  MobileNetV2ImageProcessor as AutoImageProcessor,
  type ProcessOptions,
  type ProcessorOutput,
} from './processors/image-processor.js';
export type { ChannelFormat, Size } from './processors/options.js';
export type { Pixels } from './processors/pixels.js';
export type { SegmentationOutput, TargetSizes } from './processors/postprocess.js';
export {
  type CanvasLike,
  type ChannelOrder,
  type ImageDataLike,
  type ImageInput,
  load_image,
  RawImage,
  type ResizeOptions,
} from './processors/raw-image.js';
export type { ResamplingName, ResamplingNumber } from './processors/resize.js';
export type { Dims } from './tensor/shape.js';
export { type NestedList, type SliceRange, Tensor, type TensorData, type TensorType } from './tensor/tensor.js';
