/**
 * A network while it is trained: its parameters and their gradients in an engine's memory, and the plans that add to the
 * gradients. `types.ts` says what the parts of a session promise.
 */
import { unlessAborted, yieldToEvents } from '../../base/abort.js';
import { isShared } from '../../base/brands.js';
import { expected, MobileNetError } from '../../base/errors.js';
import { type Graph, parametersOf, prune } from '../../graph/nodes.js';
import type { TrainingSpec } from '../../layers/backward/spec.js';
import type { Operands } from '../../layers/kernel.js';
import { elementCount, nchwToNhwc } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import type { WeightLookup } from '../compile/lower.js';
import type { InputDims } from '../compile/plan.js';
import { type Elements, type Engine, NOTHING, partOf, type Region, type Work } from '../engines/engine.js';
import { publish } from '../network.js';
import { trainingGraph } from './graph.js';
import { clear, type FoldedLayer, foldedLayers, StayingNumbers } from './numbers.js';
import { OptimizerMemory } from './optimizer.js';
import { type FlatParameters, flatten, isLearned } from './parameters.js';
import { makeTrainingPlan, type TrainingPlan } from './plan.js';
import { Rounds } from './rounds.js';
import type {
  AccumulateOptions,
  BatchResult,
  LossOfPictures,
  Optimizer,
  OptimizerState,
  SessionOptions,
  TrainingSession,
  UpdateOptions,
} from './types.js';
import { PackedStore } from './weights.js';

/** Plans kept: that of a group of pictures, and that of what is left of a batch. */
const MOST_PLANS = 2;
/** Pictures that go through together unless `picturesAtOnce` is given. */
const PICTURES_AT_ONCE = 1;

/** What a session is made of. */
export interface SessionJob {
  /** As models build it. */
  graph: Graph;
  /** The output that the loss looks at, and the node before which there is dropout. */
  output: string;
  dropsBefore: string;
  /** All tensors of real numbers by their names. They are copied, or left alone. */
  state: ReadonlyMap<string, Float32Array>;
  /** An engine of its own, with the kernels of training. */
  engine: Engine;
  options: SessionOptions;
}

export class Session implements TrainingSession {
  readonly parameters;
  readonly classifierChannels: number;
  readonly threads: number;
  readonly #job: SessionJob;
  readonly #engine: Engine;
  readonly #graph: Graph;
  readonly #flat: FlatParameters;
  /** What is not trained, as it is now. What is trained is here as it was at first, in the caller's own arrays; the engine has it now. */
  readonly #state: Map<string, Float32Array>;
  readonly #numbers: StayingNumbers;
  readonly #packed = new PackedStore();
  readonly #optimizer: OptimizerMemory;
  readonly #folded: readonly FoldedLayer[];
  readonly #looksAtBatch: (prefix: string) => boolean;
  readonly #rounds = new Map<string, Rounds>();
  /** Batches that norms have looked at, by their prefixes. */
  readonly #tracked = new Map<string, number>();
  /** Statistics as they were when gradients were zeroed, of norms that have looked at a batch since. */
  readonly #before = new Map<string, { means: Float32Array; variances: Float32Array; tracked: number }>();
  /** The flat parameters, while weights are packed. */
  #current: Float32Array | undefined;
  /** What has changed since weights were packed. */
  #stale: 'nothing' | 'trained' | 'all' = 'nothing';
  /** Gradients of folded weights have been made those of weights: nothing may be added to them. */
  #unfolded = false;
  #lastCall: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(job: SessionJob) {
    const { engine, output, options } = job;
    const wanted = prune(job.graph, [output]);
    const isTrained = trainedOnes(wanted, options.trainable);
    const ofBatch = options.batch_norm === 'train';
    this.#looksAtBatch = (prefix) => ofBatch && isTrained(`${prefix}.weight`);
    this.#job = job;
    this.#engine = engine;
    this.threads = engine.threads;
    this.#graph = trainingGraph(wanted, this.#looksAtBatch);
    this.#flat = flatten(wanted, isTrained);
    this.parameters = this.#flat.parameters;
    this.#state = new Map([...job.state].map(([name, own]) => [name, this.#flat.byName.has(name) ? own : own.slice()]));
    this.#numbers = new StayingNumbers(engine, this.#flat, this.#state);
    this.#optimizer = new OptimizerMemory(engine, this.#flat);
    this.#folded = foldedLayers(this.#graph, isTrained);
    this.classifierChannels = inChannelsOf(this.#graph, job.dropsBefore);
  }

