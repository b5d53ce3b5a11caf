/**
 * What stays in an engine's memory from step to step: parameters, gradients, and of what is not trained those tensors that
 * kernels read as they are.
 */
import type { Graph } from '../../graph/nodes.js';
import { type Engine, partOf, type Region } from '../engines/engine.js';
import type { FlatParameters } from './parameters.js';
import { Numbers } from './steps.js';

/** Zeros to write from. */
const ZEROS = new Float32Array(65536);

/** Writes zeros over a region. */
export function clear(engine: Engine, region: Region): void {
  for (let from = 0; from < region.length; from += ZEROS.length) {
    const length = Math.min(ZEROS.length, region.length - from);
    engine.write(partOf(region, from, length), length === ZEROS.length ? ZEROS : ZEROS.subarray(0, length));
  }
}

export class StayingNumbers {
  /** All parameters that are trained, and all their gradients. */
  readonly parameters: Region;
  readonly gradients: Region;
  readonly #engine: Engine;
  readonly #flat: FlatParameters;
  readonly #state: ReadonlyMap<string, Float32Array>;
  /** Gradients that are only a way to others. */
  readonly #hidden = new Map<string, Region>();
  /** What is not trained, and how it is made. */
  readonly #constants = new Map<string, { region: Region; make: () => Float32Array }>();

  constructor(engine: Engine, flat: FlatParameters, state: ReadonlyMap<string, Float32Array>) {
    this.#engine = engine;
    this.#flat = flat;
    this.#state = state;
    this.parameters = engine.allocate('f32', flat.size, 'parameters');
    this.gradients = engine.allocate('f32', flat.size, 'gradients');
    clear(engine, this.parameters);
    for (const { name } of flat.parameters) engine.write(this.parameter(name), state.get(name)!);
    this.clearGradients();
  }

  /** @param name as `Numbers` makes it */
  region(name: string): Region {
    const at = name.indexOf(' ');
    const own = name.slice(at + 1);
    if (name === Numbers.parameter(own)) return this.parameter(own);
    return name === Numbers.gradient(own) ? this.gradient(own) : this.statistics(own);
  }

  parameter(name: string): Region {
    const trained = this.#flat.byName.get(name);
    if (trained !== undefined) return partOf(this.parameters, trained.offset, trained.size);
    return this.#constant(Numbers.parameter(name), () => this.#state.get(name)!);
  }

  gradient(name: string): Region {
    const trained = this.#flat.byName.get(name);
    if (trained !== undefined) return partOf(this.gradients, trained.offset, trained.size);
    const known = this.#hidden.get(name);
    if (known !== undefined) return known;
    const region = this.#engine.allocate('f32', this.#state.get(name)!.length, `${name}: gradient`);
    clear(this.#engine, region);
    this.#hidden.set(name, region);
    return region;
  }

  /** Means, then variances. */
  statistics(prefix: string): Region {
    return this.#constant(Numbers.statistics(prefix), () => {
      const means = this.#state.get(`${prefix}.running_mean`)!;
      const both = new Float32Array(2 * means.length);
      both.set(means);
      both.set(this.#state.get(`${prefix}.running_var`)!, means.length);
      return both;
    });
  }

  clearGradients(): void {
    for (const region of [this.gradients, ...this.#hidden.values()]) clear(this.#engine, region);
  }

  /** Writes what is not trained anew. */
  renewConstants(): void {
    for (const { region, make } of this.#constants.values()) this.#engine.write(region, make());
  }

  #constant(name: string, make: () => Float32Array): Region {
    const known = this.#constants.get(name);
    if (known !== undefined) return known.region;
    const values = make();
    const region = this.#engine.allocate('f32', values.length, name);
    this.#engine.write(region, values);
    this.#constants.set(name, { region, make });
    return region;
  }
}

/** Frozen norms whose convolution or weight is trained: what `foldedLayers` finds. */
export interface FoldedLayer {
  weight: string;
  prefix: string;
  epsilon: number;
  channels: number;
  perChannel: number;
}

/** The layers whose gradients are those of folded weights until they are made their own. */
export function foldedLayers({ nodes }: Graph, isTrained: (name: string) => boolean): FoldedLayer[] {
  return nodes.flatMap((node) => {
    if (node.op !== 'convolution' || node.norm === null) return [];
    const { prefix, epsilon } = node.norm;
    const perChannel = (node.inChannels / node.groups) * node.kernel ** 2;
    const layer = { weight: node.weight, prefix, epsilon, channels: node.outChannels, perChannel };
    return isTrained(node.weight) || isTrained(`${prefix}.weight`) ? [layer] : [];
  });
}
