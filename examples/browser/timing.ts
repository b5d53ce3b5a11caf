/** How long each step of the plan takes, and which layers of the graph a step does. */
import type { GraphNode, MobileNetV2PreTrainedModel, Tensor } from 'mobilenet-v2';

export interface StepTime {
  name: string;
  ms: number;
}

/** Each step by itself, the median of some passes. */
export async function timeSteps(model: MobileNetV2PreTrainedModel<unknown>, pixels: Tensor): Promise<StepTime[]> {
  const { steps, input } = model.plan(pixels.dims as [number, number, number, number]);
  const times: number[][] = steps.map(() => []);
  const began = performance.now();
  // Clocks in pages are coarse, so there is something to be had from more passes.
  for (let pass = 0; pass === 0 || (pass < 15 && performance.now() - began < 250); pass++) {
    input.view.set(pixels.data as Float32Array);
    for (const [index, { work }] of steps.entries()) {
      const start = performance.now();
      for (const piece of work) {
        const pending = piece();
        if (pending !== undefined) await pending;
      }
      times[index].push(performance.now() - start);
    }
  }
  return steps.map(({ name }, index) => ({ name, ms: median(times[index]) }));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Steps by layer. A step is called after its layer, or after several that it does in one go (`… + layer.3.add`,
 * `layer.0.expand_1x1 … layer.0.reduce_1x1`); the reference engine has several steps a layer (`….convolution`).
 */
export function timesByLayer(nodes: readonly GraphNode[], steps: readonly StepTime[]) {
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
    ms.set(first, (ms.get(first) ?? 0) + step.ms);
    for (const { name } of nodes.slice(position.get(first)! + 1, position.get(last)! + 1)) within.set(name, first);
  }
  return { ms, within };
}
