/**
 * The addition of a residual block moves into the store of the 1×1 convolution that made one of its halves: the sum is
 * written once, and the half never. The convolution must have no activation (the bottleneck is linear, section 3.2 of the
 * paper), and the other half must be there before it. Whole numbers are rounded before they are added, so they keep both steps.
 */
import type { Graph } from '../nodes.js';
import { absorb } from './absorb.js';

export function fuseResidual(graph: Graph): Graph {
  return absorb(graph, ({ name, kernel, activation, residual }, reader, isMade) => {
    if (graph.quantizations?.has(name)) return null;
    if (reader.op !== 'add' || kernel !== 1 || activation !== 'linear' || residual !== undefined) return null;
    const other = reader.input === name ? reader.other : reader.input;
    return isMade(other) ? { residual: other, label: `${name} + ${reader.name}` } : null;
  });
}
