/**
 * ReLU and ReLU6 that alone read a convolution become bounds of the values it stores. Any other activation stays a node: its
 * time is that of an exponential, and a pass over memory is little beside it.
 */
import type { Graph } from '../nodes.js';
import { absorb } from './absorb.js';

const CLAMPS = ['relu', 'relu6'];

export function fuseClamp(graph: Graph): Graph {
  return absorb(graph, ({ activation }, reader) =>
    activation === 'linear' && reader.op === 'activation' && CLAMPS.includes(reader.function)
      ? { activation: reader.function }
      : null,
  );
}
