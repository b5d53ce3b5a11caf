/** Which pictures are kept to evaluate with: of every class the same share, drawn by the seed. */
import { Random } from '../random.js';
import type { Entry } from './layout.js';

/** So that no other random numbers of the same seed are these. */
const SPLIT = 0x7370;

/**
 * @param groups of every picture, the first of those that are nearly the same: they stay together
 * @returns whether a picture is evaluated with. A class of two pictures or more has one on either side, unless all are alike.
 */
export function splitEntries(
  entries: readonly Entry[],
  groups: Int32Array,
  { testShare, seed }: { testShare: number; seed: number },
): boolean[] {
  const test = entries.map(() => false);
  const members = new Map<number, number[]>();
  for (const i of entries.keys()) {
    const known = members.get(groups[i]!);
    if (known === undefined) members.set(groups[i]!, [i]);
    else known.push(i);
  }
  // A group belongs to the class of its first picture.
  const byClass = new Map<string, number[][]>();
  for (const [first, group] of members) {
    const { label } = entries[first]!;
    const known = byClass.get(label);
    if (known === undefined) byClass.set(label, [group]);
    else known.push(group);
  }
  for (const [place, label] of [...byClass.keys()].sort().entries()) {
    const all = byClass.get(label)!;
    const count = all.reduce((sum, group) => sum + group.length, 0);
    const wanted = testShare === 0 || all.length < 2 ? 0 : Math.max(1, Math.round(count * testShare));
    let taken = 0;
    for (const at of Random.at(seed, SPLIT, place).permutation(all.length).slice(1)) {
      const group = all[at]!;
      if (taken + group.length > wanted) continue; // a smaller one may fit
      for (const i of group) test[i] = true;
      taken += group.length;
    }
  }
  return test;
}
