/**
 * The classification extension: `"parameters":{"classification":3}` at an output gives the three largest of its values as
 * texts "value:index:label", an order of parts that all clients of Triton know.
 */
import type { OutputTensor } from './outputs.js';

/** The `count` largest of every row of [N,K]. */
export function largest(
  { name, shape, data }: OutputTensor & { data: Float32Array },
  count: number,
  labels: readonly string[],
): OutputTensor {
  const [rows, classes] = shape;
  const most = Math.min(count, classes);
  const texts: string[] = [];
  for (let row = 0; row < rows; row++) {
    const own = data.subarray(row * classes, (row + 1) * classes);
    const order = Array.from(own.keys()).sort((a, b) => own[b] - own[a]);
    for (const k of order.slice(0, most)) {
      texts.push(labels[k] === undefined ? `${shortest(own[k])}:${k}` : `${shortest(own[k])}:${k}:${labels[k]}`);
    }
  }
  return { name, shape: [rows, most], data: texts };
}

/** The fewest digits that are this float32 again: 6.1614, not 6.161399841308594. */
function shortest(value: number): string {
  let text = String(value);
  for (let digits = 9; digits >= 6; digits--) {
    const shorter = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(shorter)) !== value) break;
    text = shorter;
  }
  return text;
}
