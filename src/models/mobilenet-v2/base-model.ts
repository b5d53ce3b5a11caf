/** The network without a head: features of a picture. */
import type { Tensor } from '../../tensor/tensor.js';
import { baseGraph } from './architecture.js';
import type { MobileNetV2Config } from './config.js';
import { type ForwardOptions, inputsOf, type ModelInputs } from './inputs.js';
import { type ModelOptions, poolOf } from './model-options.js';
import { MobileNetV2PreTrainedModel } from './pretrained.js';
import type { State } from './weights.js';

/** What `MobileNetV2Model` gives. */
export interface BaseModelOutput {
  /** [N,C,h,w], the output of `conv_1x1`. */
  last_hidden_state: Tensor<'float32'>;
  /** [N,C]; with `pool: '7x7'` [N,C,rows,columns]; absent without a pooling layer. */
  pooler_output?: Tensor<'float32'>;
  hidden_states?: Tensor<'float32'>[];
}

/** The network without a head. */
export class MobileNetV2Model extends MobileNetV2PreTrainedModel<BaseModelOutput> {
  constructor(config: MobileNetV2Config, options: ModelOptions & { state?: State } = {}) {
    super(baseGraph(config, options?.add_pooling_layer === false ? null : poolOf(options)), config, options);
  }

  protected override get architecture(): string {
    return 'MobileNetV2Model';
  }

  protected override taskOutputs(): string[] {
    return this.graph.outputs.has('pooler_output') ? ['last_hidden_state', 'pooler_output'] : ['last_hidden_state'];
  }

  override async forward(given: ModelInputs | Tensor, options?: ForwardOptions): Promise<BaseModelOutput> {
    const inputs = inputsOf(given, options);
    const { results, hidden_states } = await this.compute(inputs);
    const pooler_output = results.get('pooler_output');
    return {
      last_hidden_state: results.get('last_hidden_state')!,
      ...(pooler_output && { pooler_output }),
      ...(hidden_states && { hidden_states }),
    };
  }
}
