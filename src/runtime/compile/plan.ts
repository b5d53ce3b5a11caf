/**
 * A plan: everything that can be decided once for an input size and a set of outputs. Graph and weights go in, a frozen
 * list of bound steps comes out: which kernel, on which weights, from where to where in the arena.
 */
import { expected } from '../../base/errors.js';
import { type Graph, INPUT, prune } from '../../graph/nodes.js';
import { applyPasses } from '../../graph/passes/passes.js';
import { sizeOf, type Value } from '../../graph/values.js';
import {
  type AnySpec,
  ELEMENT_BYTES,
  type ElementType,
  type EngineName,
  type InvertedResidualSpec,
  kernelName,
  multiplyAdds,
} from '../../layers/spec.js';
import { type Engine, type MemoryMode, partOf, type Region, type Work } from '../engines/engine.js';
import { type Lifetime, placeValues } from './arena.js';
import { formBlocks, type PlannedStep, scratchSizes, valuesRead } from './bands.js';
import { type Binding, bind, type WeightCache } from './bind.js';
import { type Lowered, lower, type WeightLookup } from './lower.js';

/** One step of a plan: a kernel, frozen on sizes, weights and places in memory. */
export interface Step {
  /** The layer it computes, or the layers that became one step, by their names in the graph. */
  readonly name: string;
  /** Operation and sizes. */
  readonly spec: AnySpec | InvertedResidualSpec;
  /** `depthwise3x3_s2_f32_relu6__js` */
  readonly kernelName: string;
  /** The value it makes. */
  readonly y: string;
  /** What is to be done, one after another. */
  readonly work: readonly Work[];
}

/** An output of the network: copied out of the arena right after the step that completes it. */
export interface PlanOutput {
  readonly name: string;
  readonly value: Value;
  readonly region: Region;
  /** Of whole numbers: what they are multiplied by to be real. */
  readonly scale: number | null;
  readonly afterStep: number;
}

/** Shape of an input, [N,C,H,W]. */
export type InputDims = readonly [batch: number, channels: number, height: number, width: number];

/** What runs for one input size and one set of outputs, step by step. */
export interface Plan {
  /** Shape of the input. */
  readonly dims: InputDims;
  /** Who computes it. */
  readonly engine: EngineName;
  /** Where the input goes, NCHW. */
  readonly input: Region;
  /** Puts an input there. */
  readonly write: (pixels: Float32Array) => void;
  /** In the order they run in. */
  readonly steps: readonly Step[];
  /** What is copied out, and when. */
  readonly outputs: readonly PlanOutput[];
  /** All values, and where in the arena each lies, in bytes. */
  readonly values: ReadonlyMap<string, Value & { offset: number }>;
  /** Bytes of the arena, the peak of all activations together. */
  readonly arenaBytes: number;
  readonly multiplyAdds: number;
  /** Gives the arena back. */
  readonly free: () => void;
}

export interface PlanJob {
  graph: Graph;
  dims: InputDims;
  /** The outputs that are wanted, by public name or node; everything they do not need is dropped. */
  outputs: readonly string[];
  weights: WeightLookup;
  cache: WeightCache;
  engine: Engine;
  memory: MemoryMode;
}

export function makePlan({ graph, dims, outputs, weights, cache, engine, memory }: PlanJob): Plan {
  const wanted = applyPasses(prune(graph, outputs), engine.passes);
  const lowered = lower(wanted, dims, weights);
  const kept = new Set(wanted.outputs.values());
  const steps = formBlocks(lowered, kept, (spec) => wideBytes(spec) > engine.bandsFrom[memory]);
  const places = placesOf(steps);
  const types = typesOf(lowered);
  const placement = placeValues(lifetimes(lowered.values, types, steps, places));
  for (const [name, place] of places) placement.offsets.set(name, placement.offsets.get(place)!);
  const arena = engine.allocate('i8', placement.size, `activations for a [${dims.join(',')}] input:`);
  const regions = new Map(
    [...placement.offsets].map(([name, { offset, size }]) => [name, typedPart(arena, offset, size, types.get(name)!)]),
  );
  const input = regions.get(INPUT)!;
  const lastWriter = new Map(steps.map((step, index) => [outputOf(step), index]));
  return {
    dims,
    engine: engine.name,
    input,
    write: (pixels) => engine.write(input, pixels),
    steps: bindSteps(steps, { engine, cache, regions }, () => engine.free(arena)),
    outputs: outputs.map((name) => {
      const source = wanted.outputs.get(name)!;
      const value = lowered.values.get(source)!;
      const scale = wanted.quantizations?.get(source)?.scale ?? null;
      return { name, value, region: regions.get(source)!, scale, afterStep: lastWriter.get(source)! };
    }),
    values: new Map(
      [...lowered.values]
        .filter(([name]) => placement.offsets.has(name))
        .map(([name, value]) => [name, { ...value, offset: placement.offsets.get(name)!.offset }]),
    ),
    arenaBytes: placement.size,
    multiplyAdds: steps.reduce((sum, { spec }) => sum + multiplyAdds(spec), 0),
    free: () => engine.free(arena),
  };
}

