/** What the fusions share: a convolution takes over the node that alone reads it, and makes that node's value. */
import { type ConvNode, type Graph, INPUT, inputsOf, type Node } from '../nodes.js';

/** The readers of each value, in order. */
function readersOf({ nodes }: Graph): Map<string, Node[]> {
  const readers = new Map<string, Node[]>();
  for (const node of nodes) {
    for (const input of new Set(inputsOf(node))) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  return readers;
}

/**
 * Gives, for the name of a value, the one node that reads it; undefined where there are more, and where the value is an output
 * of the graph. Only a value with one reader may cease to exist.
 */
export function onlyReaders(graph: Graph): (name: string) => Node | undefined {
  const readers = readersOf(graph);
  const outputs = new Set(graph.outputs.values());
  return (name) => (readers.get(name)?.length === 1 && !outputs.has(name) ? readers.get(name)![0] : undefined);
}

/**
 * @param join what a convolution becomes with its only reader, or null where it cannot take that over. `isMade` tells whether a
 *   value is there before the convolution runs
 */
export function absorb(
  graph: Graph,
  join: (conv: ConvNode, reader: Node, isMade: (name: string) => boolean) => Partial<ConvNode> | null,
): Graph {
  const onlyReader = onlyReaders(graph);
  const made = new Set([INPUT]);
  const absorbed = new Set<Node>();
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    if (absorbed.has(node)) continue;
    const reader = node.op === 'convolution' ? onlyReader(node.name) : undefined;
    const joined = node.op === 'convolution' && reader ? join(node, reader, (name) => made.has(name)) : null;
    if (joined !== null) {
      absorbed.add(reader!);
      // What two nodes become is named by the value that it makes.
      const { label: _, ...conv } = node as ConvNode;
      nodes.push({ ...conv, ...joined, name: reader!.name });
    } else nodes.push(node);
    made.add(nodes.at(-1)!.name);
  }
  return { ...graph, nodes };
}
