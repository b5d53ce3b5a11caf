/** Cases of training goldens (test/goldens/training): models of the formula, and the tolerances of the README there. */
import { readFileSync } from 'node:fs';
import {
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  Tensor,
} from '../../src/entries/main-node.js';
import { type FormulaLabels, formulaLabels, formulaMask, formulaTensor } from './formula.js';
import { shared } from './shared.js';

export interface NetworkCase {
  name: string;
  class: string;
  config: Record<string, unknown>;
  pixel_values: number[];
  labels: FormulaLabels & { override?: Record<string, number> };
  mode: 'train' | 'eval' | 'frozen';
  trainable: string[] | null;
  loss: number;
  grad_norm: number;
  zero_gradients: string[];
  float32_deviation: Record<'grad' | 'stat' | 'logits', [number, string] | undefined>;
  probes: Record<string, number[]>;
}

export function trainingCases<T>(file: string): T[] {
  return (JSON.parse(readFileSync(shared(`goldens/training/${file}`), 'utf8')) as { cases: T[] }).cases;
}

/** A model whose weights are the formula's. */
export function formulaModel(
  { class: kind, config: fields }: Pick<NetworkCase, 'class' | 'config'>,
  options: { device: 'reference' | 'js' | 'wasm'; threads: number },
) {
  const { num_labels, ...rest } = fields;
  const config = new MobileNetV2Config({ ...rest, num_labels } as ConstructorParameters<typeof MobileNetV2Config>[0]);
  const model =
    kind === 'MobileNetV2ForImageClassification'
      ? new MobileNetV2ForImageClassification(config, options)
      : new MobileNetV2ForSemanticSegmentation(config, options);
  const state = new Map<string, Tensor>();
  for (const [name, { type, dims }] of model.state_dict()) {
    if (type === 'float32') state.set(name, new Tensor('float32', formulaTensor(name, dims), dims));
  }
  model.load_state_dict(state);
  return model;
}

/** Labels of a case. @param name `labels`, or `labels.STEP` of steps.json */
export function labelsOf({ override = {}, ...labels }: NetworkCase['labels'], name = 'labels'): Tensor {
  const { data, dims } = formulaLabels(labels, name);
  for (const [index, value] of Object.entries(override)) (data as BigInt64Array)[Number(index)] = BigInt(value);
  return data instanceof BigInt64Array ? new Tensor('int64', data, dims) : new Tensor('float32', data, dims);
}

/** The mask of dropout, with its factor; undefined without dropout. */
export function dropoutOf(
  name: string,
  probability: number,
  batch: number,
  channels: number,
): Tensor<'float32'> | undefined {
  if (probability === 0) return undefined;
  const dims = [batch, channels];
  return new Tensor('float32', formulaMask(name, dims, 1 - probability), dims);
}

export const pictures = (dims: readonly number[], name = 'pixel_values'): Tensor<'float32'> =>
  new Tensor('float32', formulaTensor(name, dims, 'value'), dims);

/** The largest difference, of the largest number that is expected. */
export function deviation(got: Float32Array, wanted: ArrayLike<number>): number {
  if (got.length !== wanted.length) return Infinity;
  let largest = 1e-12;
  let worst = 0;
  for (let i = 0; i < got.length; i++) {
    largest = Math.max(largest, Math.abs(wanted[i]!));
    const difference = Math.abs(got[i] - wanted[i]!);
    if (!(difference <= worst)) worst = difference;
  }
  return worst / largest;
}

/** [norm, sum, dot product with formula('probe.' + name)]. */
export function probeOf(name: string, values: Float32Array, dims: readonly number[]): [number, number, number] {
  const other = formulaTensor(`probe.${name}`, dims, 'value');
  let [squares, sum, dot] = [0, 0, 0];
  for (const [i, value] of values.entries()) {
    squares += value * value;
    sum += value;
    dot += value * other[i];
  }
  return [Math.sqrt(squares), sum, dot];
}
