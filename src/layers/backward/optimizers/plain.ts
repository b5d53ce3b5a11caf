/**
 * Optimizers. Each value is computed in float64 and what is remembered is rounded to float32, so that a step is the same
 * whether it follows the last one or a checkpoint.
 */
import type { PlainKernel } from '../../kernel.js';
import type { AdamSpec, RmspropSpec, SgdSpec } from '../spec.js';

/** torch/optim/sgd.py */
export const sgd: PlainKernel<SgdSpec> = {
  op: 'sgd',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x = gradient · other = momentum's buffer [size], if there is momentum → y = weights */
  run(spec, { x, other: buffer, y }) {
    const { size, learningRate, weightDecay, gradientScale, momentum, dampening, nesterov, first } = spec;
    for (let i = 0; i < size; i++) {
      let step = x[i] * gradientScale + weightDecay * y[i];
      if (momentum !== 0) {
        buffer[i] = first ? step : buffer[i] * momentum + step * (1 - dampening);
        step = nesterov ? step + momentum * buffer[i] : buffer[i];
      }
      y[i] -= learningRate * step;
    }
  },
};

/** torch/optim/rmsprop.py. Rounding can make the variance of a constant gradient negative; here that is 0, there NaN. */
export const rmsprop: PlainKernel<RmspropSpec> = {
  op: 'rmsprop',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x = gradient · other [S,size] → y = weights */
  run(spec, { x, other, y }) {
    const { size, learningRate, weightDecay, gradientScale, alpha, epsilon, momentum, centered } = spec;
    const squares = other.subarray(0, size);
    const buffer = other.subarray(size, 2 * size);
    const means = other.subarray(momentum > 0 ? 2 * size : size);
    for (let i = 0; i < size; i++) {
      const gradient = x[i] * gradientScale + weightDecay * y[i];
      squares[i] = squares[i] * alpha + gradient * gradient * (1 - alpha);
      let variance = squares[i];
      if (centered) {
        means[i] += (gradient - means[i]) * (1 - alpha);
        variance = Math.max(variance - means[i] * means[i], 0);
      }
      let step = gradient / (Math.sqrt(variance) + epsilon);
      if (momentum > 0) {
        buffer[i] = buffer[i] * momentum + step;
        step = buffer[i];
      }
      y[i] -= learningRate * step;
    }
  },
};

/** torch/optim/adam.py and adamw.py */
export const adam: PlainKernel<AdamSpec> = {
  op: 'adam',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x = gradient · other [2,size] → y = weights */
  run(spec, { x, other, y }) {
    const { size, learningRate, weightDecay, gradientScale, decoupled, beta1, beta2, epsilon, step } = spec;
    const means = other.subarray(0, size);
    const squares = other.subarray(size, 2 * size);
    const stepSize = learningRate / (1 - beta1 ** step);
    const correction = Math.sqrt(1 - beta2 ** step);
    const keep = decoupled ? 1 - learningRate * weightDecay : 1;
    const decay = decoupled ? 0 : weightDecay;
    for (let i = 0; i < size; i++) {
      const weight = y[i] * keep;
      const gradient = x[i] * gradientScale + decay * weight;
      means[i] += (gradient - means[i]) * (1 - beta1);
      squares[i] = squares[i] * beta2 + gradient * gradient * (1 - beta2);
      y[i] = weight - (stepSize * means[i]) / (Math.sqrt(squares[i]) / correction + epsilon);
    }
  },
};
