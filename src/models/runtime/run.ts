/**
 * A network ready to run: a graph, its weights and the plans made so far. Running a plan is a loop over frozen steps.
 */
import { nhwcToNchw } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import type { Graph } from '../graph.js';
import type { PackedWeights } from './bind.js';
import type { WeightLookup } from './lower.js';
import type { Machine } from './machine.js';
import { type InputDims, type MemoryMode, makePlan, type Plan, type PlanOutput } from './plan.js';

/** Plans kept, the least recently used goes first. Each holds its own arena, a few megabytes. */
const MOST_PLANS = 4;

export class Network {
  readonly graph: Graph;
  readonly machine: Machine;
  readonly #weights: WeightLookup;
  readonly #memory: MemoryMode;
  readonly #packed: PackedWeights = new Map();
  readonly #plans = new Map<string, Plan>();
  #lastRun: Promise<unknown> = Promise.resolve();
  #warm = false;

  constructor(graph: Graph, weights: WeightLookup, machine: Machine, memory: MemoryMode) {
    this.graph = graph;
    this.machine = machine;
    this.#weights = weights;
    this.#memory = memory;
  }

  /** The plan for an input [N,C,H,W] and some outputs, by public name or node; made on first use. */
  plan(dims: InputDims, outputs: readonly string[]): Plan {
    const key = `${dims.join('x')} ${outputs.join(' ')}`;
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      const { graph, machine } = this;
      const [weights, packed, memory] = [this.#weights, this.#packed, this.#memory];
      plan = makePlan({ graph, dims, outputs, weights, packed, machine, memory });
    } else {
      this.#plans.delete(key); // and back in as the newest
    }
    this.#plans.set(key, plan);
    if (this.#plans.size > MOST_PLANS) {
      const [oldest, { free }] = this.#plans.entries().next().value!;
      this.#plans.delete(oldest);
      free();
    }
    return plan;
  }

  /** Computes the named outputs of `pixels`, [N,C,H,W]. The tensors returned are the caller's own. */
  run(pixels: Float32Array, dims: InputDims, outputs: readonly string[]): Promise<Map<string, Tensor<'float32'>>> {
    // One after another: all runs share the arena.
    const result = this.#lastRun.then(() => this.#run(pixels, dims, outputs));
    this.#lastRun = result.catch(() => {});
    return result;
  }

  async #run(pixels: Float32Array, dims: InputDims, outputs: readonly string[]) {
    const plan = this.plan(dims, outputs);
    // From the second run on: a program that looks at one picture is done before other threads have started.
    if (this.#warm) await this.machine.start();
    this.#warm = true;
    const results = new Map<string, Tensor<'float32'>>();
    plan.input.view.set(pixels);
    for (const [index, step] of plan.steps.entries()) {
      for (const work of step.work) {
        const pending = work();
        if (pending !== undefined) await pending;
      }
      // Copied out at once, so that no output keeps its place in the arena.
      for (const output of plan.outputs) {
        if (output.afterStep === index) results.set(output.name, publish(output));
      }
    }
    return results;
  }
}

/** An output in Hugging Face's layout: [N,C] behind global pooling, [N,C,H,W] elsewhere. */
function publish({ value, region }: PlanOutput): Tensor<'float32'> {
  const buffer = region.view;
  const { batch, height, width, channels, flat } = value;
  if (flat) return new Tensor('float32', buffer.slice(), [batch, channels]);
  const data = new Float32Array(buffer.length);
  nhwcToNchw(buffer, data, batch, channels, height, width);
  return new Tensor('float32', data, [batch, channels, height, width]);
}
