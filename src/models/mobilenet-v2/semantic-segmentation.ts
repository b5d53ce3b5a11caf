/** The network that says what each part of a picture shows. */
import { MobileNetError } from '../../base/errors.js';
import { SHIPPED } from '../../base/folder.js';
import type { Tensor } from '../../tensor/tensor.js';
import { segmentationGraph } from './architecture.js';
import type { MobileNetV2Config } from './config.js';
import { type ForwardOptions, inputsOf, type ModelInputs } from './inputs.js';
import { segmentationLoss } from './loss.js';
import type { ModelOptions } from './model-options.js';
import { MobileNetV2PreTrainedModel } from './pretrained.js';
import type { State } from './weights.js';

/** What `MobileNetV2ForSemanticSegmentation` gives. */
export interface SemanticSegmenterOutput {
  /** [N,K,h,w] before softmax, at the size of the features: 1/output_stride of the input. */
  logits: Tensor<'float32'>;
  loss?: number;
  hidden_states?: Tensor<'float32'>[];
}

/** The network with the head of DeepLabV3+. */
export class MobileNetV2ForSemanticSegmentation extends MobileNetV2PreTrainedModel<SemanticSegmenterOutput> {
  /** @internal */
  static override readonly shipped: string = SHIPPED.segmentation;

  constructor(config: MobileNetV2Config, options: ModelOptions & { state?: State } = {}) {
    if (config?.num_labels < 1) {
      throw new MobileNetError('CONFIG', 'num_labels: segmentation needs at least one class, got 0');
    }
    super(segmentationGraph(config), config, options);
  }

  protected override get architecture(): string {
    return 'MobileNetV2ForSemanticSegmentation';
  }

  protected override taskOutputs(): string[] {
    return ['logits'];
  }

  override async forward(given: ModelInputs | Tensor, options?: ForwardOptions): Promise<SemanticSegmenterOutput> {
    const inputs = inputsOf(given, options);
    if (inputs.labels !== undefined && this.config.num_labels === 1) {
      throw new MobileNetError('ARG', 'labels: a segmentation loss needs more than one class');
    }
    const { results, hidden_states } = await this.compute(inputs);
    const logits = results.get('logits')!;
    const output: SemanticSegmenterOutput = { logits, ...(hidden_states && { hidden_states }) };
    if (inputs.labels !== undefined) {
      output.loss = segmentationLoss(logits, inputs.labels, this.config);
    }
    return output;
  }
}
