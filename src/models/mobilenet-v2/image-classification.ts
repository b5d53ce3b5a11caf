/** The network that says what a picture shows. */
import { MobileNetError } from '../../base/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import { classificationGraph } from './architecture.js';
import type { MobileNetV2Config } from './config.js';
import { type ForwardOptions, inputsOf, type ModelInputs } from './inputs.js';
import { classificationLoss } from './loss.js';
import { type ModelOptions, poolOf } from './model-options.js';
import { MobileNetV2PreTrainedModel } from './pretrained.js';
import type { State } from './weights.js';

/** What `MobileNetV2ForImageClassification` gives. */
export interface ImageClassifierOutput {
  /** [N,K] before softmax; with `pool: '7x7'` [N,K,rows,columns]. */
  logits: Tensor<'float32'>;
  loss?: number;
  hidden_states?: Tensor<'float32'>[];
}

/** The network with a linear classifier on the pooled features. */
export class MobileNetV2ForImageClassification extends MobileNetV2PreTrainedModel<ImageClassifierOutput> {
  constructor(config: MobileNetV2Config, options: ModelOptions & { state?: State } = {}) {
    super(classificationGraph(config, poolOf(options)), config, options);
  }

  protected override get architecture(): string {
    return 'MobileNetV2ForImageClassification';
  }

  protected override taskOutputs(): string[] {
    return ['logits'];
  }

  override async forward(given: ModelInputs | Tensor, options?: ForwardOptions): Promise<ImageClassifierOutput> {
    const inputs = inputsOf(given, options);
    const { results, hidden_states } = await this.compute(inputs);
    const logits = results.get('logits')!;
    const output: ImageClassifierOutput = { logits, ...(hidden_states && { hidden_states }) };
    if (inputs.labels !== undefined) {
      if (logits.dims.length !== 2) throw new MobileNetError('ARG', "labels: there is no loss with pool: '7x7'");
      output.loss = classificationLoss(logits, inputs.labels, this.config);
    }
    return output;
  }
}
