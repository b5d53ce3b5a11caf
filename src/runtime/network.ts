/**
 * A network ready to run: a graph, its weights and the plans made so far. Running a plan is a loop over frozen steps.
 */
import { unlessAborted, yieldToEvents } from '../base/abort.js';
import type { Graph } from '../graph/nodes.js';
import { nhwcToNchw } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import type { WeightCache } from './compile/bind.js';
import type { WeightLookup } from './compile/lower.js';
import { type InputDims, makePlan, type Plan, type PlanOutput } from './compile/plan.js';
import type { Elements, Engine, MemoryMode } from './engines/engine.js';
import { type Profile, type ProfileJob, profilePlan } from './profile.js';

/** Plans kept, the least recently used goes first. Each holds its own arena, a few megabytes. */
const MOST_PLANS = 4;

export class Network {
  readonly graph: Graph;
  readonly engine: Engine;
  readonly #weights: WeightLookup;
  readonly #memory: MemoryMode;
  readonly #cache: WeightCache = new Map();
  readonly #plans = new Map<string, Plan>();
  #lastRun: Promise<unknown> = Promise.resolve();
  #warm = false;
  /** The plan of the job that is being done, or was the last. */
  #current: Plan | undefined;

  constructor(graph: Graph, weights: WeightLookup, engine: Engine, memory: MemoryMode) {
    this.graph = graph;
    this.engine = engine;
    this.#weights = weights;
    this.#memory = memory;
  }

  /** The plan for an input [N,C,H,W] and some outputs, by public name or node; made on first use. */
  plan(dims: InputDims, outputs: readonly string[]): Plan {
    const key = `${dims.join('x')} ${outputs.join(' ')}`;
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      const { graph, engine } = this;
      const [weights, cache, memory] = [this.#weights, this.#cache, this.#memory];
      plan = makePlan({ graph, dims, outputs, weights, cache, engine, memory });
    } else {
      this.#plans.delete(key); // and back in as the newest
    }
    this.#plans.set(key, plan);
    if (this.#plans.size > MOST_PLANS) {
      const [oldest, { free }] = [...this.#plans].find(([, other]) => other !== this.#current)!;
      this.#plans.delete(oldest);
      free();
    }
    return plan;
  }

  /**
   * Computes the named outputs of `pixels`, [N,C,H,W]. The tensors returned are the caller's own.
   * @param signal ends the call, also while it waits for earlier ones; heard between two kernels
   */
  run(
    pixels: Float32Array,
    dims: InputDims,
    outputs: readonly string[],
    signal?: AbortSignal,
  ): Promise<Map<string, Tensor<'float32'>>> {
    return unlessAborted(
      this.#alone(() => this.#run(pixels, dims, outputs, signal)),
      signal,
    );
  }

  /** Times every step of so many runs (profile.ts). */
  profile(dims: InputDims, outputs: readonly string[], job: ProfileJob): Promise<Profile> {
    const profile = this.#alone(async () => {
      job.signal?.throwIfAborted();
      await this.engine.start();
      return profilePlan(this.#occupied(dims, outputs), this.engine, job);
    });
    return unlessAborted(profile, job.signal);
  }

  /** One after another: all runs share the arena. */
  #alone<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#lastRun.then(job);
    this.#lastRun = result.catch(() => {});
    return result;
  }

  /** The plan of the job that is being done: its arena is not given away until the next one's takes its place. */
  #occupied(dims: InputDims, outputs: readonly string[]): Plan {
    this.#current = this.plan(dims, outputs);
    return this.#current;
  }

  async #run(pixels: Float32Array, dims: InputDims, outputs: readonly string[], signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    const plan = this.#occupied(dims, outputs);
    // From the second run on: a program that looks at one picture is done before other threads have started.
    if (this.#warm) await this.engine.start();
    this.#warm = true;
    const results = new Map<string, Tensor<'float32'>>();
    plan.write(pixels);
    for (const [index, step] of plan.steps.entries()) {
      for (const work of step.work) {
        const pause = signal && yieldToEvents(signal);
        if (pause !== undefined) await pause;
        const pending = work();
        if (pending !== undefined) await pending;
      }
      // Copied out at once, so that no output keeps its place in the arena.
      for (const output of plan.outputs) {
        if (output.afterStep !== index) continue;
        const reading = this.engine.read(output.region);
        results.set(output.name, publish(output, reading instanceof Promise ? await reading : reading));
      }
    }
    return results;
  }
}

/** An output in Hugging Face's layout: [N,C] after global pooling, [N,C,H,W] elsewhere. */
export function publish({ value, scale }: Pick<PlanOutput, 'value' | 'scale'>, elements: Elements): Tensor<'float32'> {
  const { batch, height, width, channels, flat } = value;
  const buffer = scale === null ? (elements as Float32Array) : real(elements, scale);
  if (flat) return new Tensor('float32', buffer.slice(), [batch, channels]);
  const data = new Float32Array(buffer.length);
  nhwcToNchw(buffer, data, batch, channels, height, width);
  return new Tensor('float32', data, [batch, channels, height, width]);
}

/** The real numbers that whole ones stand for. */
function real(elements: Elements, scale: number): Float32Array {
  const result = new Float32Array(elements.length);
  const factor = Math.fround(scale);
  for (let i = 0; i < result.length; i++) result[i] = elements[i] * factor;
  return result;
}
