/**
 * The last layer by itself, on features of pictures that were computed once: y = x·Wᵀ + b, with x [N,C], W [K,C]. It is a
 * session like that of a whole network, whose pictures are features. Plain loops are enough: a batch of 32 for 10 classes is
 * 0.8 million multiply-adds.
 */
import { MobileNetError } from '../base/errors.js';
import { adam, rmsprop, sgd } from '../layers/backward/optimizers/plain.js';
import type { OptimizerSpec } from '../layers/backward/spec.js';
import { operandsOf } from '../layers/kernel.js';
import type {
  AccumulateOptions,
  BatchResult,
  LossOfPictures,
  Optimizer,
  OptimizerState,
  TrainedParameter,
  TrainingSession,
  UpdateOptions,
} from '../runtime/training/types.js';
import { Tensor } from '../tensor/tensor.js';
import { memoryNames } from './optimizers.js';

const WEIGHT = 'classifier.weight';
const BIAS = 'classifier.bias';

/** Weights and bias of the classifier while they are trained. */
export class HeadSession implements TrainingSession {
  readonly parameters: readonly TrainedParameter[];
  readonly classifierChannels: number;
  readonly threads = 1;
  /** Weights, then biases. */
  readonly #values: Float32Array;
  readonly #gradients: Float32Array;
  readonly #classes: number;
  #steps = 0;
  /** What the optimizer keeps: of the weights, of the biases. Empty before the first step. */
  #memory: Float32Array[] = [];

  /** @param state of the model; its classifier is copied */
  constructor(state: ReadonlyMap<string, Tensor>) {
    const weight = state.get(WEIGHT);
    const bias = state.get(BIAS);
    if (weight === undefined || bias === undefined)
      throw new MobileNetError('ARG', "train: 'head' needs a classifier, and the model has none (num_labels is 0)");
    const [classes, channels] = weight.dims as [number, number];
    this.#classes = classes;
    this.classifierChannels = channels;
    this.parameters = [
      { name: WEIGHT, dims: weight.dims, offset: 0, size: weight.size },
      { name: BIAS, dims: bias.dims, offset: weight.size, size: bias.size },
    ];
    this.#values = new Float32Array(weight.size + bias.size);
    this.#values.set(weight.data as Float32Array);
    this.#values.set(bias.data as Float32Array, weight.size);
    this.#gradients = new Float32Array(this.#values.length);
  }

  async zeroGradients(): Promise<void> {
    this.#gradients.fill(0);
  }

