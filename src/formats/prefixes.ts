/**
 * Training wraps a network in others, each of which puts its own word before every name: `module.` (DataParallel, DDP),
 * `_orig_mod.` (torch.compile), `model.` or `net.` (Lightning), or any field that a project keeps its network in.
 */
import { show } from '../base/errors.js';
import { COPY } from './state-dicts.js';

export interface Unwrapped<T> {
  named: Map<string, T>;
  /** In words, where a file holds the network more than once. */
  note: string | undefined;
}

/**
 * Takes off what stands before the network's names. Names without it, such as a loss's or a counter's, stay as they are. Where
 * the network is there twice, as with the average of its weights beside them, the average is left out.
 * @param prefixOf what stands before a name by which the network is known (its first convolution); undefined for all others
 */
export function withoutPrefix<T>(
  tensors: ReadonlyMap<string, T>,
  prefixOf: (name: string) => string | undefined,
): Unwrapped<T> {
  const prefixes = [...tensors.keys()].map(prefixOf).filter((prefix) => prefix !== undefined);
  const taken = prefixes.find((prefix) => !COPY.test(prefix)) ?? prefixes[0] ?? '';
  const others = prefixes.filter((prefix) => prefix !== taken && prefix !== '');
  const [isAround, isBeside] = [true, false].map((around) =>
    beginsWith(others.filter((other) => taken.startsWith(other) === around)),
  );
  const named = new Map<string, T>();
  for (const [name, tensor] of tensors) {
    // A name of the network that was taken may begin with what stands before a larger one around it.
    if (isBeside(name) || (!name.startsWith(taken) && isAround(name))) continue;
    if (name.startsWith(taken)) named.set(name.slice(taken.length), tensor);
    else if (!named.has(name)) named.set(name, tensor);
  }
  const what = taken === '' ? 'the names without a prefix' : `the names that begin with ${show(taken)}`;
  const note =
    others.length === 0
      ? undefined
      : `the network is there ${others.length + 1} times; ${what} were taken, those with ${others
          .slice(0, 4)
          .map((one) => show(one))
          .join(', ')} left out`;
  return { named, note };
}

/** Whether a text begins with one of these. Of a hundred thousand, each looks at seventeen. */
function beginsWith(prefixes: readonly string[]): (text: string) => boolean {
  // Sorted, all texts with a prefix follow it at once. Without those that begin with another, only the last prefix that
  // is not after a text can be its own.
  const sorted: string[] = [];
  for (const prefix of [...prefixes].sort()) {
    if (sorted.length === 0 || !prefix.startsWith(sorted.at(-1)!)) sorted.push(prefix);
  }
  return (text) => {
    let [from, to] = [0, sorted.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (sorted[middle] <= text) from = middle + 1;
      else to = middle;
    }
    return from > 0 && text.startsWith(sorted[from - 1]);
  };
}
