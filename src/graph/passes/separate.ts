/**
 * Every layer as the paper draws it: convolution, batch norm and activation as nodes of their own. The last of them makes the
 * layer's value and has its name. A convolution of whole numbers stays as it is: its norm is in its weights, its activation in
 * the range of its output, and what would lie between has no scale.
 */
import type { ConvNode, Graph, Node } from '../nodes.js';

export function separate(graph: Graph): Graph {
  return {
    ...graph,
    nodes: graph.nodes.flatMap((node) =>
      node.op === 'convolution' && !graph.quantizations?.has(node.name) ? parts(node) : [node],
    ),
  };
}

function parts(node: ConvNode): Node[] {
  const { name, norm, activation } = node;
  const nodes: Node[] = [{ ...node, name: `${name}.convolution`, norm: null, activation: 'linear' }];
  if (norm !== null) {
    const channels = node.outChannels;
    nodes.push({ op: 'batch_norm', name: `${name}.normalization`, input: `${name}.convolution`, channels, ...norm });
  }
  if (activation !== 'linear') {
    nodes.push({ op: 'activation', name: `${name}.activation`, input: nodes.at(-1)!.name, function: activation });
  }
  const last = nodes.pop()!;
  return [...nodes, { ...last, name, label: last.name }];
}
