/** Which values of a graph become whole numbers, how the checkpoint names them, and which of them have one scale. */
import { MobileNetError } from '../base/errors.js';
import { type Graph, INPUT, type Node } from '../graph/nodes.js';
import { PREFIX } from '../models/mobilenet-v2/weights.js';

/** Activations that are nothing but bounds of what is stored. */
const BOUNDS = ['linear', 'relu', 'relu6'];

/** The nodes that make values of whole numbers; refuses what those cannot compute. */
export function quantizedNodes(graph: Graph): readonly Node[] {
  for (const node of graph.nodes) {
    if (node.op !== 'convolution' || BOUNDS.includes(node.activation)) continue;
    throw new MobileNetError(
      'UNSUPPORTED',
      `hidden_act: ${node.activation} is not computed with whole numbers; expected relu6 or relu; this model stays in float32`,
    );
  }
  return graph.nodes;
}

/** Of a node of the backbone `mobilenet_v2.` comes first where its weights have that. */
const BACKBONE = /^(conv_stem|layer|conv_1x1|pooler)\b/;

/** What stands before `.scale` and `.zero_point` in the checkpoint. */
export function checkpointNames(graph: Graph): Map<string, string> {
  const hasPrefix = graph.nodes.some((node) => node.op === 'convolution' && node.weight.startsWith(PREFIX));
  const named = (name: string) => (hasPrefix && BACKBONE.test(name) ? PREFIX + name : name);
  return new Map([INPUT, ...graph.nodes.map(({ name }) => name)].map((name) => [name, named(name)]));
}

/**
 * For each value the one whose scale it has. Both inputs of a concatenation are numbers of one tensor, and a resize is between
 * numbers of one scale: the concatenation's range is that of all.
 */
export function scaleOwners({ nodes }: Graph): Map<string, string> {
  const owners = new Map<string, string>([[INPUT, INPUT]]);
  for (const { name } of nodes) owners.set(name, name);
  for (const node of [...nodes].reverse()) {
    const owner = owners.get(node.name)!;
    if (node.op === 'concat') owners.set(node.input, owner).set(node.other, owner);
    else if (node.op === 'resize') owners.set(node.input, owner);
  }
  return owners;
}
