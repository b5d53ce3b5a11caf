/**
 * A plan of training for one size and number of pictures: the steps of both directions, bound to kernels, weights and places
 * in one arena. What lives from the way forth to the way back does so because a step there reads it.
 *
 * Where norms look at the batch, steps are those of one picture, done for each in turn as far as pictures know nothing of each
 * other (schedule.ts): so what a step makes is read while it is in a cache.
 */
import { type Graph, INPUT, inputsOf } from '../../graph/nodes.js';
import type { Value } from '../../graph/values.js';
import { ELEMENT_BYTES, type FusedActivation, type Spec } from '../../layers/spec.js';
import { lower, type WeightLookup } from '../compile/lower.js';
import type { InputDims } from '../compile/plan.js';
import { type BoundKernel, type Engine, NOTHING, partOf, type Region, type Work } from '../engines/engine.js';
import { FACTORS, nodesOf, type TrainingNode } from './graph.js';
import { placesIn } from './places.js';
import { parametersOfNode, RULES, type Situation } from './rules.js';
import { Steps, type TrainingStep } from './steps.js';
import type { PackedStore } from './weights.js';

/** What is planned. */
export interface TrainingJob {
  /** As `trainingGraph` gives it. */
  graph: Graph;
  /** What a step is made for. */
  dims: InputDims;
  /** How often it is done, each time for other pictures. */
  times: number;
  /** The node whose value the loss looks at. */
  output: string;
  /** The node before which there is dropout; null for none. */
  dropsBefore: string | null;
  pixelGradient: boolean;
  recompute: boolean;
  isTrained: (parameter: string) => boolean;
  weights: WeightLookup;
  engine: Engine;
  packed: PackedStore;
  /** Where numbers are that stay from step to step. */
  numbers: (name: string) => Region;
}

/** A step, ready to be done. */
export interface BoundStep {
  /** What is to be done each time. */
  readonly works: readonly (readonly Work[])[];
  /** Whether it is done for each picture, and by a kernel of the engine's own: then it may be in a lane. */
  readonly inLanes: boolean;
  /** The gradient that it adds to, if it does. */
  readonly addsTo: string | undefined;
}

export interface TrainingPlan {
  /** Of all pictures. */
  readonly dims: InputDims;
  /** Those that may go at once. */
  readonly lanes: number;
  readonly input: Region;
  /** Factors of dropout, where there is any. */
  readonly factors: Region | undefined;
  readonly output: { value: Value; region: Region };
  /** Where the gradient of the output goes. */
  readonly gradient: Region;
  /** The gradient of the input, where it is wanted; at the end. */
  readonly pixels: Region | undefined;
  /** What norms saw of the batch; there after the way forth. */
  readonly moments: readonly { prefix: string; region: Region; pixels: number }[];
  readonly forward: readonly BoundStep[];
  readonly backward: readonly BoundStep[];
  readonly arenaBytes: number;
  readonly free: () => void;
}

export function makeTrainingPlan(job: TrainingJob): TrainingPlan {
  const { dims, times, output, engine } = job;
  const gathered = gather(job);
  const { steps } = gathered;
  const kernels = steps.list.map(({ spec }) => engine.kernelFor(spec));
  const inLanes = steps.list.map(({ once }, i) => !once && kernels[i].engine === 'wasm');
  const lanes = engine.atOnce === undefined ? 1 : Math.min(engine.threads, times);
  const places = placesIn({ ...gathered, output, times, lanes, inLanes });
  const all: InputDims = [times * dims[0], dims[1], dims[2], dims[3]];
  const arena = engine.allocate('f32', places.size / ELEMENT_BYTES.f32, `training on a [${all.join(',')}] input:`);
  try {
    const region = (name: string, time?: number): Region => {
      const place = places.of(name);
      if (place === undefined) return job.numbers(name);
      const size = steps.sizes.get(name)!;
      const first = time === undefined ? 0 : size * (time % place.copies);
      return partOf(arena, place.offset / ELEMENT_BYTES.f32 + first, time === undefined ? size * place.copies : size);
    };
    const bound = steps.list.map((step, i): BoundStep => {
      const each = step.once ? [undefined] : Array.from({ length: times }, (_, time) => time);
      const works = each.map((time) => bindStep(step, kernels[i], job.packed, (name) => region(name, time)));
      const { y } = step.operands;
      return { works, inLanes: inLanes[i], addsTo: steps.sizes.has(y) ? undefined : y };
    });
    const pixels = steps.gradientOf(INPUT);
    const value = gathered.values.get(output)!;
    return {
      dims: all,
      lanes,
      input: region(INPUT),
      factors: steps.sizes.has(FACTORS) ? region(FACTORS) : undefined,
      output: { value: { ...value, batch: times * value.batch }, region: region(output) },
      gradient: region(gathered.gradient),
      pixels: pixels === undefined ? undefined : region(pixels),
      moments: steps.moments.map(({ prefix, value, pixels: seen }) => ({
        prefix,
        region: region(value),
        pixels: seen,
      })),
      forward: bound.slice(0, gathered.forward),
      backward: bound.slice(gathered.forward),
      arenaBytes: places.size,
      free: () => engine.free(arena),
    };
  } catch (error) {
    engine.free(arena);
    throw error;
  }
}

