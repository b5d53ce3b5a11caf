/**
 * Where the weights are in what training saves: the state dict itself, or a dict of it, the optimizer and the epoch, in
 * which its key is `state_dict`, `model`, `model_state_dict`, `net`, … (every project has its own), once or once more for
 * the moving average of the weights (EMA).
 */
import { show } from '../base/errors.js';
import type { PickleDict, PickleValue } from './pickle.js';

interface StateDict {
  /** Keys that lead to it, empty for the root. */
  path: string[];
  dict: PickleDict;
  tensors: number;
}

/** Names of averages, of teachers and of other copies of the weights, by projects' habits. */
export const COPY = /ema|averag|swa|teacher|momentum|target|best/i;

/**
 * The state dict of a pickle's root, and in words which it is where there are several.
 *
 * It is the one with most tensors: an `{ epoch, loss, state_dict }` may hold a tensor itself, and an optimizer's dict has
 * its tensors one level deeper. Of equals the weights themselves come before their average: the average is taken where it
 * is all there is.
 */
export function findStateDict(
  root: PickleValue,
  isTensor: (value: PickleValue) => boolean,
): { dict: PickleDict; note: string | undefined } | undefined {
  const all: StateDict[] = [];
  // A pickle may have one dict in many places, and in itself.
  const seen = new Set<PickleValue>();
  const look = (value: PickleValue, path: string[]): void => {
    if (seen.has(value)) return;
    seen.add(value);
    // Some save [state dict, optimizer].
    if (Array.isArray(value) && path.length < 2) {
      for (const [i, inner] of value.entries()) look(inner, [...path, `${i}`]);
    }
    if (!(value instanceof Map)) return;
    let tensors = 0;
    for (const [key, inner] of value) {
      if (typeof key !== 'string') continue;
      if (isTensor(inner)) tensors++;
      else if (path.length < 2) look(inner, [...path, key]);
    }
    if (tensors > 0) all.push({ path, dict: value, tensors });
  };
  look(root, []);
  if (all.length === 0) return undefined;
  const most = all.reduce((max, { tensors }) => Math.max(max, tensors), 0);
  const isCopy = ({ path }: StateDict): boolean => path.some((key) => COPY.test(key));
  const whole = all.filter(({ tensors }) => tensors > most / 2);
  const taken = whole.find((one) => !isCopy(one)) ?? whole[0];
  const others = whole.filter((one) => one !== taken).map(nameOf);
  const note =
    others.length === 0
      ? undefined
      : `the file has ${others.length + 1} sets of weights; ${nameOf(taken)} was taken, ${others.slice(0, 5).join(', ')} left`;
  return { dict: taken.dict, note };
}

const nameOf = ({ path }: StateDict): string => (path.length === 0 ? 'the root' : show(path.join('.')));
