/** The order in which steps are done that are done for several pictures, and by whom. */
import type { Engine, LaneWork, Work } from '../engines/engine.js';
import type { BoundStep } from './plan.js';

export interface Schedule {
  readonly works: readonly Work[];
  /** Gives back what the schedule itself takes. */
  readonly free: () => void;
}

/**
 * A picture goes through as many steps as it can without the others before the next does; or several do at once, each in a lane, of
 * which picture n has number n modulo `lanes`.
 */
export function schedule(engine: Engine, steps: readonly BoundStep[], lanes: number): Schedule {
  const works: Work[] = [];
  const freeing: (() => void)[] = [];
  let run: BoundStep[] = [];
  const finishRun = (): void => {
    if (run.length === 0) return;
    const times = run[0].works.map((_, time) => laneWorks(run, time));
    if (lanes === 1) works.push(...times.flat().map(({ work }) => work));
    else {
      const own = Array.from({ length: lanes }, (_, lane) =>
        times.filter((_works, time) => time % lanes === lane).flat(),
      );
      const { work, free } = engine.atOnce!(own);
      works.push(work);
      freeing.push(free);
    }
    run = [];
  };

  for (const step of steps) {
    if (step.inLanes) {
      run.push(step);
      continue;
    }
    finishRun();
    works.push(...step.works.flat());
  }
  finishRun();
  return {
    works,
    free: () => {
      for (const free of freeing) free();
    },
  };
}

/** Of all steps what is to be done for one picture. */
const laneWorks = (steps: readonly BoundStep[], turn: number): LaneWork[] =>
  steps.flatMap(({ works, addsTo }) => works[turn].map((work) => ({ work, inTurn: addsTo, turn })));
