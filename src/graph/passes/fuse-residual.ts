/**
 * The addition of a residual block moves into the store of the 1×1 convolution that made one of its halves: the sum is
 * written once, and the half never. The convolution must have no activation (the bottleneck is linear, section 3.2 of the
 * paper), and the other half must be there before it.
 */
import { type AddNode, type ConvNode, type Graph, INPUT, type Node } from '../nodes.js';
import { withoutLabel } from './fold-batch-norm.js';
import { onlyReader, readersOf } from './readers.js';

export function fuseResidual(graph: Graph): Graph {
  const readers = readersOf(graph);
  const made = new Set([INPUT]);
  const fused = new Set<AddNode>();
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (node.op === 'add' && fused.has(node)) return [];
    const add = node.op === 'convolution' && takesResidual(node) ? onlyReader(graph, readers, node.name) : null;
    if (add?.op !== 'add') {
      made.add(node.name);
      return [node];
    }
    const residual = add.input === node.name ? add.other : add.input;
    if (residual === node.name || !made.has(residual)) {
      made.add(node.name);
      return [node];
    }
    fused.add(add);
    made.add(add.name);
    return [{ ...withoutLabel(node as ConvNode), name: add.name, label: `${node.name} + ${add.name}`, residual }];
  });
  return { ...graph, nodes };
}

const takesResidual = ({ kernel, activation, residual }: ConvNode): boolean =>
  kernel === 1 && activation === 'linear' && residual === undefined;
