/**
 * Where the values of a plan lie: what lives at the same time lies apart. Time is counted in steps; where steps are done several
 * times, in runs of steps that a picture goes through before the next does, or beside it.
 */
import { INPUT } from '../../graph/nodes.js';
import { ELEMENT_BYTES } from '../../layers/spec.js';
import { type Lifetime, placeValues } from '../compile/arena.js';
import { FACTORS } from './graph.js';
import type { Steps, TrainingStep } from './steps.js';

export interface PlacesJob {
  steps: Steps;
  /** Steps before the loss. */
  forward: number;
  output: string;
  gradient: string;
  /** How often steps are done, and how often at once. */
  times: number;
  lanes: number;
  /** Which steps a picture goes through without the others. */
  inLanes: readonly boolean[];
}

export interface Places {
  /** Bytes from the beginning, and how many of its size lie there; undefined for what stays elsewhere. */
  of(name: string): { offset: number; copies: number } | undefined;
  /** Bytes of all. */
  size: number;
}

export function placesIn(job: PlacesJob): Places {
  const { steps, times, lanes } = job;
  const apart = lifetimes(job, new Map());
  /** What is made and read in one run is there once for each lane; all else for each picture. */
  const isShort = ({ first, last }: Lifetime): boolean => times > 1 && first === last;
  const over = writtenOver(steps, (name) => isShort(apart.get(name)!));
  const lives = lifetimes(job, over);
  const copies = (name: string): number => {
    if (steps.ofAll.has(name)) return 1;
    return isShort(lives.get(name)!) ? lanes : times;
  };
  const sized = [...lives.values()].map((life) => ({ ...life, size: life.size * copies(life.name) }));
  const { offsets, size } = placeValues(sized);
  return {
    of: (name) => {
      const place = over.get(name) ?? name;
      const found = offsets.get(place);
      return found && { offset: found.offset, copies: copies(place) };
    },
    size,
  };
}

/** What some steps make may be written over a value that nobody reads later: gradients that go through without changing size. */
function writtenOver({ list, sizes }: Steps, isShort: (name: string) => boolean): Map<string, string> {
  const lastReaders = new Map<string, TrainingStep>();
  for (const step of list) for (const name of Object.values(step.operands)) lastReaders.set(name, step);
  const places = new Map<string, string>();
  for (const step of list) {
    const { op } = step.spec;
    const { x, other, y } = step.operands;
    const over = op === 'activation_dx' || op === 'norm_dx' ? other : op === 'dropout' ? x : undefined;
    if (over === undefined || lastReaders.get(over) !== step || step.way !== 'backward') continue;
    if (sizes.has(over) && !isShort(y)) places.set(y, places.get(over) ?? over);
  }
  return places;
}

/** From the first time that a value is touched to the last. The loss has a time between the two directions. */
function lifetimes(
  { steps, forward, output, gradient, times, inLanes }: PlacesJob,
  over: ReadonlyMap<string, string>,
): Map<string, Lifetime> {
  const lives = new Map<string, Lifetime>();
  const touch = (name: string, time: number) => {
    const elements = steps.sizes.get(name);
    if (elements === undefined) return; // it stays, elsewhere
    const place = over.get(name) ?? name;
    const life = lives.get(place);
    if (life === undefined)
      lives.set(place, { name: place, size: elements * ELEMENT_BYTES.f32, first: time, last: time });
    else life.last = Math.max(life.last, time);
  };
  touch(INPUT, -1);
  touch(FACTORS, -1);
  let time = 0;
  for (const [index, { operands }] of steps.list.entries()) {
    const joins = times > 1 && inLanes[index] && inLanes[index - 1];
    if (index === forward) touchLoss();
    else if (!joins) time++;
    for (const name of Object.values(operands)) touch(name, time);
  }
  if (steps.list.length === forward) touchLoss();
  const pixels = steps.gradientOf(INPUT);
  if (pixels !== undefined) touch(pixels, time + 1);
  return lives;

  function touchLoss(): void {
    time++;
    for (const name of [output, gradient, ...steps.moments.map(({ value }) => value)]) touch(name, time);
    time++;
  }
}
