/** Which layers of the graph the steps of a plan do. */
import type { GraphNode, ProfileStep } from 'mobilenet-v2';

/**
 * Steps by layer. A step is called after its layer, or after several that it does in one go (`… + layer.3.add`,
 * `layer.0.expand_1x1 … layer.0.reduce_1x1`); the reference engine has several steps a layer (`….convolution`).
 */
export function timesByLayer(nodes: readonly GraphNode[], steps: readonly ProfileStep[]) {
  const ms = new Map<string, number>();
  const within = new Map<string, string>();
  const position = new Map(nodes.map(({ name }, index) => [name, index]));
  const layerOf = (step: string) => {
    for (let name = step.replace(/ \(.*\)$/, ''); name !== ''; name = name.replace(/\.?[^.]*$/, '')) {
      if (position.has(name)) return name;
    }
    return undefined;
  };
  for (const step of steps) {
    const parts = step.name.split(/ \+ | … /).map(layerOf);
    const [first] = parts;
    const last = parts.at(-1);
    if (first === undefined || last === undefined) continue;
    ms.set(first, (ms.get(first) ?? 0) + step.median);
    for (const { name } of nodes.slice(position.get(first)! + 1, position.get(last)! + 1)) within.set(name, first);
  }
  return { ms, within };
}
