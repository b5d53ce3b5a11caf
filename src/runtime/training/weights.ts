/** Weights as kernels read them: packed once, and packed anew where they lie when training has changed them. */
import type { TrainingSpec } from '../../layers/backward/spec.js';
import type { Spec } from '../../layers/spec.js';
import { type BoundKernel, type FloatWeights, NOTHING, type PackedWeights } from '../engines/engine.js';
import type { PackedJob } from './steps.js';

interface Packed {
  spec: Spec | TrainingSpec;
  kernel: BoundKernel;
  job: PackedJob;
  weights: PackedWeights;
}

export class PackedStore {
  readonly #known = new Map<string, Packed[]>();

  get(name: string, spec: Spec | TrainingSpec, kernel: BoundKernel, job: PackedJob | undefined): PackedWeights {
    if (job === undefined) return { weights: NOTHING, bias: NOTHING, multiplier: NOTHING };
    const same = this.#known.get(job.key) ?? [];
    const known = same.find((packed) => packed.kernel === kernel);
    if (known !== undefined) return known.weights;
    const weights = kernel.pack(spec, job.make(), `${name}: weights`);
    this.#known.set(job.key, [...same, { spec, kernel, job, weights }]);
    return weights;
  }

  /** After a change. @param all also those that updates leave alone */
  renew(all: boolean): void {
    for (const { spec, kernel, job, weights } of [...this.#known.values()].flat()) {
      if (all || job.changes) kernel.repack(spec, job.make() as FloatWeights, weights);
    }
  }
}
