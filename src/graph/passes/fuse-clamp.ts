/**
 * ReLU and ReLU6 that alone read a convolution become bounds of the values it stores. Any other activation stays a node: its
 * time is that of an exponential, and a pass over memory is little beside it.
 */
import type { ActivationNode, Graph, Node } from '../nodes.js';
import { withoutLabel } from './fold-batch-norm.js';
import { onlyReader, readersOf } from './readers.js';

const CLAMPS = ['relu', 'relu6'];

export function fuseClamp(graph: Graph): Graph {
  const readers = readersOf(graph);
  const fused = new Set<ActivationNode>();
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (node.op === 'activation' && fused.has(node)) return [];
    if (node.op !== 'convolution' || node.activation !== 'linear') return [node];
    const activation = onlyReader(graph, readers, node.name);
    if (activation?.op !== 'activation' || !CLAMPS.includes(activation.function)) return [node];
    fused.add(activation);
    return [{ ...withoutLabel(node), name: activation.name, activation: activation.function }];
  });
  return { ...graph, nodes };
}
