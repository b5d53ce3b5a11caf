/**
 * In the segmentation head, `conv_projection` reads [pooled branch ‖ 1×1 branch], and the pooled branch is the same at every
 * pixel. A matrix product over a concatenation is the sum of two products, W·[p ‖ a] = W₁·p + W₂·a. So W₁·p + bias is computed
 * once an image and becomes the bias of the other half: no resize, no concatenation, half the multiply-adds.
 *
 * Sums of whole numbers are exact, so it is the same in them, where the first product stays a sum and is not rounded.
 */
import type { Graph, Node } from '../nodes.js';
import { onlyReaders } from './absorb.js';

export function poolToBias(graph: Graph): Graph {
  const onlyReader = onlyReaders(graph);
  const gone = new Set<Node>();
  const parts = new Map<Node, Node[]>();
  for (const resize of graph.nodes) {
    if (resize.op !== 'resize') continue;
    const channels = channelsOfPixel(graph, resize.input);
    const reader = onlyReader(resize.name);
    // Whole numbers may get another scale before they are joined; one pixel gets it as well as all that are like it.
    const scaled = reader?.op === 'requantize' ? [{ ...reader, input: resize.input }] : [];
    const concat = scaled.length > 0 ? onlyReader(reader!.name) : reader;
    const last = scaled.length > 0 ? reader! : resize;
    if (channels === null || concat?.op !== 'concat' || concat.input !== last.name) continue;
    const conv = onlyReader(concat.name);
    if ((conv?.op !== 'convolution' || conv.kernel !== 1 || conv.groups !== 1 || conv.biasFrom) ?? conv.residual)
      continue;
    if (!keepsScale(graph, resize)) continue;
    const name = `${conv.name} (pooled branch)`;
    const pooled = { inChannels: channels, firstInChannel: 0, activation: 'linear' };
    const rest = { inChannels: conv.inChannels - channels, firstInChannel: channels, biasFrom: name };
    parts.set(conv, [
      ...scaled,
      { ...conv, ...pooled, name, input: scaled[0]?.name ?? resize.input },
      { ...conv, ...rest, input: concat.other },
    ]);
    for (const node of [resize, last, concat]) gone.add(node);
  }
  return { ...graph, nodes: graph.nodes.flatMap((node) => parts.get(node) ?? (gone.has(node) ? [] : [node])) };
}

/** A resize leaves numbers as they are, so a pixel is what it reads only where the scale is that of what it reads. */
function keepsScale({ quantizations }: Graph, { name, input }: Node): boolean {
  const [from, to] = [quantizations?.get(input), quantizations?.get(name)];
  return from?.scale === to?.scale && from?.zeroPoint === to?.zeroPoint;
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
