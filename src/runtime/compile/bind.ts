/** From planned steps to work: a kernel, its packed weights, and the regions it reads and writes. */
import {
  type BoundKernel,
  type Engine,
  NOTHING,
  type PackedWeights,
  partOf,
  type Region,
  type StepRegions,
  type Work,
} from '../engines/engine.js';
import { type PlannedStep, pieces } from './bands.js';
import type { LoweredStep } from './lower.js';

/** Packed weights, shared by all plans of a model: by step, then by the kernel that packed them. */
export type WeightCache = Map<string, Map<BoundKernel, PackedWeights>>;

export interface Binding {
  engine: Engine;
  cache: WeightCache;
  /** Where the values of this plan lie. */
  regions: ReadonlyMap<string, Region>;
}

/** A step's kernel and operands. */
interface BoundStep {
  kernel: BoundKernel;
  operands: StepRegions;
}

/** The work of a planned step. */
export function bind(step: PlannedStep, binding: Binding): Work[] {
  if (step.kind === 'single') {
    const { kernel, operands } = bindStep(step.step, binding);
    return kernel.bind(step.step.spec, operands);
  }
  const parts = {
    widen: bindStep(step.widen, binding),
    filter: bindStep(step.filter, binding),
    project: bindStep(step.project, binding),
  };
  return pieces(step.spec).flatMap(({ of, spec, x, y }) => {
    const { kernel, operands } = parts[of];
    const own = {
      ...operands,
      x: from(operands.x, x),
      residual: from(operands.residual, y),
      y: from(operands.y, y),
    };
    return kernel.bind(spec, own);
  });
}

function bindStep(step: LoweredStep, binding: Binding): BoundStep {
  const { regions, engine } = binding;
  const kernel = engine.kernelFor(step.spec);
  const packed = packedWeights(step, kernel, binding.cache);
  const { x, bias, residual, other, y } = step.values;
  const region = (name: string | undefined): Region => (name === undefined ? NOTHING : regions.get(name)!);
  const operands = {
    x: region(x),
    weights: packed.weights,
    bias: bias === undefined ? packed.bias : region(bias),
    multiplier: packed.multiplier,
    residual: region(residual),
    other: region(other),
    y: region(y),
  };
  return { kernel, operands };
}

/** The rest of a region. */
const from = (region: Region, offset: number): Region =>
  region === NOTHING ? region : partOf(region, offset, region.length - offset);

function packedWeights(step: LoweredStep, kernel: BoundKernel, cache: WeightCache): PackedWeights {
  if (step.makeWeights === null) return { weights: NOTHING, bias: NOTHING, multiplier: NOTHING };
  const byKernel = cache.get(step.name) ?? new Map<BoundKernel, PackedWeights>();
  cache.set(step.name, byKernel);
  const packed = byKernel.get(kernel) ?? kernel.pack(step.spec, step.makeWeights(), `${step.name}: weights`);
  byKernel.set(kernel, packed);
  return packed;
}
