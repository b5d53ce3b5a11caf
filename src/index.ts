/** The public surface. In Node, `mobilenet-v2` resolves to node.ts: the same, with files and codecs. */
export { env, type Folder, type Limits, type Platform } from './base/env.js';
export { type ErrorCode, MobileNetError } from './base/errors.js';
export { MobileNetV2Config, MobileNetV2Config as AutoConfig } from './models/mobilenet-v2/config.js';
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
  type ModelInputs,
  type ModelOptions,
  type SemanticSegmenterOutput,
} from './models/mobilenet-v2/model.js';
export { describePlan, type Plan, type Step } from './models/runtime/plan.js';
export {
  type ClassificationResult,
  ImageClassificationPipeline,
  ImageFeatureExtractionPipeline,
  ImageSegmentationPipeline,
  pipeline,
  type SegmentationResult,
  type Task,
} from './pipeline.js';
export {
  MobileNetV2FeatureExtractor,
  MobileNetV2ImageProcessor,
  MobileNetV2ImageProcessor as AutoImageProcessor,
} from './processors/image-processor.js';
export { load_image, RawImage } from './processors/raw-image.js';
export { Tensor, type TensorType } from './tensor/tensor.js';
