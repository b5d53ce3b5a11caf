/**
 * The steps of both directions, while they are gathered. Values have names; the gradient of a value `v` is `d:v`, or another
 * gradient that it equals. What the way back reads of the way forth is kept, or made again where that is cheap.
 */

import { INPUT } from '../../graph/nodes.js';
import type { TrainingSpec } from '../../layers/backward/spec.js';
import type { Operands } from '../../layers/kernel.js';
import type { Spec } from '../../layers/spec.js';
import type { StepWeights } from '../engines/engine.js';

/** Weights that are packed for a kernel, shared by plans. */
export interface PackedJob {
  key: string;
  make: () => StepWeights;
  /** Whether training changes them. */
  changes: boolean;
}

/** One step of a kernel. Operands are names: of values of the plan, or of numbers that stay from step to step (see `Numbers`). */
export interface TrainingStep {
  /** The layer. */
  name: string;
  way: 'forward' | 'again' | 'backward';
  spec: Spec | TrainingSpec;
  operands: Partial<Operands<string>> & { y: string };
  packed?: PackedJob | undefined;
  /** Done once for all pictures, and not for each. */
  once?: true;
}

/** Names of numbers that stay: a parameter or a statistic as it is now, and what is added up for its gradient. */
export const Numbers = {
  parameter: (name: string) => `parameter ${name}`,
  gradient: (name: string) => `gradient ${name}`,
  /** Means and variances of a frozen norm, by its prefix. */
  statistics: (prefix: string) => `statistics ${prefix}`,
} as const;

/** What of the way forth is not kept. */
export type Remakes = (step: TrainingStep) => boolean;

export class Steps {
  readonly list: TrainingStep[] = [];
  /** Elements of each value: of a picture, or of what is there once. */
  readonly sizes = new Map<string, number>();
  /** Values that are there once for all pictures. */
  readonly ofAll = new Set<string>();
  /** What norms saw of the batch: a value [2,C] each. */
  readonly moments: { prefix: string; value: string; pixels: number }[] = [];
  /** Gradients that have gone through the clamp of their value already. */
  readonly masked = new Set<string>();
  readonly #makers = new Map<string, TrainingStep>();
  readonly #gradients = new Map<string, string>();
  readonly #remakes: Remakes;

  constructor(input: number, remakes: Remakes) {
    this.sizes.set(INPUT, input);
    this.#remakes = remakes;
  }

  /** Adds a step of the way forth. */
  forth(
    name: string,
    spec: TrainingStep['spec'],
    operands: TrainingStep['operands'],
    size: number,
    packed?: PackedJob,
  ) {
    const step: TrainingStep = { name, way: 'forward', spec, operands, packed };
    this.sizes.set(operands.y, size);
    this.#makers.set(operands.y, step);
    this.list.push(step);
  }

  /** Adds a step of the way back that makes a value of so many numbers, or adds to what stays. */
  back(
    name: string,
    spec: TrainingStep['spec'],
    operands: TrainingStep['operands'],
    size?: number,
    packed?: PackedJob,
  ) {
    if (size !== undefined) this.sizes.set(operands.y, size);
    this.list.push({ name, way: 'backward', spec, operands, packed });
  }

  /** Adds a step that is done once for all pictures: what it reads of each lies one after another. */
  once(
    name: string,
    way: 'forward' | 'backward',
    spec: TrainingStep['spec'],
    operands: TrainingStep['operands'],
    size?: number,
  ) {
    if (size !== undefined) {
      this.sizes.set(operands.y, size);
      this.ofAll.add(operands.y);
    }
    this.list.push({ name, way, spec, operands, once: true });
  }

  /** A value of the way forth as the way back reads it. */
  kept(value: string): string {
    const maker = this.#makers.get(value);
    if (maker === undefined || !this.#remakes(maker)) return value;
    const again = `${value} (again)`;
    if (this.sizes.has(again)) return again;
    const operands: TrainingStep['operands'] = { ...maker.operands, y: again };
    if (operands.x !== undefined) operands.x = this.kept(operands.x);
    this.sizes.set(again, this.sizes.get(value)!);
    this.list.push({ ...maker, way: 'again', operands });
    return again;
  }

  /** The gradient of a value, once all that read it have been gone through; undefined where none has arrived. */
  gradientOf(value: string): string | undefined {
    return this.#gradients.get(value);
  }

  /** Where a new gradient of a value is to be written. */
  room(value: string): string {
    let name = `d:${value}`;
    for (let count = 2; this.sizes.has(name); count++) name = `d:${value} ${count}`;
    return name;
  }

  /** Says what the gradient of a value is now; what had arrived before is in it. */
  replace(value: string, gradient: string): void {
    this.#gradients.set(value, gradient);
  }

  /** A gradient that arrives by another way is added. */
  arrive(name: string, value: string, gradient: string): void {
    const before = this.#gradients.get(value);
    if (before === undefined) {
      this.#gradients.set(value, gradient);
      return;
    }
    const size = this.sizes.get(value)!;
    const y = this.room(value);
    this.back(name, { op: 'add', dtype: 'f32', size }, { x: before, other: gradient, y }, size);
    this.#gradients.set(value, y);
  }
}
