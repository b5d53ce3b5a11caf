/**
 * Class-activation maps: Zhou, Khosla, Lapedriza, Oliva, Torralba, "Learning Deep Features for Discriminative
 * Localization", CVPR 2016 (arXiv:1512.04150), section 2. The network ends in a mean over the picture and a linear
 * classifier, and a mean of sums is a sum of means: the classifier may as well be applied at every place first. What
 * it says there is how much that place speaks for the class.
 */
import { MobileNetError, show } from '../../base/errors.js';
import { Tensor } from '../../tensor/tensor.js';

/**
 * The map of class `k`: its row of the classifier over the channels of every place. The map's mean and the class's
 * bias together are its logit.
 * @param features [1,C,h,w], the last feature map, before pooling
 * @param weights [K,C] of the classifier
 * @returns [h,w], in units of the logit
 */
export function classActivationMap(
  features: Tensor<'float32'>,
  weights: Tensor | undefined,
  k: number,
): Tensor<'float32'> {
  const [batch, channels, height, width] = features.dims;
  if (weights?.dims.length !== 2 || weights.dims[1] !== channels || batch !== 1) {
    const got = weights === undefined ? 'a model without classifier' : show(weights.dims);
    throw new MobileNetError('ARG', `explain: expected a classifier [K,${channels}] for one picture, got ${got}`);
  }
  const places = height * width;
  const sums = new Float64Array(places);
  for (let c = 0; c < channels; c++) {
    const weight = weights.data[k * channels + c] as number;
    for (let at = 0; at < places; at++) sums[at] += weight * features.data[c * places + at];
  }
  return new Tensor('float32', new Float32Array(sums), [height, width]);
}
