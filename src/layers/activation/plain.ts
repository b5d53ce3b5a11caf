/**
 * Activation functions, under the names `hidden_act` of a Hugging Face config may have (ACT2FN in transformers'
 * activations.py). ReLU and ReLU6 are normally fused into the convolution before them; the others are steps of their own.
 */
import { listNames, MobileNetError, show } from '../../base/errors.js';
import type { PlainKernel } from '../kernel.js';
import type { ActivationSpec } from '../spec.js';

export type ActivationFunction = (x: number) => number;

/**
 * erf(x) = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·5···(2n+1))   (https://dlmf.nist.gov/7.6.E2)
 *
 * All terms have one sign, so nothing cancels and the sum is good to float64's last digits. Beyond 6 the result rounds
 * to ±1. About 20 terms for |x| near 1.
 */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let odd = 3; Math.abs(term) > Math.abs(sum) * 1e-17; odd += 2) {
    term *= (2 * x * x) / odd;
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

// Math.max and Math.min let NaN through.
const relu: ActivationFunction = (x) => Math.max(x, 0);
const relu6: ActivationFunction = (x) => Math.min(Math.max(x, 0), 6);
export const sigmoid: ActivationFunction = (x) => 1 / (1 + Math.exp(-x));
const silu: ActivationFunction = (x) => x * sigmoid(x);
/** ln(1 + eˣ), which beyond 20 is x to float32's last digit, and written so by PyTorch. */
export const softplus: ActivationFunction = (x) => (x > 20 ? x : Math.log1p(Math.exp(x)));
/** x · Φ(x), Φ the normal distribution's: https://arxiv.org/abs/1606.08415 */
const gelu: ActivationFunction = (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2));
/** Its approximation by tanh. */
const geluTanh: ActivationFunction = (x) =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));

const FUNCTIONS = new Map<string, ActivationFunction>([
  ['gelu', gelu],
  ['gelu_10', (x) => Math.max(-10, Math.min(10, gelu(x)))],
  ['gelu_fast', (x) => 0.5 * x * (1 + Math.tanh(x * 0.7978845608 * (1 + 0.044715 * x * x)))],
  ['gelu_new', geluTanh],
  ['gelu_python', gelu],
  ['gelu_pytorch_tanh', geluTanh],
  ['gelu_python_tanh', geluTanh],
  ['gelu_accurate', geluTanh],
  ['hardswish', (x) => (x * relu6(x + 3)) / 6],
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: the function is defined with these digits
  ['laplace', (x) => 0.5 * (1 + erf((x - 0.707107) / (0.282095 * Math.SQRT2)))],
  ['leaky_relu', (x) => (x < 0 ? 0.01 * x : x)],
  ['linear', (x) => x],
  ['mish', (x) => x * Math.tanh(softplus(x))],
  ['quick_gelu', (x) => x * sigmoid(1.702 * x)],
  ['relu', relu],
  ['relu2', (x) => relu(x) ** 2],
  ['relu6', relu6],
  ['sigmoid', sigmoid],
  ['silu', silu],
  ['sqrtsoftplus', (x) => Math.sqrt(softplus(x))],
  ['swish', silu],
  ['tanh', Math.tanh],
]);

/** Functions that transformers knows, but that learn parameters, for which a MobileNetV2 checkpoint has no place. */
const WITH_PARAMETERS = ['prelu', 'xielu'];

/** Every name that {@link activationFunction} takes. */
export const ACTIVATION_NAMES: readonly string[] = [...FUNCTIONS.keys()];

/** The function of that name. Throws UNSUPPORTED for any other, with the list. */
export function activationFunction(name: string): ActivationFunction {
  const found = FUNCTIONS.get(name);
  if (found !== undefined) return found;
  const why = WITH_PARAMETERS.includes(name) ? 'has parameters of its own, which is not supported' : 'is not known';
  const known = listNames(ACTIVATION_NAMES, ACTIVATION_NAMES.length);
  throw new MobileNetError('UNSUPPORTED', `activation ${show(name)} ${why}; expected one of ${known}`);
}

/**
 * y = f(x), elementwise, in float64 rounded once. One implementation serves every engine: the exponentials dominate.
 * A model has one `hidden_act`, so the call of `f` in the loop is inlined as long as no other model runs.
 */
export const activation: PlainKernel<ActivationSpec> = {
  op: 'activation',
  supports: (spec) => FUNCTIONS.has(spec.function),
  pack: (_spec, weights) => weights,

  run(spec, { x, y }) {
    const f = activationFunction(spec.function);
    for (let i = 0; i < spec.size; i++) y[i] = f(x[i]);
  },
};
