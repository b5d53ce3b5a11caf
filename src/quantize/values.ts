/** Which values have one scale. */
import { type Graph, INPUT } from '../graph/nodes.js';

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