  zeroGradients(): Promise<void> {
    return this.#alone(async () => this.#zero());
  }

  dropStep(): Promise<void> {
    return this.#alone(async () => {
      for (const [prefix, { means, variances, tracked }] of this.#before) {
        this.#state.get(`${prefix}.running_mean`)!.set(means);
        this.#state.get(`${prefix}.running_var`)!.set(variances);
        this.#tracked.set(prefix, tracked);
      }
      this.#zero();
    });
  }

  get batchesTracked(): ReadonlyMap<string, number> {
    return this.#tracked;
  }

  #zero(): void {
    this.#numbers.clearGradients();
    this.#unfolded = false;
    this.#before.clear();
  }

  accumulate(
    pixels: Float32Array,
    dims: InputDims,
    lossOf: LossOfPictures,
    options: AccumulateOptions = {},
  ): Promise<BatchResult> {
    const { signal } = options;
    return unlessAborted(
      this.#alone(() => {
        if (this.#unfolded) {
          throw new MobileNetError(
            'ARG',
            'accumulate: gradients were read since they were zeroed; call zeroGradients first',
          );
        }
        return this.#batch(pixels, dims, lossOf, options);
      }),
      signal,
    );
  }

  async forward(pixels: Float32Array, dims: InputDims, signal?: AbortSignal): Promise<Tensor<'float32'>> {
    const result = await unlessAborted(
      this.#alone(() => this.#batch(pixels, dims, null, { signal })),
      signal,
    );
    return result.logits;
  }

  gradient(name: string): Promise<Float32Array> {
    return this.#alone(async () => {
      if (!this.#flat.byName.has(name)) throw new MobileNetError('ARG', `gradient: ${name} is not trained`);
      await this.#unfold();
      return (await this.#engine.read(this.#numbers.gradient(name))).slice() as Float32Array;
    });
  }

  gradientNorm(): Promise<number> {
    return this.#alone(async () => {
      await this.#unfold();
      const y = this.#engine.allocate('f32', 1, 'the norm of gradients');
      await this.#do({ op: 'sum_of_squares', dtype: 'f32', size: this.#flat.size }, { x: this.#numbers.gradients, y });
      const sum = (await this.#engine.read(y))[0];
      this.#engine.free(y);
      return Math.sqrt(sum);
    });
  }

  update(optimizer: Optimizer, options: UpdateOptions): Promise<void> {
    return this.#alone(async () => {
      await this.#unfold();
      const specs = this.#optimizer.steps(optimizer, options);
      for (const { spec, offset, size, memory } of specs) {
        const x = partOf(this.#numbers.gradients, offset, size);
        await this.#do(spec, { x, other: memory, y: partOf(this.#numbers.parameters, offset, size) });
      }
      if (this.#stale === 'nothing') this.#stale = 'trained';
    });
  }

  state(): Promise<Map<string, Float32Array>> {
    return this.#alone(async () => {
      const flat = (await this.#engine.read(this.#numbers.parameters)) as Float32Array;
      return new Map(
        [...this.#state].map(([name, values]) => {
          const trained = this.#flat.byName.get(name);
          return [name, trained ? flat.slice(trained.offset, trained.offset + trained.size) : values.slice()];
        }),
      );
    });
  }

  load(state: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.#alone(async () => {
      for (const [name, values] of state) {
        const own = this.#state.get(name);
        if (own === undefined) throw new MobileNetError('ARG', `load: there is no tensor ${name}`);
        if (own.length !== values.length) {
          throw new MobileNetError('SHAPE', `load: ${name}: expected ${own.length} numbers, got ${values.length}`);
        }
      }
      for (const [name, values] of state) {
        if (this.#flat.byName.has(name)) this.#engine.write(this.#numbers.parameter(name), values);
        else this.#state.get(name)!.set(values);
      }
      this.#before.clear();
      this.#numbers.renewConstants();
      this.#stale = 'all';
    });
  }

  optimizerState(): Promise<OptimizerState> {
    return this.#alone(() => this.#optimizer.state());
  }

  loadOptimizerState(state: OptimizerState): Promise<void> {
    return this.#alone(async () => this.#optimizer.load(state));
  }

  dispose(): void {
    this.#disposed = true;
    this.#rounds.clear();
    this.#engine.dispose();
  }

  /** One after another: all use the same memory. */
  #alone<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#lastCall.then(() => {
      if (this.#disposed) throw new MobileNetError('DISPOSED', 'the training session was disposed; start another');
      return job();
    });
    this.#lastCall = result.catch(() => {});
    return result;
  }

  /** @param lossOf null for the way forward alone */
  async #batch(
    pixels: Float32Array,
    dims: InputDims,
    lossOf: LossOfPictures | null,
    { dropout, pixelGradient = false, signal }: AccumulateOptions,
  ): Promise<BatchResult> {
    signal?.throwIfAborted();
    const [batch, ...picture] = dims;
    const size = elementCount(picture);
    if (pixels.length !== batch * size)
      throw expected('accumulate', `${batch * size} pixels for [${dims.join(',')}]`, pixels.length);
    if (dropout !== undefined && dropout.length !== batch * this.classifierChannels)
      throw expected('dropout', `${batch} × ${this.classifierChannels} factors`, dropout.length);
    const together = this.#pictures(batch);
    await this.#engine.start();
    await this.#renew();
    const results: Tensor<'float32'>[] = [];
    const gradient = pixelGradient ? new Float32Array(pixels.length) : undefined;
    let loss = 0;
    for (let from = 0; from < batch; ) {
      const count = Math.min(together, batch - from);
      const rounds = this.#roundsOf([count, ...picture], dropout !== undefined, pixelGradient);
      const { plans, forward, backward } = await rounds.next(Math.floor((batch - from) / count));
      const first = (lane: number) => from + lane * count;
      for (const [lane, plan] of plans.entries()) this.#give(plan, first(lane), pixels, dropout);
      await run(forward, signal);
      for (const [lane, plan] of plans.entries()) {
        const logits = await this.#logits(plan);
        results.push(logits);
        if (lossOf === null) continue;
        const part = lossOf(logits, first(lane));
        loss += part.loss;
        this.#engine.write(plan.gradient, inside(part.gradient, plan));
      }
      if (lossOf !== null) await run(backward, signal);
      for (const [lane, plan] of plans.entries()) {
        if (gradient === undefined || plan.pixels === undefined) continue;
        gradient.set((await this.#engine.read(plan.pixels)) as Float32Array, first(lane) * size);
      }
      from += plans.length * count;
    }
    const logits = results.length === 1 ? results[0] : joined(results);
    return { loss, logits, ...(gradient && { pixelGradient: new Tensor('float32', gradient, [...dims]) }) };
  }

  /** Writes a group's pictures, the first of which is number `from`, and their factors of dropout to its plan. */
  #give({ input, factors, dims }: TrainingPlan, from: number, pixels: Float32Array, dropout?: Float32Array): void {
    const size = elementCount(dims.slice(1));
    const to = from + dims[0];
    this.#engine.write(input, pixels.subarray(from * size, to * size));
    if (dropout === undefined || factors === undefined) return;
    this.#engine.write(factors, dropout.subarray(from * this.classifierChannels, to * this.classifierChannels));
  }

  /** What the way forth made of a group; statistics of its norms go into the running ones. */
  async #logits({ moments, output: { value, region } }: TrainingPlan): Promise<Tensor<'float32'>> {
    for (const { prefix, region: seen, pixels } of moments) {
      this.#updateStatistics(prefix, (await this.#engine.read(seen)) as Float32Array, pixels);
    }
    return publish({ value, scale: null }, await this.#engine.read(region));
  }

  /** Whether pictures know of each other. */
  get #isOfBatch(): boolean {
    return this.#graph.nodes.some(({ op }) => op === 'batch_norm');
  }

  /** Pictures that go through together. */
  #pictures(batch: number): number {
    if (this.#isOfBatch) return batch;
    return Math.min(batch, this.#job.options.picturesAtOnce ?? PICTURES_AT_ONCE);
  }

  #roundsOf(dims: InputDims, drops: boolean, pixelGradient: boolean): Rounds {
    const key = `${dims.join('x')} ${drops} ${pixelGradient}`;
    const known = this.#rounds.get(key);
    if (known !== undefined) return known;
    for (const [other, rounds] of [...this.#rounds].slice(MOST_PLANS - 1)) {
      rounds.free();
      this.#rounds.delete(other);
    }
    const rounds = new Rounds(this.#engine, () => this.#plan(dims, drops, pixelGradient));
    this.#rounds.set(key, rounds);
    return rounds;
  }

  async #plan(dims: InputDims, drops: boolean, pixelGradient: boolean): Promise<TrainingPlan> {
    const { output, dropsBefore, options } = this.#job;
    const [batch, ...picture] = dims;
    // Plain loops gain nothing by it, and round sums once a batch.
    const byPicture = this.#isOfBatch && this.#engine.name === 'wasm';
    this.#current = lasting((await this.#engine.read(this.#numbers.parameters)) as Float32Array);
    const plan = makeTrainingPlan({
      graph: this.#graph,
      ...(byPicture ? { dims: [1, ...picture], times: batch } : { dims, times: 1 }),
      output: this.#graph.outputs.get(output)!,
      dropsBefore: drops ? dropsBefore : null,
      pixelGradient,
      recompute: options.recompute === true,
      isTrained: (name) => this.#flat.byName.has(name),
      weights: this.#weights,
      engine: this.#engine,
      packed: this.#packed,
      numbers: (name) => this.#numbers.region(name),
    });
    this.#current = undefined;
    return plan;
  }

  readonly #weights: WeightLookup = (name) => {
    const trained = this.#flat.byName.get(name);
    return trained === undefined
      ? this.#state.get(name)!
      : this.#current!.subarray(trained.offset, trained.offset + trained.size);
  };

  /** Packs what has changed. */
  async #renew(): Promise<void> {
    if (this.#stale === 'nothing') return;
    this.#current = (await this.#engine.read(this.#numbers.parameters)) as Float32Array;
    this.#packed.renew(this.#stale === 'all');
    this.#current = undefined;
    this.#stale = 'nothing';
  }

  /** Running statistics: the variance is the unbiased one, as in PyTorch. */
  #updateStatistics(prefix: string, moments: Float32Array, pixels: number): void {
    const means = this.#state.get(`${prefix}.running_mean`)!;
    const variances = this.#state.get(`${prefix}.running_var`)!;
    const tracked = this.#tracked.get(prefix) ?? 0;
    if (!this.#before.has(prefix))
      this.#before.set(prefix, { means: means.slice(), variances: variances.slice(), tracked });
    this.#tracked.set(prefix, tracked + 1);
    const momentum = this.#job.options.batch_norm_momentum ?? 0.1;
    const unbiased = pixels / (pixels - 1);
    const channels = means.length;
    for (let c = 0; c < channels; c++) {
      means[c] += momentum * (moments[c] - means[c]);
      variances[c] += momentum * (moments[channels + c] * unbiased - variances[c]);
    }
  }

  /** From gradients of folded weights to those of weights and norms (layers/backward/norm/fold.ts), once a step. */
  async #unfold(): Promise<void> {
    if (this.#unfolded || this.#folded.length === 0) return;
    this.#unfolded = true;
    const widest = Math.max(0, ...this.#folded.map(({ channels, perChannel }) => channels * perChannel));
    const scratch = this.#engine.allocate('f32', widest, 'gradients');
    for (const { weight, prefix, channels, perChannel, epsilon } of this.#folded) {
      const [gamma, beta] = [`${prefix}.weight`, `${prefix}.bias`];
      const sizes = { dtype: 'f32', channels, perChannel, epsilon } as const;
      const other = this.#numbers.statistics(prefix);
      const own = this.#numbers.gradient(weight);
      if (this.#flat.byName.has(gamma)) {
        const weights = this.#numbers.parameter(weight);
        const [bias, y] = [this.#numbers.gradient(beta), this.#numbers.gradient(gamma)];
        await this.#do({ op: 'fold_dgamma', ...sizes }, { x: own, weights, bias, other, y });
      }
      if (!this.#flat.byName.has(weight)) continue;
      const x = partOf(scratch, 0, own.length);
      this.#engine.write(x, await this.#engine.read(own));
      clear(this.#engine, own);
      await this.#do({ op: 'fold_dw', ...sizes }, { x, weights: this.#numbers.parameter(gamma), other, y: own });
    }
    this.#engine.free(scratch);
  }

  async #do(spec: TrainingSpec, used: Partial<Operands<Region>> & { y: Region }): Promise<void> {
    const unused = {
      x: NOTHING,
      weights: NOTHING,
      bias: NOTHING,
      multiplier: NOTHING,
      residual: NOTHING,
      other: NOTHING,
    };
    for (const work of this.#engine.kernelFor(spec).bind(spec, { ...unused, ...used })) await work();
  }
}

async function run(works: readonly Work[], signal: AbortSignal | undefined): Promise<void> {
  for (const work of works) {
    const pause = signal && yieldToEvents(signal);
    if (pause !== undefined) await pause;
    const pending = work();
    if (pending !== undefined) await pending;
  }
}

/** Packing takes memory, and memory that grows is elsewhere afterwards, unless it is shared. */
const lasting = (values: Float32Array): Float32Array => (isShared(values.buffer) ? values : values.slice());

/** A gradient in the public layout, as the network has it. */
function inside(gradient: Float32Array, { output: { value, region } }: TrainingPlan): Elements {
  if (gradient.length !== region.length) {
    throw new MobileNetError('ARG', `loss: expected a gradient of ${region.length} numbers, got ${gradient.length}`);
  }
  if (value.flat) return gradient;
  const result = new Float32Array(gradient.length);
  nchwToNhwc(gradient, result, value.batch, value.channels, value.height, value.width);
  return result;
}

/** Parts of a batch as one. */
function joined(parts: readonly Tensor<'float32'>[]): Tensor<'float32'> {
  const data = new Float32Array(parts.reduce((sum, { size }) => sum + size, 0));
  let at = 0;
  let batch = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.size;
    batch += part.dims[0];
  }
  return new Tensor('float32', data, [batch, ...parts[0].dims.slice(1)]);
}

/** @throws MobileNetError ARG for a prefix that no parameter's name begins with */
function trainedOnes(wanted: Graph, trainable: readonly string[] | undefined): (name: string) => boolean {
  const learned = parametersOf(wanted.nodes).filter(isLearned);
  for (const prefix of trainable ?? []) {
    if (learned.some(({ name }) => name.startsWith(prefix))) continue;
    throw new MobileNetError(
      'ARG',
      `trainable: no parameter's name begins with ${JSON.stringify(prefix)}; names are as in state_dict(), such as ${learned.at(-1)!.name}`,
    );
  }
  const trained = new Set(
    learned.filter(({ name }) => trainable?.some((prefix) => name.startsWith(prefix)) ?? true).map(({ name }) => name),
  );
  return (name) => trained.has(name);
}

/** Channels that a node reads. */
function inChannelsOf({ nodes }: Graph, name: string): number {
  const node = nodes.find((other) => other.name === name);
  return node !== undefined && 'inChannels' in node ? node.inChannels : 0;
}