/** Bytes of the wide tensor in the middle of a block. */
const wideBytes = ({ filter: { batch, inHeight, inWidth, channels, dtype } }: InvertedResidualSpec): number =>
  ELEMENT_BYTES[dtype] * batch * inHeight * inWidth * channels;

/** @param giveUp called where there is no memory for the weights, so that those activations make room again */
function bindSteps(steps: readonly PlannedStep[], binding: Binding, giveUp: () => void): Step[] {
  try {
    return steps.map((step) => ({
      name: step.name,
      spec: step.spec,
      kernelName: kernelName(step.spec, binding.engine.kernelFor(mainSpec(step)).engine),
      y: outputOf(step),
      work: bind(step, binding),
    }));
  } catch (error) {
    giveUp();
    throw error;
  }
}

/** The last of the lowered steps, which makes the value and does most of the work. */
const mainOf = (step: PlannedStep) => (step.kind === 'block' ? step.project : step.step);
const mainSpec = (step: PlannedStep): AnySpec => mainOf(step).spec;
const outputOf = (step: PlannedStep): string => mainOf(step).values.y;

/** The type of every value: the picture is float32, and a step makes what its spec says. */
function typesOf({ steps }: Lowered): Map<string, ElementType> {
  const types = new Map<string, ElementType>([[INPUT, 'f32']]);
  for (const { values, spec } of steps) types.set(values.y, spec.dtype);
  return types;
}

/** So many bytes of the arena, as elements of a type. */
function typedPart(arena: Region, offset: number, bytes: number, type: ElementType): Region {
  return { ...partOf(arena, offset, 0), type, length: bytes / ELEMENT_BYTES[type] };
}

/**
 * From the first step that writes a value to the last that touches it. The input is there before the first step. A value that
 * is written over another (see `places`) prolongs the life of that one.
 */
function lifetimes(
  values: ReadonlyMap<string, Value>,
  types: ReadonlyMap<string, ElementType>,
  steps: readonly PlannedStep[],
  places: ReadonlyMap<string, string>,
): Lifetime[] {
  const lives = new Map<string, Lifetime>();
  const touch = (name: string, step: number, elements = sizeOf(values.get(name)!)) => {
    const size = elements * ELEMENT_BYTES[types.get(name)!];
    const place = places.get(name) ?? name;
    const life = lives.get(place);
    if (life === undefined) lives.set(place, { name: place, size, first: step, last: step });
    else life.last = step;
  };
  touch(INPUT, 0);
  for (const [index, step] of steps.entries()) {
    for (const name of valuesTouched(step)) touch(name, index);
    if (step.kind === 'single') continue;
    const { ring, band } = scratchSizes(step.spec);
    touch(step.widen.values.y, index, ring);
    touch(step.filter.values.y, index, band);
  }
  return [...lives.values()];
}

/** An activation writes over what it reads, where nobody reads that later: from its value to the one whose place it takes. */
function placesOf(steps: readonly PlannedStep[]): Map<string, string> {
  const lastReaders = new Map<string, number>();
  for (const [index, step] of steps.entries()) {
    for (const name of valuesTouched(step)) lastReaders.set(name, index);
  }
  const places = new Map<string, string>();
  for (const [index, { spec, ...step }] of steps.entries()) {
    if (step.kind !== 'single' || spec.op !== 'activation') continue;
    const { x, y } = step.step.values;
    if (x !== INPUT && lastReaders.get(x) === index) places.set(y, places.get(x) ?? x);
  }
  return places;
}

/** What has to lie in memory as a whole while a step runs. */
function valuesTouched(step: PlannedStep): string[] {
  if (step.kind === 'single') return [...valuesRead(step.step.values), step.step.values.y];
  const { residual, y } = step.project.values;
  return [...valuesRead(step.widen.values), ...(residual === undefined ? [] : [residual]), y];
}

/** The plan as a table: step, kernel, what it makes, multiply-adds, place in the arena. */
export function describePlan(plan: Plan): string {
  if (!Array.isArray(plan?.steps) || !(plan.values instanceof Map))
    throw expected('describePlan', 'what model.plan() gives', plan);
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
      String(offset),
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
