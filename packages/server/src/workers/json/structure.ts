/**
 * How much structure a body of JSON has, seen before it is parsed: 60 MB of `[],` are 20 million lists, which take 12 seconds and
 * 1.4 GB to make.
 */
import { ServeError } from '../../errors.js';

/** What begins a list or an object. */
const LISTS = '[{';
/** And what comes before every other value in it. */
const VALUES = '[{,';

function check(body: Uint8Array, counted: string, most: number, what: string): void {
  const table = new Uint8Array(256);
  for (const letter of counted) table[letter.charCodeAt(0)] = 1;
  let count = 0;
  for (let i = 0; i < body.length; i++) count += table[body[i]];
  if (count > most) throw new ServeError('TOO_LARGE', `body: more than ${most} ${what}`);
}

/** For bodies with long lists of numbers. @throws ServeError TOO_LARGE */
export const checkLists = (body: Uint8Array, most: number): void => check(body, LISTS, most, 'lists and objects');

/** For bodies whose only long values are texts. @throws ServeError TOO_LARGE */
export const checkValues = (body: Uint8Array, most: number): void =>
  check(body, VALUES, most, 'values; a tensor goes to /v2/models/…/infer');
