/**
 * A plan: everything that can be decided once for an input size and a set of outputs. Graph and weights go in, a frozen
 * list of bound steps comes out: which kernel, on which weights, from where to where in the arena.
 */
import { type Engine, type InvertedResidualSpec, kernelName, multiplyAdds, type Spec } from '../../layers/spec.js';
import type { Region } from '../../tensor/memory.js';
import { type Graph, INPUT, sourceOf } from '../graph.js';
import { type Lifetime, placeValues } from './arena.js';
import { formBlocks, type Item, scratchSizes } from './bands.js';
import { type Binding, bindBlock, bindStep, type PackedWeights } from './bind.js';
import { chooseKernel, fuses, inBands } from './choose.js';
import { type LoweredStep, lower, sizeOf, type Value, type WeightLookup } from './lower.js';
import type { Machine, Work } from './machine.js';

/** One step of a plan: a kernel, frozen on sizes, weights and places in memory. */
export interface Step {
  /** The layer it computes, or the layers that became one step, by their names in the graph. */
  readonly name: string;
  /** Operation and sizes. */
  readonly spec: Spec | InvertedResidualSpec;
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

/** Shape of an input, [N,C,H,W]. */
export type InputDims = readonly [batch: number, channels: number, height: number, width: number];

/** What runs for one input size and one set of outputs, step by step. */
export interface Plan {
  /** Shape of the input. */
  readonly dims: InputDims;
  /** Who computes it. */
  readonly engine: Engine;
  /** Where the input goes, NCHW. */
  readonly input: Region;
  /** In the order they run in. */
  readonly steps: readonly Step[];
  /** What is copied out, and when. */
  readonly outputs: readonly PlanOutput[];
  readonly values: ReadonlyMap<string, Value & { offset: number }>;
  /** Bytes of the arena, the peak of all activations together. */
  readonly arenaBytes: number;
  readonly multiplyAdds: number;
  /** Gives the arena back. */
  readonly free: () => void;
}

/** `fast` trades memory for time where that pays; `low` never holds a wide tensor (bands.ts). */
export type MemoryMode = 'fast' | 'low';

export interface PlanOptions {
  graph: Graph;
  dims: InputDims;
  outputs: readonly string[];
  weights: WeightLookup;
  packed: PackedWeights;
  machine: Machine;
  memory: MemoryMode;
}

export function makePlan({ graph, dims, outputs, weights, packed, machine, memory }: PlanOptions): Plan {
  const { engine, heap } = machine;
  const lowered = lower({ graph, dims, outputs, weights, fuse: fuses(engine) });
  const sources = outputs.map((name) => sourceOf(graph, name));
  const items = formBlocks(lowered, new Set(sources), (spec) => inBands(spec, machine, memory));
  const placement = placeValues(lifetimes(lowered.values, items));
  const arena = heap.allocate(placement.size, `activations for a [${dims.join(',')}] input:`);
  const regions = new Map([...placement.offsets].map(([name, { offset, size }]) => [name, arena.part(offset, size)]));
  const binding = { machine, packed, regions };
  const lastWriter = new Map(items.map((item, index) => [outputOf(item), index]));
  return {
    dims,
    engine,
    input: regions.get(INPUT)!,
    steps: bindSteps(items, binding, () => heap.free(arena)),
    outputs: outputs.map((name, i) => {
      const source = sources[i];
      const value = lowered.values.get(source)!;
      return { name, value, region: regions.get(source)!, afterStep: lastWriter.get(source)! };
    }),
    values: new Map(
      [...lowered.values]
        .filter(([name]) => placement.offsets.has(name))
        .map(([name, value]) => [name, { ...value, offset: placement.offsets.get(name)!.offset }]),
    ),
    arenaBytes: placement.size * Float32Array.BYTES_PER_ELEMENT,
    multiplyAdds: items.reduce((sum, { spec }) => sum + multiplyAdds(spec), 0),
    free: () => heap.free(arena),
  };
}

/** @param giveUp called where there is no memory for the weights, so that those activations make room again */
function bindSteps(items: readonly Item[], binding: Binding, giveUp: () => void): Step[] {
  const { engine } = binding.machine;
  try {
    return items.map((item) => ({
      name: item.name,
      spec: item.spec,
      kernelName: kernelName(item.spec, engineOf(item, engine)),
      y: outputOf(item),
      work: 'filter' in item ? bindBlock(item, binding) : bindStep(item, binding),
    }));
  } catch (error) {
    giveUp();
    throw error;
  }
}

const outputOf = (item: Item): string => ('filter' in item ? item.project.y : item.y);

/** The engine of the kernel that does most of it. */
const engineOf = (item: Item, engine: Engine): Engine =>
  'filter' in item ? chooseKernel(item.spec.project, engine).engine : chooseKernel(item.spec, engine).engine;

/** From the first step that writes a value to the last that touches it. The input is there before the first step. */
function lifetimes(values: ReadonlyMap<string, Value>, items: readonly Item[]): Lifetime[] {
  const lives = new Map([[INPUT, { name: INPUT, size: sizeOf(values.get(INPUT)!), first: 0, last: 0 }]]);
  for (const [index, item] of items.entries()) {
    const touched = 'filter' in item ? [item.widen.x, item.project.residual, item.project.y] : operandsOf(item);
    for (const name of touched) {
      if (name === null) continue;
      const life = lives.get(name);
      if (life !== undefined) life.last = index;
      else lives.set(name, { name, size: sizeOf(values.get(name)!), first: index, last: index });
    }
    if ('filter' in item) {
      const { ring, band } = scratchSizes(item.spec);
      lives.set(item.widen.y, { name: item.widen.y, size: ring, first: index, last: index });
      lives.set(item.filter.y, { name: item.filter.y, size: band, first: index, last: index });
    }
  }
  return [...lives.values()];
}

const operandsOf = ({ x, residual, biasFrom, y }: LoweredStep) => [x, residual, biasFrom, y];

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
