/** Who reads what: the question that every fusion asks. */
import { type Graph, inputsOf, type Node } from '../nodes.js';

/** The readers of each value, in order. */
export function readersOf({ nodes }: Graph): Map<string, Node[]> {
  const readers = new Map<string, Node[]>();
  for (const node of nodes) {
    for (const input of new Set(inputsOf(node))) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  return readers;
}

/**
 * The one node that reads a value, where nobody else wants it: null where there are more, and where the value is an output
 * of the graph. Only then may the value cease to exist.
 */
export function onlyReader(graph: Graph, readers: ReadonlyMap<string, Node[]>, name: string): Node | null {
  const own = readers.get(name) ?? [];
  const isOutput = [...graph.outputs.values()].includes(name);
  return own.length === 1 && !isOutput ? own[0] : null;
}
