/**
 * Where the time goes: a plan's steps, each timed by itself, over many runs. It walks the same frozen steps as network.ts and
 * leaves ordinary runs alone. What the machine could do at most is measured between the runs, so that a share holds even
 * where the clock of the processor changes.
 */
import { yieldToEvents } from '../base/abort.js';
import { multiplyAdds } from '../layers/spec.js';
import { type PeakLoop, type PeakType, peakLoops } from '../tensor/wasm/peak.js';
import type { InputDims, Plan, Step } from './compile/plan.js';
import type { Engine } from './engines/engine.js';

/** Times in milliseconds. */
export interface ProfileRow {
  /** The fastest of all runs, and the middle one. */
  readonly min: number;
  readonly median: number;
  readonly multiplyAdds: number;
  /** 10⁹ multiply-adds a second, in the fastest run. */
  readonly gmacs: number;
  /** Of what the threads could do at most; null where there are no multiply-adds, or no peak. */
  readonly share: number | null;
}

export interface ProfileStep extends ProfileRow {
  /** As in the plan. */
  readonly name: string;
  readonly kernelName: string;
  readonly spec: Step['spec'];
}

/** Where the time of a call goes. */
export interface Profile {
  readonly engine: Plan['engine'];
  readonly dims: InputDims;
  readonly threads: number;
  readonly runs: number;
  /**
   * The most that one thread can do here with the numbers that the network computes with, in 10⁹ multiply-adds a second; null
   * where WebAssembly is refused.
   */
  readonly peak: number | null;
  /** The numbers that the network computes with: float32, or whole ones, which have a peak of their own. */
  readonly peakType: PeakType;
  readonly steps: readonly ProfileStep[];
  /** Whole runs, timed by their steps: `min` is the fastest run, and no sum of fastest steps. */
  readonly total: ProfileRow;
}

/** Before the first run that counts, at least so many milliseconds: compilers replace code that is busy. */
const WARMUP = 300;
/** Runs between two looks at the peak; the run after one finds caches as they are not, and is not counted. */
const RUNS_A_LOOK = 5;
const CALLS_A_LOOK = 3;

export interface ProfileJob {
  pixels: Float32Array;
  runs: number;
  /** Heard between two steps, outside of what is timed. */
  signal: AbortSignal | undefined;
}

/** Runs a plan again and again. The engine must be the plan's, and nothing else may run on it meanwhile. */
export async function profilePlan(plan: Plan, engine: Engine, { pixels, runs, signal }: ProfileJob): Promise<Profile> {
  const peakType = plan.steps.some(({ spec }) => multiplies(spec) === 'i16') ? 'i16' : 'f32';
  const peak = watchPeak(peakType);
  const times: number[][] = plan.steps.map(() => []);
  const totals: number[] = [];

  const pass = async (counts: boolean) => {
    plan.write(pixels); // its place in the arena has other values by now
    let total = 0;
    for (const [index, { work }] of plan.steps.entries()) {
      const pause = signal && yieldToEvents(signal);
      if (pause !== undefined) await pause;
      const start = performance.now();
      for (const piece of work) {
        const pending = piece();
        if (pending !== undefined) await pending;
      }
      const time = performance.now() - start;
      total += time;
      if (counts) times[index].push(time);
    }
    if (counts) totals.push(total);
  };

  const begin = performance.now();
  do await pass(false);
  while (performance.now() - begin < WARMUP);
  for (let run = 0; run < runs; run++) {
    if (run % RUNS_A_LOOK === 0) {
      peak?.look();
      await pass(false);
    }
    await pass(true);
  }

  const most = peak?.gmacs() ?? null;
  const row = (macs: number, samples: readonly number[]): ProfileRow => {
    const min = Math.min(...samples);
    const gmacs = macs === 0 ? 0 : macs / min / 1e6;
    const share = macs === 0 || most === null ? null : gmacs / (most * engine.threads);
    return { min, median: median(samples), multiplyAdds: macs, gmacs, share };
  };
  return {
    engine: plan.engine,
    dims: plan.dims,
    threads: engine.threads,
    runs,
    peak: most,
    peakType,
    steps: plan.steps.map(({ name, kernelName, spec }, index) => ({
      name,
      kernelName,
      spec,
      ...row(multiplyAdds(spec), times[index]),
    })),
    total: row(plan.multiplyAdds, totals),
  };
}

/** What a step multiplies; null where it multiplies nothing that counts. */
function multiplies(spec: Step['spec']): PeakType | null {
  if (multiplyAdds(spec) === 0) return null;
  const { dtype } = spec.op === 'inverted_residual' ? spec.filter : spec;
  return dtype === 'f32' ? 'f32' : 'i16';
}

/** The fastest that the loops of peak.ts ever were. Null where they may not be compiled. */
function watchPeak(type: PeakType) {
  let loops: PeakLoop[];
  try {
    loops = peakLoops(type);
  } catch {
    return null;
  }
  let most = 0;
  return {
    look() {
      for (let call = 0; call < CALLS_A_LOOK; call++) {
        for (const { multiplyAdds: macs, run } of loops) {
          const start = performance.now();
          run();
          most = Math.max(most, macs / (performance.now() - start) / 1e6);
        }
      }
    },
    gmacs: () => most,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
