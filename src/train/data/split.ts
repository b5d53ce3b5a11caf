/**
 * Which pictures are kept to evaluate with: of every class the same share, drawn by the seed.
 *
 * Pictures of a class that are nearly the same or of one recording stay together: a network knows a picture again
 * whose twin it has learned. A class of two pictures or more is evaluated all the same. Where its pictures are in so few groups
 * that less than half of its share can be had, the largest group is cut by time, as its files are in the order of their
 * names: its last pictures are kept. So only those beside the cut have a twin on the other side; of every fifth one, each would.
 */
import { Random } from '../random.js';
import type { Entry } from './layout.js';

/** So that no other random numbers of the same seed are these. */
const SPLIT = 0x7370;

/**
 * @param near of every picture, the first of those that it belongs together with
 * @returns whether a picture is evaluated with. A class of two pictures or more has one on either side.
 */
export function splitEntries(
  entries: readonly Entry[],
  near: Int32Array,
  { testShare, seed }: { testShare: number; seed: number },
): boolean[] {
  const test = entries.map(() => false);
  const byClass = groupsByClass(entries, near);
  for (const [place, label] of [...byClass.keys()].sort().entries()) {
    const groups = [...byClass.get(label)!.values()];
    const count = groups.reduce((sum, { length }) => sum + length, 0);
    const wanted = testShare === 0 || count < 2 ? 0 : Math.min(count - 1, Math.max(1, Math.round(count * testShare)));
    const order = Random.at(seed, SPLIT, place).permutation(groups.length);
    for (const i of chosen(order, groups, wanted)) test[i] = true;
  }
  return test;
}

/** Pictures of every class, those together that belong together. */
function groupsByClass(entries: readonly Entry[], near: Int32Array): Map<string, Map<number, number[]>> {
  const byClass = new Map<string, Map<number, number[]>>();
  for (const [i, { label }] of entries.entries()) {
    const groups = byClass.get(label) ?? new Map<number, number[]>();
    const group = groups.get(near[i]!) ?? [];
    group.push(i);
    byClass.set(label, groups.set(near[i]!, group));
  }
  return byClass;
}

/** So many pictures, or a few less. The first group is always trained on. */
function chosen(order: Iterable<number>, groups: readonly (readonly number[])[], wanted: number): number[] {
  const [first, ...others] = Array.from(order, (at) => groups[at]!);
  const taken: number[] = [];
  let largest = first!;
  for (const group of others) {
    if (taken.length + group.length <= wanted) taken.push(...group);
    else if (group.length > largest.length) largest = group; // another one may fit
  }
  const missing = wanted - taken.length;
  return missing > wanted / 2 ? [...taken, ...largest.slice(-missing)] : taken;
}
