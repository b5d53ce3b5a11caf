/** What an optimizer remembers, and the specs of its steps. A section of the parameters is a step: they differ in decay. */
import { expected, MobileNetError } from '../../base/errors.js';
import type { OptimizerSpec } from '../../layers/backward/spec.js';
import { type Engine, NOTHING, partOf, type Region } from '../engines/engine.js';
import { clear } from './numbers.js';
import { type FlatParameters, isDecayed, type Section } from './parameters.js';
import type { Optimizer, OptimizerState, UpdateOptions } from './types.js';

/** Numbers that are remembered for each parameter, as layers/backward/spec.ts says. */
function memoryOf(optimizer: Optimizer): number {
  if (optimizer.op === 'sgd') return optimizer.momentum > 0 ? 1 : 0;
  if (optimizer.op === 'rmsprop') return 1 + (optimizer.momentum > 0 ? 1 : 0) + (optimizer.centered ? 1 : 0);
  return 2;
}

/** One step on one section. */
export interface SectionStep {
  spec: OptimizerSpec;
  offset: number;
  size: number;
  memory: Region;
}

function specOf(optimizer: Optimizer, common: Common, step: number): OptimizerSpec {
  if (optimizer.op === 'sgd') return { ...optimizer, ...common, first: step === 1 };
  return optimizer.op === 'adam' ? { ...optimizer, ...common, step } : { ...optimizer, ...common };
}

/** What is of one section and one step. */
type Common = Pick<OptimizerSpec, 'dtype' | 'size' | 'learningRate' | 'weightDecay' | 'gradientScale'>;

export class OptimizerMemory {
  readonly #engine: Engine;
  readonly #flat: FlatParameters;
  /** Of each section [S,size]; none before the first step. */
  #memory: Region[] = [];
  /** S */
  #arrays = 0;
  #steps = 0;

  constructor(engine: Engine, flat: FlatParameters) {
    this.#engine = engine;
    this.#flat = flat;
  }

  /** The next step of an optimizer. */
  steps(
    optimizer: Optimizer,
    { learningRate, weightDecay = 0, gradientScale = 1, decayed }: UpdateOptions,
  ): SectionStep[] {
    const arrays = memoryOf(optimizer);
    if (this.#steps === 0) this.#allocate(arrays);
    if (this.#arrays !== arrays) {
      throw new MobileNetError(
        'ARG',
        `update: ${optimizer.op} remembers ${arrays} numbers a parameter, but the optimizer until now remembers ${this.#arrays}; go on with the same settings`,
      );
    }
    this.#steps++;
    return this.#flat.sections.flatMap(({ offset, size }, index) => {
      if (size === 0) return [];
      const decay = isDecayed(index, decayed ?? 'all but biases') ? weightDecay : 0;
      const common = { dtype: 'f32', size, learningRate, weightDecay: decay, gradientScale } as const;
      const spec = specOf(optimizer, common, this.#steps);
      return [{ spec, offset, size, memory: this.#memory[index] }];
    });
  }

  async state(): Promise<OptimizerState> {
    const memory = new Map<string, Float32Array[]>();
    for (const [index, section] of this.#flat.sections.entries()) {
      for (const { name, offset, size } of section.parameters) {
        const arrays: Float32Array[] = [];
        for (let array = 0; array < this.#arrays; array++) {
          const region = this.#part(index, section, array, offset, size);
          arrays.push((await this.#engine.read(region)).slice() as Float32Array);
        }
        memory.set(name, arrays);
      }
    }
    return { steps: this.#steps, memory };
  }

  load({ steps, memory }: OptimizerState): void {
    const given = [...memory.values()][0]?.length ?? 0;
    for (const { name, size } of this.#flat.parameters) {
      const arrays = memory.get(name);
      if (steps === 0 || (arrays?.length === given && arrays.every(({ length }) => length === size))) continue;
      throw expected(
        `optimizer state: ${name}`,
        `${given} arrays of ${size} numbers`,
        arrays?.map(({ length }) => length),
      );
    }
    this.#allocate(given);
    this.#steps = steps;
    for (const [index, section] of this.#flat.sections.entries()) {
      for (const { name, offset, size } of section.parameters) {
        for (const [array, values] of (memory.get(name) ?? []).entries()) {
          this.#engine.write(this.#part(index, section, array, offset, size), values);
        }
      }
    }
  }

  #allocate(arrays: number): void {
    for (const region of this.#memory) if (region !== NOTHING) this.#engine.free(region);
    this.#arrays = arrays;
    this.#memory = this.#flat.sections.map(({ size }) => {
      if (size * arrays === 0) return NOTHING;
      const region = this.#engine.allocate('f32', arrays * size, 'what the optimizer remembers');
      clear(this.#engine, region);
      return region;
    });
  }

  /** What is remembered of one parameter. */
  #part(index: number, section: Section, array: number, offset: number, size: number): Region {
    return partOf(this.#memory[index], array * section.size + offset - section.offset, size);
  }
}
