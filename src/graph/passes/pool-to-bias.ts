/**
 * In the segmentation head, `conv_projection` reads [pooled branch ‖ 1×1 branch], and the pooled branch is the same at every
 * pixel. A matrix product over a concatenation is the sum of two products, W·[p ‖ a] = W₁·p + W₂·a. So W₁·p + bias is computed
 * once an image and becomes the bias of the other half: no resize, no concatenation, half the multiply-adds.
 */
import type { ConcatNode, ConvNode, Graph, Node, ResizeNode } from '../nodes.js';
import { withoutLabel } from './fold-batch-norm.js';
import { onlyReader, readersOf } from './readers.js';

/** What becomes of a projection, and what is no longer needed. */
interface Branches {
  resize: ResizeNode;
  concat: ConcatNode;
  conv: ConvNode;
}

export function poolToBias(graph: Graph): Graph {
  const found = graph.nodes.flatMap((node) => (node.op === 'resize' ? (branchesOf(graph, node) ?? []) : []));
  const gone = new Set<Node>(found.flatMap(({ resize, concat }) => [resize, concat]));
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const own = found.find(({ conv }) => conv === node);
    if (own !== undefined) return [pooledHalf(graph, own), otherHalf(graph, own)];
    return gone.has(node) ? [] : [node];
  });
  return { ...graph, nodes };
}

/** The concatenation that alone reads this resize of one pixel, and the 1×1 convolution that alone reads that. */
function branchesOf(graph: Graph, resize: ResizeNode): Branches | null {
  if (!isOnePixel(graph, resize.input)) return null;
  const readers = readersOf(graph);
  const concat = onlyReader(graph, readers, resize.name);
  if (concat?.op !== 'concat' || concat.input !== resize.name || concat.other === resize.name) return null;
  const conv = onlyReader(graph, readers, concat.name);
  if (conv?.op !== 'convolution' || conv.kernel !== 1 || conv.groups !== 1 || conv.input !== concat.name) return null;
  return conv.biasFrom === undefined && conv.residual === undefined ? { resize, concat, conv } : null;
}

/** Whether a value is one pixel whatever the picture's size: global pooling, and 1×1 convolutions after it. */
function isOnePixel(graph: Graph, name: string): boolean {
  const node = graph.nodes.find((other) => other.name === name);
  switch (node?.op) {
    case 'average_pool':
      return node.window === 'global';
    case 'convolution':
      return node.kernel === 1 && isOnePixel(graph, node.input);
    case 'batch_norm':
    case 'activation':
    case 'linear':
      return isOnePixel(graph, node.input);
    default:
      return false;
  }
}

/** Channels of a value. */
function channelsOf(graph: Graph, name: string): number {
  const node = graph.nodes.find((other) => other.name === name);
  if (node === undefined) return graph.inChannels;
  switch (node.op) {
    case 'convolution':
    case 'linear':
      return node.outChannels;
    case 'batch_norm':
      return node.channels;
    case 'concat':
      return channelsOf(graph, node.input) + channelsOf(graph, node.other);
    default:
      return channelsOf(graph, node.input);
  }
}

const pooledName = ({ conv }: Branches): string => `${conv.name} (pooled branch)`;

function pooledHalf(graph: Graph, branches: Branches): ConvNode {
  const { conv, resize } = branches;
  const inChannels = channelsOf(graph, resize.input);
  const name = pooledName(branches);
  return { ...withoutLabel(conv), name, input: resize.input, inChannels, firstInChannel: 0, activation: 'linear' };
}

function otherHalf(graph: Graph, branches: Branches): ConvNode {
  const { conv, concat, resize } = branches;
  const firstInChannel = channelsOf(graph, resize.input);
  const inChannels = conv.inChannels - firstInChannel;
  return { ...conv, input: concat.other, inChannels, firstInChannel, biasFrom: pooledName(branches) };
}
