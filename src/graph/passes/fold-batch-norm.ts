/**
 * A batch norm that alone reads a convolution becomes a part of it: both are affine, so the convolution's weights can do the
 * work of both (layers/batch-norm has the arithmetic). The other order, batch norm first, could not be folded at a border,
 * where the convolution reads zeros that no norm has seen.
 */
import type { BatchNormNode, Graph, Node } from '../nodes.js';
import { onlyReader, readersOf } from './readers.js';

export function foldBatchNorm(graph: Graph): Graph {
  const readers = readersOf(graph);
  const folded = new Set<BatchNormNode>();
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (node.op === 'batch_norm' && folded.has(node)) return [];
    if (node.op !== 'convolution' || node.norm !== null || node.activation !== 'linear') return [node];
    const norm = onlyReader(graph, readers, node.name);
    if (norm?.op !== 'batch_norm' || node.residual !== undefined) return [node];
    folded.add(norm);
    const { prefix, epsilon } = norm;
    return [{ ...withoutLabel(node), name: norm.name, norm: { prefix, epsilon } }];
  });
  return { ...graph, nodes };
}

/** What several nodes become is named by the value that it makes. */
export function withoutLabel<N extends Node>(node: N): N {
  const { label: _, ...rest } = node;
  return rest as N;
}