/** Steps of both directions, and what is known of them. */
interface Gathered {
  steps: Steps;
  values: ReadonlyMap<string, Value>;
  /** Steps before the loss. */
  forward: number;
  /** The gradient of the output. */
  gradient: string;
}

function gather({ graph, dims, times, output, dropsBefore, weights, ...job }: TrainingJob): Gathered {
  const lowering = lower(graph, dims, weights);
  const lowered = new Map(
    lowering.steps.map(({ spec, values, makeWeights }) => [values.y, { spec: spec as Spec, makeWeights }]),
  );
  const nodes = nodesOf(graph, dropsBefore);
  const wanted = wantedValues(nodes, job);
  const [batch, channels, height, width] = dims;
  const steps = new Steps(batch * channels * height * width, remakes(graph, job.recompute));
  const at: Situation = {
    steps,
    times,
    values: lowering.values,
    lowered,
    isTrained: job.isTrained,
    isWanted: (value) => wanted.has(value),
    ownClamp: ownClamps(nodes),
  };
  for (const node of nodes) RULES[node.op].forth(node as never, at);
  const forward = steps.list.length;
  const gradient = steps.room(output);
  steps.sizes.set(gradient, steps.sizes.get(output)!);
  steps.replace(output, gradient);
  for (const node of nodes.toReversed()) {
    const dy = wanted.has(node.name) ? steps.gradientOf(node.name) : undefined;
    if (dy !== undefined) RULES[node.op].back(node as never, dy, at);
  }
  return { steps, values: lowering.values, forward, gradient };
}

/** The values whose gradients are wanted: those that a trained parameter, or the picture where its gradient is wanted, has a part in. */
function wantedValues(nodes: readonly TrainingNode[], job: Pick<TrainingJob, 'isTrained' | 'pixelGradient'>) {
  const wanted = new Set(job.pixelGradient ? [INPUT] : []);
  for (const node of nodes) {
    if (readOf(node).some((input) => wanted.has(input)) || parametersOfNode(node).some(job.isTrained))
      wanted.add(node.name);
  }
  return wanted;
}

function ownClamps(nodes: readonly TrainingNode[]): Situation['ownClamp'] {
  const clamps = new Map<string, FusedActivation>();
  for (const node of nodes) {
    if (node.op === 'batch_norm') clamps.set(node.name, node.clamp);
    if (node.op === 'convolution' && node.activation !== 'linear')
      clamps.set(node.name, node.activation as FusedActivation);
  }
  const readers = nodes.flatMap(readOf);
  return (value) => (readers.filter((name) => name === value).length === 1 ? clamps.get(value) : undefined) ?? 'none';
}

/** The values whose numbers a node reads. */
const readOf = (node: TrainingNode): string[] =>
  node.op === 'resize' || node.op === 'dropout' || node.op === 'batch_norm' ? [node.input] : inputsOf(node);

/**
 * Channels that an expansion whose norm looks at the batch may read to be made again always: a number of it costs as many
 * multiplications, and those with the fewest are the widest of all. 1.0 at 224, 16 pictures: 279 MiB where there were 438, for 2.4 ms of 55 a picture.
 */
const CHEAP_CHANNELS = 32;

/**
 * What is made again: always what a norm made of values that are kept, a multiplication a value, and cheap expansions; with
 * `recompute` all expansions, which are six times as wide as what they are made of.
 */
function remakes(graph: Graph, recompute: boolean) {
  const expansions = new Set<string>();
  const filtered = new Set<string>();
  const normed = new Set<string>();
  for (const node of graph.nodes.toReversed()) {
    if (node.op === 'convolution') {
      const cheap = recompute || (normed.has(node.name) && node.inChannels <= CHEAP_CHANNELS);
      if (node.groups > 1) filtered.add(node.input);
      else if (filtered.has(node.name) && node.kernel === 1 && cheap) expansions.add(node.name);
      // A norm and an activation between do not matter.
    } else if (filtered.has(node.name) && (node.op === 'batch_norm' || node.op === 'activation'))
      filtered.add(node.input);
    if (node.op === 'batch_norm') normed.add(node.input);
  }
  return ({ spec, operands }: TrainingStep): boolean => spec.op === 'scale_shift' || expansions.has(operands.y);
}

function bindStep(
  step: TrainingStep,
  kernel: BoundKernel,
  packed: PackedStore,
  region: (name: string) => Region,
): Work[] {
  const { x, weights, bias, residual, other, y } = step.operands;
  const own = packed.get(step.name, step.spec, kernel, step.packed);
  const at = (name: string | undefined): Region => (name === undefined ? NOTHING : region(name));
  return kernel.bind(step.spec, {
    x: at(x),
    weights: weights === undefined ? own.weights : region(weights),
    bias: bias === undefined ? own.bias : region(bias),
    multiplier: NOTHING,
    residual: at(residual),
    other: at(other),
    y: region(y),
  });
}
