/** Derivatives of the activation functions of ../../activation/plain.ts, by the same names. At a kink they are PyTorch's. */
import { type ActivationFunction, activationFunction, erf, sigmoid, softplus } from '../../activation/plain.js';
import type { PlainKernel } from '../../kernel.js';
import type { FusedActivation } from '../../spec.js';
import type { ActivationDxSpec } from '../spec.js';

// Written so that NaN is let through: what is not a number must not look like a unit at rest.
const relu: ActivationFunction = (x) => (x <= 0 ? 0 : 1);
const relu6: ActivationFunction = (x) => (x <= 0 || x >= 6 ? 0 : 1);

/** Of x · σ(a·x). */
const swish =
  (a: number): ActivationFunction =>
  (x) => {
    const s = sigmoid(a * x);
    return s + a * x * s * (1 - s);
  };

/** (x · Φ(x))′ = Φ(x) + x · φ(x) */
const gelu: ActivationFunction = (x) =>
  0.5 * (1 + erf(x * Math.SQRT1_2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);

/** Of ½ · x · (1 + tanh(k · (x + 0.044715 · x³))). */
const geluTanh =
  (k: number): ActivationFunction =>
  (x) => {
    const t = Math.tanh(k * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x);
  };

const mish: ActivationFunction = (x) => {
  const t = Math.tanh(softplus(x));
  return t + x * (1 - t * t) * sigmoid(x);
};

const gelu10 = activationFunction('gelu');
const accurate = geluTanh(Math.sqrt(2 / Math.PI));

const DERIVATIVES = new Map<string, ActivationFunction>([
  ['gelu', gelu],
  ['gelu_10', (x) => (Math.abs(gelu10(x)) > 10 ? 0 : gelu(x))],
  ['gelu_fast', geluTanh(0.7978845608)],
  ['gelu_new', accurate],
  ['gelu_python', gelu],
  ['gelu_pytorch_tanh', accurate],
  ['gelu_python_tanh', accurate],
  ['gelu_accurate', accurate],
  ['hardswish', (x) => (x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5)],
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: the function is defined with these digits
  ['laplace', (x) => Math.exp(-(((x - 0.707107) / 0.282095) ** 2) / 2) / (0.282095 * Math.sqrt(2 * Math.PI))],
  ['leaky_relu', (x) => (x <= 0 ? 0.01 : 1)],
  ['linear', () => 1],
  ['mish', mish],
  ['quick_gelu', swish(1.702)],
  ['relu', relu],
  ['relu2', (x) => 2 * Math.max(x, 0)],
  ['relu6', relu6],
  ['sigmoid', (x) => sigmoid(x) * (1 - sigmoid(x))],
  ['silu', swish(1)],
  // Far below 0 this is ½ · √eˣ, where quotients of what rounds to 0 would be NaN.
  ['sqrtsoftplus', (x) => (x < -40 ? 0.5 * Math.exp(x / 2) : sigmoid(x) / (2 * Math.sqrt(softplus(x))))],
  ['swish', swish(1)],
  ['tanh', (x) => 1 - Math.tanh(x) ** 2],
]);

/** The names that have a derivative: all that a model may have. */
export const DERIVATIVE_NAMES: readonly string[] = [...DERIVATIVES.keys()];

/** Whether a gradient passes a clamp whose input, or output, was x. */
export function passes(activation: FusedActivation, x: number): boolean {
  return activation === 'none' || (activation === 'relu6' ? relu6 : relu)(x) !== 0;
}

/** y = dy · f′(x), elementwise, in float64 rounded once. */
export const activationDx: PlainKernel<ActivationDxSpec> = {
  op: 'activation_dx',
  supports: (spec) => DERIVATIVES.has(spec.function),
  pack: (_spec, weights) => weights,

  run(spec, { x, other: dy, y }) {
    const derivative = DERIVATIVES.get(spec.function)!;
    for (let i = 0; i < spec.size; i++) {
      const slope = derivative(x[i]);
      // Not a product: 0 · ∞ is not a number.
      y[i] = slope === 0 ? 0 : dy[i] * slope;
    }
  },
};
