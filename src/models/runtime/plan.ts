/**
 * A plan: everything that can be decided once for an input size and a set of outputs. Graph and weights go in, a frozen
 * list of bound steps comes out: which kernel, on which weights, from where to where in the arena.
 */
import { MobileNetError } from '../../base/errors.js';
import { type Kernel, kernelName, multiplyAdds, NONE, type Spec } from '../../layers/spec.js';
import { type Graph, INPUT } from '../graph.js';
import { placeValues } from './arena.js';
import { chooseKernel, type Device, fuses } from './choose.js';
import { type LoweredStep, lower, type StepWeights, sizeOf, type Value, type WeightLookup } from './lower.js';

export interface Step {
  readonly name: string;
  readonly spec: Spec;
  readonly kernel: Kernel;
  /** `depthwise3x3_s2_f32_relu6__js` */
  readonly kernelName: string;
  /** The value it makes. */
  readonly y: string;
  readonly run: () => void;
}

/** An output of the network: copied out of the arena right behind the step that completes it. */
export interface PlanOutput {
  readonly name: string;
  readonly value: Value;
  readonly buffer: Float32Array;
  readonly afterStep: number;
}

export type InputDims = readonly [batch: number, channels: number, height: number, width: number];

export interface Plan {
  readonly dims: InputDims;
  readonly device: Device;
  /** Where the input goes, NCHW. */
  readonly input: Float32Array;
  readonly steps: readonly Step[];
  readonly outputs: readonly PlanOutput[];
  readonly values: ReadonlyMap<string, Value & { offset: number }>;
  /** Bytes of the arena, the peak of all activations together. */
  readonly arenaBytes: number;
  readonly multiplyAdds: number;
}

/** Packed weights, shared by all plans of a model: by step, then by the kernel that packed them. */
export type PackedWeights = Map<string, Map<Kernel, StepWeights>>;

export interface PlanOptions {
  graph: Graph;
  dims: InputDims;
  outputs: readonly string[];
  weights: WeightLookup;
  packed: PackedWeights;
  device: Device;
}

export function makePlan({ graph, dims, outputs, weights, packed, device }: PlanOptions): Plan {
  const { values, steps } = lower({ graph, dims, outputs, weights, fuse: fuses(device) });
  const lastWriter = new Map(steps.map((step, index) => [step.y, index]));
  const placement = placeValues(lifetimes(values, steps));
  const arena = allocate(placement.size, dims);
  const bufferOf = (name: string): Float32Array => {
    const offset = placement.offsets.get(name)!;
    return arena.subarray(offset, offset + sizeOf(values.get(name)!));
  };
  return {
    dims,
    device,
    input: bufferOf(INPUT),
    steps: steps.map((step) => bind(step, chooseKernel(step.spec, device), bufferOf, packed)),
    outputs: outputs.map((name) => {
      const source = graph.outputs.get(name)!;
      return { name, value: values.get(source)!, buffer: bufferOf(source), afterStep: lastWriter.get(source)! };
    }),
    values: new Map([...values].map(([name, value]) => [name, { ...value, offset: placement.offsets.get(name)! }])),
    arenaBytes: placement.size * Float32Array.BYTES_PER_ELEMENT,
    multiplyAdds: steps.reduce((sum, { spec }) => sum + multiplyAdds(spec), 0),
  };
}

function bind(
  step: LoweredStep,
  kernel: Kernel,
  bufferOf: (name: string) => Float32Array,
  packed: PackedWeights,
): Step {
  const { spec } = step;
  const x = bufferOf(step.x);
  const y = bufferOf(step.y);
  const residual = step.residual === null ? NONE : bufferOf(step.residual);
  const own = packedWeights(step, kernel, packed);
  const bias = step.biasFrom === null ? own.bias : bufferOf(step.biasFrom);
  return {
    name: step.name,
    spec,
    kernel,
    kernelName: kernelName(spec, kernel.engine),
    y: step.y,
    run: () => kernel.run(spec, x, own.weights, bias, residual, y),
  };
}

function packedWeights(step: LoweredStep, kernel: Kernel, packed: PackedWeights): StepWeights {
  if (step.makeWeights === null) return { weights: NONE, bias: NONE };
  let byKernel = packed.get(step.name);
  if (byKernel === undefined) {
    byKernel = new Map();
    packed.set(step.name, byKernel);
  }
  let own = byKernel.get(kernel);
  if (own === undefined) {
    const { weights, bias } = step.makeWeights();
    own = { weights: kernel.pack(step.spec, weights), bias };
    byKernel.set(kernel, own);
  }
  return own;
}

/** From the first step that writes a value to the last that touches it. The input is there before the first step. */
function lifetimes(values: ReadonlyMap<string, Value>, steps: readonly LoweredStep[]) {
  const lives = new Map([[INPUT, { name: INPUT, size: sizeOf(values.get(INPUT)!), first: 0, last: 0 }]]);
  for (const [index, step] of steps.entries()) {
    for (const name of [step.x, step.residual, step.biasFrom, step.y]) {
      if (name === null) continue;
      const life = lives.get(name);
      if (life !== undefined) life.last = index;
      else lives.set(name, { name, size: sizeOf(values.get(name)!), first: index, last: index });
    }
  }
  return [...lives.values()];
}

function allocate(elements: number, dims: InputDims): Float32Array {
  try {
    return new Float32Array(elements);
  } catch (cause) {
    throw new MobileNetError(
      'OUT_OF_MEMORY',
      `a [${dims.join(',')}] input needs ${Math.ceil(elements / 2 ** 18)} MiB of activations; use a smaller picture or batch`,
      { cause },
    );
  }
}

/** The plan as a table: step, kernel, what it makes, multiply-adds, place in the arena. */
export function describePlan(plan: Plan): string {
  const header = ['', 'step', 'kernel', 'output [N,H,W,C]', 'M mult-adds', 'arena offset'];
  const rows = plan.steps.map((step, index) => {
    const { batch, height, width, channels, offset } = plan.values.get(step.y)!;
    const madds = multiplyAdds(step.spec);
    return [
      String(index),
      step.name,
      step.kernelName,
      `[${[batch, height, width, channels].join(',')}]`,
      madds === 0 ? '' : (madds / 1e6).toFixed(2),
      String(offset * Float32Array.BYTES_PER_ELEMENT),
    ];
  });
  const widths = header.map((title, c) => Math.max(title.length, ...rows.map((row) => row[c].length)));
  const numeric = [0, 4, 5];
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, c) => (numeric.includes(c) ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
      .join('  ')
      .trimEnd();
  return [
    line(header),
    ...rows.map(line),
    `input [${plan.dims.join(',')}] · ${plan.steps.length} steps · ${(plan.multiplyAdds / 1e6).toFixed(1)} M multiply-adds · ` +
      `activations ${(plan.arenaBytes / 1e6).toFixed(2)} MB · outputs ${plan.outputs.map(({ name }) => name).join(', ')}`,
  ].join('\n');
}
