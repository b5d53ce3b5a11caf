/** The parameters that are trained, one after another in two flat arrays: their values, and their gradients. */
import { type Graph, type Parameter, parametersOf, type TensorRole } from '../../graph/nodes.js';
import { elementCount } from '../../tensor/shape.js';
import type { Decayed, TrainedParameter } from './types.js';

/** Roles in flat order, so that what is decayed is the beginning, however much of it. */
const SECTIONS: readonly (readonly TensorRole[])[] = [['weight'], ['norm_weight'], ['bias', 'norm_bias']];
/** How many of the sections weight decay takes. */
const DECAYED: Record<Decayed, number> = { matrices: 1, 'all but biases': 2, all: 3 };

/** Parameters begin at cache lines. Between them are zeros, which no optimizer moves. */
const ALIGNMENT = 16;
const align = (count: number): number => Math.ceil(count / ALIGNMENT) * ALIGNMENT;

/** A part of the flat arrays that is decayed as a whole. */
export interface Section {
  offset: number;
  size: number;
  parameters: readonly TrainedParameter[];
}

export interface FlatParameters {
  parameters: readonly TrainedParameter[];
  byName: ReadonlyMap<string, TrainedParameter>;
  sections: readonly Section[];
  /** Of the flat arrays. */
  size: number;
}

/** Whether it is learned, and not a statistic. */
export const isLearned = ({ role }: Parameter): boolean => SECTIONS.flat().includes(role);

/** @param graph as models build it */
export function flatten(graph: Graph, isTrained: (name: string) => boolean): FlatParameters {
  const all = parametersOf(graph.nodes).filter(({ name }) => isTrained(name));
  const sections: Section[] = [];
  let size = 0;
  for (const roles of SECTIONS) {
    const offset = size;
    const parameters: TrainedParameter[] = [];
    for (const { name, dims } of all.filter(({ role }) => roles.includes(role))) {
      parameters.push({ name, dims, offset: size, size: elementCount(dims) });
      size = align(size + elementCount(dims));
    }
    sections.push({ offset, size: size - offset, parameters });
  }
  const parameters = sections.flatMap((section) => section.parameters);
  return { parameters, byName: new Map(parameters.map((own) => [own.name, own])), sections, size };
}

/** Whether weight decay takes the section of that number. */
export const isDecayed = (section: number, decayed: Decayed): boolean => section < DECAYED[decayed];
