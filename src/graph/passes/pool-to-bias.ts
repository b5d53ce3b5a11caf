/**
 * In the segmentation head, `conv_projection` reads [pooled branch ‖ 1×1 branch], and the pooled branch is the same at every
 * pixel. A matrix product over a concatenation is the sum of two products, W·[p ‖ a] = W₁·p + W₂·a. So W₁·p + bias is computed
 * once an image and becomes the bias of the other half: no resize, no concatenation, half the multiply-adds.
 */
import type { ConvNode, Graph, Node } from '../nodes.js';
import { onlyReaders } from './absorb.js';

export function poolToBias(graph: Graph): Graph {
  const onlyReader = onlyReaders(graph);
  const gone = new Set<Node>();
  const halves = new Map<Node, [pooled: ConvNode, rest: ConvNode]>();
  for (const resize of graph.nodes) {
    if (resize.op !== 'resize') continue;
    const channels = channelsOfPixel(graph, resize.input);
    const concat = onlyReader(resize.name);
    if (channels === null || concat?.op !== 'concat' || concat.input !== resize.name) continue;
    const conv = onlyReader(concat.name);
    if ((conv?.op !== 'convolution' || conv.kernel !== 1 || conv.groups !== 1 || conv.biasFrom) ?? conv.residual)
      continue;
    const name = `${conv.name} (pooled branch)`;
    const pooled = { inChannels: channels, firstInChannel: 0, activation: 'linear' };
    const rest = { inChannels: conv.inChannels - channels, firstInChannel: channels, biasFrom: name };
    halves.set(conv, [
      { ...conv, ...pooled, name, input: resize.input },
      { ...conv, ...rest, input: concat.other },
    ]);
    gone.add(resize).add(concat);
  }
  return { ...graph, nodes: graph.nodes.flatMap((node) => halves.get(node) ?? (gone.has(node) ? [] : [node])) };
}

/**
 * Channels of a value that is one pixel whatever the picture's size: global pooling, and what 1×1 convolutions make of it.
 * Null for any other value.
 */
function channelsOfPixel(graph: Graph, name: string, channels: number | null = null): number | null {
  const node = graph.nodes.find((other) => other.name === name);
  if (node?.op === 'average_pool') return node.window === 'global' ? channels : null;
  if (node?.op === 'activation' || node?.op === 'batch_norm') return channelsOfPixel(graph, node.input, channels);
  if (node?.op !== 'convolution' || node.kernel !== 1) return null;
  return channelsOfPixel(graph, node.input, channels ?? node.outChannels);
}
