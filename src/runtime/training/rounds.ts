/**
 * Groups of pictures that know nothing of each other, in rounds: as many groups at once as there are threads, each with a plan of
 * its own. What they add to gradients is added in the order of the groups, so bits do not depend on how many go at once.
 */
import type { Engine, Work } from '../engines/engine.js';
import type { BoundStep, TrainingPlan } from './plan.js';
import { schedule } from './schedule.js';

/** Bytes that the plans of a round take at most, where there are two or more: 10 pictures at 224, 2 of DeepLab at 513. */
const MOST_BYTES = 2 ** 28;

/** One group after another in `plans`, and the work for all of them in either direction. */
export interface Round {
  readonly plans: readonly TrainingPlan[];
  readonly forward: readonly Work[];
  readonly backward: readonly Work[];
}

export class Rounds {
  readonly #engine: Engine;
  readonly #make: () => Promise<TrainingPlan>;
  readonly #plans: TrainingPlan[] = [];
  /** By how many go at once. */
  readonly #known = new Map<number, Round>();
  readonly #freeing: (() => void)[] = [];

  constructor(engine: Engine, make: () => Promise<TrainingPlan>) {
    this.#engine = engine;
    this.#make = make;
  }

  /** @param groups that are still to go through, 1 where they know of each other */
  async next(groups: number): Promise<Round> {
    if (this.#plans.length === 0) this.#plans.push(await this.#make());
    const lanes = this.#lanes(groups);
    const known = this.#known.get(lanes);
    if (known !== undefined) return known;
    while (this.#plans.length < lanes) this.#plans.push(await this.#make());
    const plans = this.#plans.slice(0, lanes);
    const atOnce = Math.max(lanes, plans[0].lanes);
    const round = {
      plans,
      forward: this.#bind(
        plans.map(({ forward }) => forward),
        atOnce,
      ),
      backward: this.#bind(
        plans.map(({ backward }) => backward),
        atOnce,
      ),
    };
    this.#known.set(lanes, round);
    return round;
  }

  /** How many go at once: where few are left, threads do better by sharing each call of one. */
  #lanes(groups: number): number {
    const { threads, atOnce } = this.#engine;
    const lanes = Math.min(groups, threads, Math.floor(MOST_BYTES / this.#plans[0].arenaBytes));
    return atOnce === undefined || lanes < 2 || lanes < threads / 2 ? 1 : lanes;
  }

  /** @param plans the steps of each */
  #bind(plans: readonly (readonly BoundStep[])[], lanes: number): readonly Work[] {
    const steps = plans[0].map((step, i) => ({ ...step, works: plans.flatMap((own) => own[i].works) }));
    const { works, free } = schedule(this.#engine, steps, lanes);
    this.#freeing.push(free);
    return works;
  }

  free(): void {
    for (const free of [...this.#freeing, ...this.#plans.map((plan) => plan.free)]) free();
  }
}