  /** @param features [N,C,1,1] */
  async accumulate(
    features: Float32Array,
    [batch]: readonly [number, number, number, number],
    lossOf: LossOfPictures,
    { dropout }: AccumulateOptions = {},
  ): Promise<BatchResult> {
    const x = dropout === undefined ? features : features.map((value, i) => value * dropout[i]);
    const logits = new Tensor('float32', this.#logits(x, batch), [batch, this.#classes]);
    const { loss, gradient } = lossOf(logits, 0);
    this.#addGradients(x, gradient, batch);
    return { loss, logits };
  }

  /** [N,K] of features [N,C]. */
  logits(features: Float32Array, batch: number): Tensor<'float32'> {
    return new Tensor('float32', this.#logits(features, batch), [batch, this.#classes]);
  }

  /** Four classes at a time: each feature is read once for them. */
  #logits(x: Float32Array, batch: number): Float32Array {
    const [classes, channels] = [this.#classes, this.classifierChannels];
    const values = this.#values;
    const biases = classes * channels;
    const y = new Float32Array(batch * classes);
    for (let n = 0; n < batch; n++) {
      const from = n * channels;
      let k = 0;
      for (; k + 4 <= classes; k += 4) {
        const [a, b, c, d] = [k * channels, (k + 1) * channels, (k + 2) * channels, (k + 3) * channels];
        let [p, q, r, s] = [0, 0, 0, 0];
        for (let i = 0; i < channels; i++) {
          const value = x[from + i];
          p += value * values[a + i];
          q += value * values[b + i];
          r += value * values[c + i];
          s += value * values[d + i];
        }
        const at = n * classes + k;
        y[at] = p + values[biases + k];
        y[at + 1] = q + values[biases + k + 1];
        y[at + 2] = r + values[biases + k + 2];
        y[at + 3] = s + values[biases + k + 3];
      }
      for (; k < classes; k++) {
        let sum = 0;
        for (let i = 0; i < channels; i++) sum += x[from + i] * values[k * channels + i];
        y[n * classes + k] = sum + values[biases + k];
      }
    }
    return y;
  }

  /** dW += dyᵀ·x, db += Σ dy; four pictures at a time. */
  #addGradients(x: Float32Array, dy: Float32Array, batch: number): void {
    const [classes, channels] = [this.#classes, this.classifierChannels];
    const into = this.#gradients;
    for (let k = 0; k < classes; k++) {
      const row = k * channels;
      let n = 0;
      for (; n + 4 <= batch; n += 4) {
        const [a, b, c, d] = [n * channels, (n + 1) * channels, (n + 2) * channels, (n + 3) * channels];
        const [p, q, r, s] = [0, 1, 2, 3].map((more) => dy[(n + more) * classes + k]) as [
          number,
          number,
          number,
          number,
        ];
        for (let i = 0; i < channels; i++)
          into[row + i] = into[row + i] + (p * x[a + i] + q * x[b + i] + r * x[c + i] + s * x[d + i]);
      }
      for (; n < batch; n++) {
        const factor = dy[n * classes + k];
        for (let i = 0; i < channels; i++) into[row + i] = into[row + i] + factor * x[n * channels + i];
      }
      let sum = 0;
      for (n = 0; n < batch; n++) sum += dy[n * classes + k];
      into[classes * channels + k] = into[classes * channels + k] + sum;
    }
  }

  async gradient(name: string): Promise<Float32Array> {
    const { offset, size } = this.#parameter(name);
    return this.#gradients.slice(offset, offset + size);
  }

  async gradientNorm(): Promise<number> {
    let sum = 0;
    for (let i = 0; i < this.#gradients.length; i++) sum += this.#gradients[i] * this.#gradients[i];
    return Math.sqrt(sum);
  }

  async update(optimizer: Optimizer, options: UpdateOptions): Promise<void> {
    const { learningRate, weightDecay = 0, decayed = 'all but biases', gradientScale = 1 } = options;
    this.#steps++;
    const count = memoryNames(optimizer).length;
    if (this.#memory.length === 0) this.#memory = this.parameters.map(({ size }) => new Float32Array(count * size));
    for (const [i, { name, offset, size }] of this.parameters.entries()) {
      const varying = { dtype: 'f32', size, learningRate, gradientScale } as const;
      const decays = name === WEIGHT || decayed === 'all';
      const x = this.#gradients.subarray(offset, offset + size);
      const y = this.#values.subarray(offset, offset + size);
      const spec = { ...optimizer, ...varying, weightDecay: decays ? weightDecay : 0 };
      run(withStep(spec, this.#steps), operandsOf({ x, other: this.#memory[i], y }));
    }
  }

  async state(): Promise<Map<string, Float32Array>> {
    return new Map(this.parameters.map(({ name, offset, size }) => [name, this.#values.slice(offset, offset + size)]));
  }

  async load(state: ReadonlyMap<string, Float32Array>): Promise<void> {
    for (const { name, offset } of this.parameters) {
      const values = state.get(name);
      if (values !== undefined) this.#values.set(values, offset);
    }
  }

  async optimizerState(): Promise<OptimizerState> {
    const memory = this.parameters.map(({ name, size }, i): [string, Float32Array[]] => {
      const all = this.#memory[i] ?? new Float32Array(0);
      return [name, Array.from({ length: all.length / size }, (_, at) => all.slice(at * size, (at + 1) * size))];
    });
    return { steps: this.#steps, memory: new Map(memory) };
  }

  async loadOptimizerState({ steps, memory }: OptimizerState): Promise<void> {
    this.#steps = steps;
    this.#memory = this.parameters.map(({ name, size }) => {
      const arrays = memory.get(name) ?? [];
      const all = new Float32Array(arrays.length * size);
      for (const [i, array] of arrays.entries()) all.set(array, i * size);
      return all;
    });
  }

  dispose(): void {}

  #parameter(name: string): TrainedParameter {
    const found = this.parameters.find((parameter) => parameter.name === name);
    if (found === undefined) throw new MobileNetError('ARG', `gradient: ${name} is not trained`);
    return found;
  }
}

type Unstepped = OptimizerSpec extends infer S ? (S extends OptimizerSpec ? Omit<S, 'first' | 'step'> : never) : never;

function withStep(spec: Unstepped, step: number): OptimizerSpec {
  if (spec.op === 'sgd') return { ...spec, first: step === 1 };
  return spec.op === 'adam' ? { ...spec, step } : spec;
}

function run(spec: OptimizerSpec, operands: ReturnType<typeof operandsOf>): void {
  if (spec.op === 'sgd') sgd.run(spec, operands);
  else if (spec.op === 'rmsprop') rmsprop.run(spec, operands);
  else adam.run(spec, operands);
}
