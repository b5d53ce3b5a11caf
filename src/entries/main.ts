/**
 * The public surface. `mobilenet-v2` resolves to main-node.ts in Node, to main-edge.ts on edge runtimes and to main-web.ts
 * elsewhere: the same, with files and codecs in place.
 *
 * To read the network, begin with models/mobilenet-v2/architecture.ts, whose TABLE_2 is the paper's. Batch norm moves into the
 * convolution before it in graph/passes/fold-batch-norm.ts; the arithmetic is in layers/batch-norm/fold.ts. What runs for a layer,
 * `npx mobilenet-v2 plan` says: `layer.3.conv_3x3` is `depthwise3x3_…__wasm`, which is layers/depthwise/wasm.ts.
 *
 * Names, here and in all other entries: what transformers, transformers.js, huggingface_hub or PyTorch have is called as it is
 * there (`from_pretrained`, `pixel_values`, `top_k`), so that code carries over. All of ours is camelCase (`multiplyAdds`,
 * `wasmModule`). test/entries/names.test.ts lists the names of theirs and holds all others to the rule.
 */
// For `Symbol.dispose` in the declarations, where a project's own `lib` is older.
/// <reference lib="esnext.disposable" preserve="true" />
export type { HubOptions, HubSettings, ProgressInfo, ResponseCache } from '../base/hub-options.js';
export type { WorkerHandle } from '../base/platform.js';
export type {
  ActivationNode,
  AddNode,
  BatchNormNode,
  ConcatNode,
  ConvNode,
  Graph,
  LinearNode,
  Node as GraphNode,
  PoolNode,
  ResizeNode,
} from '../graph/nodes.js';
export type { EngineName } from '../layers/spec.js';
export {
  type BaseModelOutput,
  MobileNetV2Model,
  MobileNetV2Model as AutoModel,
} from '../models/mobilenet-v2/base-model.js';
export {
  MobileNetV2Config,
  MobileNetV2Config as AutoConfig,
  type MobileNetV2ConfigFields,
  type MobileNetV2ConfigOptions,
  type ProblemType,
} from '../models/mobilenet-v2/config.js';
export type { GradientOptions, Gradients } from '../models/mobilenet-v2/gradients.js';
export {
  type ImageClassifierOutput,
  MobileNetV2ForImageClassification,
  MobileNetV2ForImageClassification as AutoModelForImageClassification,
} from '../models/mobilenet-v2/image-classification.js';
export type { ForwardOptions, ModelInputs } from '../models/mobilenet-v2/inputs.js';
export type {
  Dtype,
  FromPretrainedOptions,
  ModelOptions,
  SavePretrainedOptions,
} from '../models/mobilenet-v2/model-options.js';
export {
  MobileNetV2PreTrainedModel,
  type PlanOptions,
  type ProfileOptions,
} from '../models/mobilenet-v2/pretrained.js';
export {
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ForSemanticSegmentation as AutoModelForSemanticSegmentation,
  type SemanticSegmenterOutput,
} from '../models/mobilenet-v2/semantic-segmentation.js';
export type { State } from '../models/mobilenet-v2/weights.js';
export {
  type CallOptions,
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
  type ScoreFunction,
  type SegmentationOptions,
  type SegmentationResult,
  type Task,
} from '../pipeline.js';
export {
  describePlan,
  type InputDims,
  type Plan,
  type PlanOutput,
  type Step,
} from '../runtime/compile/plan.js';
export type { Layer, ReceptiveField } from '../runtime/describe-layers.js';
export type { MemoryMode } from '../runtime/engines/engine.js';
export type { Device } from '../runtime/engines/make.js';
export type { Profile, ProfileRow, ProfileStep } from '../runtime/profile.js';
export * from './image.js';
