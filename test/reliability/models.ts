/** Models for faults to happen to: small, with weights large enough that results differ from input to input. */
import {
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  type ModelOptions,
} from '../../src/entries/main-node.js';

const SMALL = { depth_multiplier: 0.35, num_labels: 21, initializer_range: 0.2 };

export const classifier = (options: ModelOptions = {}, config: object = {}): MobileNetV2ForImageClassification =>
  new MobileNetV2ForImageClassification(new MobileNetV2Config({ ...SMALL, ...config }), { seed: 5, ...options });
