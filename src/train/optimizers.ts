/** Optimizers by transformers' names, as what their kernels are told (layers/backward/spec.ts). */
import { expected, MobileNetError } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import type { Optimizer } from '../runtime/training/types.js';

/** What `optim_args` may hold, by PyTorch's names. */
export interface OptimizerOptions {
  /** Of `sgd` and `rmsprop`. Default 0. */
  momentum?: number;
  /** Of `sgd`. Default 0. */
  dampening?: number;
  /** Of `sgd`. Default false. */
  nesterov?: boolean;
  /** Of `rmsprop`: what the mean of squares keeps. Default 0.99. */
  alpha?: number;
  /** Of `rmsprop`. Default 1e-8. */
  eps?: number;
  /** Of `rmsprop`. Default false. */
  centered?: boolean;
}

interface AdamArguments {
  adam_beta1: number;
  adam_beta2: number;
  adam_epsilon: number;
}

/** Each with the options it takes. `adamw_torch_fused` is transformers' default, and the same formula. */
export const OPTIMIZERS = {
  adamw_torch: [],
  adamw_torch_fused: [],
  adam: [],
  sgd: ['momentum', 'dampening', 'nesterov'],
  rmsprop: ['momentum', 'alpha', 'eps', 'centered'],
} as const satisfies Record<string, readonly (keyof OptimizerOptions)[]>;

/** transformers' names, and `adam`: what it was before its weight decay was decoupled. */
export type OptimizerName = keyof typeof OPTIMIZERS;

/** What the session is told. */
export function optimizerOf(
  name: OptimizerName,
  { adam_beta1: beta1, adam_beta2: beta2, adam_epsilon: epsilon }: AdamArguments,
  options: OptimizerOptions,
): Optimizer {
  const { momentum = 0, dampening = 0, nesterov = false, alpha = 0.99, eps = 1e-8, centered = false } = options;
  if (name === 'sgd') return { op: 'sgd', momentum, dampening, nesterov };
  if (name === 'rmsprop') return { op: 'rmsprop', alpha, epsilon: eps, momentum, centered };
  return { op: 'adam', decoupled: name !== 'adam', beta1, beta2, epsilon };
}

/** What the optimizer remembers, by PyTorch's names, in the order in which kernels have it. */
export function memoryNames(optimizer: Optimizer): string[] {
  if (optimizer.op === 'adam') return ['exp_avg', 'exp_avg_sq'];
  if (optimizer.op === 'sgd') return optimizer.momentum === 0 ? [] : ['momentum_buffer'];
  const { momentum, centered } = optimizer;
  return ['square_avg', ...(momentum > 0 ? ['momentum_buffer'] : []), ...(centered ? ['grad_avg'] : [])];
}

/**
 * `optim_args`, as an object or as transformers writes it: `'momentum=0.9, nesterov=true'`.
 * @throws MobileNetError ARG
 */
export function checkOptimizerOptions(name: OptimizerName, given: string | OptimizerOptions): OptimizerOptions {
  const options = typeof given === 'string' ? fromText(given) : given;
  checkOptions(options, OPTIMIZERS[name], `optim_args of ${name}`);
  for (const [key, value] of Object.entries(options)) {
    const isFlag = key === 'nesterov' || key === 'centered';
    if (value === undefined || (isFlag ? typeof value === 'boolean' : Number.isFinite(value) && value >= 0)) continue;
    throw expected(`optim_args.${key}`, isFlag ? 'true or false' : 'a number from 0', value);
  }
  const { nesterov = false, momentum = 0, dampening = 0 } = options;
  if (!nesterov || (momentum > 0 && dampening === 0)) return options;
  throw new MobileNetError('ARG', 'optim_args: nesterov needs a momentum above 0, and no dampening');
}

function fromText(text: string): OptimizerOptions {
  const parts = text.replaceAll(' ', '').split(',');
  return Object.fromEntries(
    parts.map((part) => {
      const [key, value, ...more] = part.split('=');
      if (value === undefined || more.length > 0) throw expected('optim_args', "as in 'momentum=0.9'", text);
      if (/^(true|yes)$/i.test(value)) return [key, true];
      return [key, /^(false|no)$/i.test(value) ? false : Number(value)];
    }),
  );
}
