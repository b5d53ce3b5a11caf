/**
 * A plan: everything that can be decided once for an input size and a set of outputs. Graph and weights go in, a frozen
 * list of bound steps comes out: which kernel, on which weights, from where to where in the arena.
 */
import { type Engine, type Kernel, kernelName, multiplyAdds, type Spec, type WasmKernel } from '../../layers/spec.js';
import { PlainHeap, type Region } from '../../tensor/memory.js';
import { type Graph, INPUT } from '../graph.js';
import { placeValues } from './arena.js';
import { chooseKernel, fuses } from './choose.js';
import { type LoweredStep, lower, sizeOf, type Value, type WeightLookup } from './lower.js';
import type { Machine, WasmMachine, Work } from './machine.js';

export interface Step {
  readonly name: string;
  readonly spec: Spec;
  readonly kernel: Kernel | WasmKernel;
  /** `depthwise3x3_s2_f32_relu6__js` */
  readonly kernelName: string;
  /** The value it makes. */
  readonly y: string;
  /** What is to be done, one after another. */
  readonly work: readonly Work[];
}

/** An output of the network: copied out of the arena right behind the step that completes it. */
export interface PlanOutput {
  readonly name: string;
  readonly value: Value;
  readonly region: Region;
  readonly afterStep: number;
}

export type InputDims = readonly [batch: number, channels: number, height: number, width: number];

export interface Plan {
  readonly dims: InputDims;
  readonly engine: Engine;
  /** Where the input goes, NCHW. */
  readonly input: Region;
  readonly steps: readonly Step[];
  readonly outputs: readonly PlanOutput[];
  readonly values: ReadonlyMap<string, Value & { offset: number }>;
  /** Bytes of the arena, the peak of all activations together. */
  readonly arenaBytes: number;
  readonly multiplyAdds: number;
  /** Gives the arena back. */
  readonly free: () => void;
}

/** Weights and bias in the order a kernel reads them in. */
interface Packed {
  weights: Region;
  bias: Region;
}

/** Packed weights, shared by all plans of a model: by step, then by the kernel that packed them. */
export type PackedWeights = Map<string, Map<Kernel | WasmKernel, Packed>>;

export interface PlanOptions {
  graph: Graph;
  dims: InputDims;
  outputs: readonly string[];
  weights: WeightLookup;
  packed: PackedWeights;
  machine: Machine;
}

export function makePlan({ graph, dims, outputs, weights, packed, machine }: PlanOptions): Plan {
  const { engine, heap } = machine;
  const { values, steps } = lower({ graph, dims, outputs, weights, fuse: fuses(engine) });
  const lastWriter = new Map(steps.map((step, index) => [step.y, index]));
  const placement = placeValues(lifetimes(values, steps));
  const arena = heap.allocate(placement.size, `activations for a [${dims.join(',')}] input:`);
  const regionOf = (name: string): Region => arena.part(placement.offsets.get(name)!, sizeOf(values.get(name)!));
  return {
    dims,
    engine,
    input: regionOf(INPUT),
    steps: steps.map((step) => bind(step, chooseKernel(step.spec, engine), regionOf, packed, machine)),
    outputs: outputs.map((name) => {
      const source = graph.outputs.get(name)!;
      return { name, value: values.get(source)!, region: regionOf(source), afterStep: lastWriter.get(source)! };
    }),
    values: new Map([...values].map(([name, value]) => [name, { ...value, offset: placement.offsets.get(name)! }])),
    arenaBytes: placement.size * Float32Array.BYTES_PER_ELEMENT,
    multiplyAdds: steps.reduce((sum, { spec }) => sum + multiplyAdds(spec), 0),
    free: () => heap.free(arena),
  };
}

/** What stands for an operand that a kernel does not use. */
const NOTHING = new PlainHeap().allocate(0, 'nothing');

function bind(
  step: LoweredStep,
  kernel: Kernel | WasmKernel,
  regionOf: (name: string) => Region,
  packed: PackedWeights,
  machine: Machine,
): Step {
  const { name, spec } = step;
  const x = regionOf(step.x);
  const y = regionOf(step.y);
  const residual = step.residual === null ? NOTHING : regionOf(step.residual);
  const own = packedWeights(step, kernel, packed, machine);
  const bias = step.biasFrom === null ? own.bias : regionOf(step.biasFrom);
  const bound = { name, spec, kernel, kernelName: kernelName(spec, kernel.engine), y: step.y };
  if (kernel.engine !== 'wasm') {
    const work = () => kernel.run(spec, x.view, own.weights.view, bias.view, residual.view, y.view);
    return { ...bound, work: [work] };
  }
  const wasm = machine as WasmMachine;
  const calls = kernel.calls(spec, {
    x: x.address,
    weights: own.weights.address,
    bias: bias.address,
    residual: residual.address,
    y: y.address,
    zeros: wasm.zeros(widest(spec)).address,
  });
  return { ...bound, work: calls.map((call) => wasm.bind(call)) };
}

/** Floats of what lies outside the picture: a pixel of a depthwise convolution, the taps of a tile of the first one. */
function widest(spec: Spec): number {
  return spec.op === 'depthwise3x3' ? spec.channels : 16;
}

function packedWeights(
  step: LoweredStep,
  kernel: Kernel | WasmKernel,
  packed: PackedWeights,
  { heap }: Machine,
): Packed {
  if (step.makeWeights === null) return { weights: NOTHING, bias: NOTHING };
  let byKernel = packed.get(step.name);
  if (byKernel === undefined) {
    byKernel = new Map();
    packed.set(step.name, byKernel);
  }
  let own = byKernel.get(kernel);
  if (own === undefined) {
    const { weights, bias } = step.makeWeights();
    const place = (values: Float32Array): Region => {
      const region = heap.allocate(values.length, `${step.name}: weights`);
      region.view.set(values);
      return region;
    };
    own = { weights: place(kernel.pack(step.spec, weights)), bias: place(bias) };
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
