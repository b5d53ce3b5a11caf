/**
 * Mutators of structure: what is repeated, nested, led to from many places or laid over each other, where damage to bytes
 * would be found at once. Each takes the parts of one format and `below`, a whole number from 0 to below its limit.
 */
import type { Below } from '../mutate.js';

/** Bytes of an input. More would only take longer: a part is repeated up to 200 times. */
export const MOST_BYTES = 1 << 16;
const MOST_TIMES = [1, 1, 2, 3, 10, 40, 200];
const DEEPEST = [1, 1, 2, 5, 20, 70, 130];

export const oneOf = <T>(values: readonly T[], below: Below): T => values[below(values.length)];

/** How often something is repeated, so that all stays below MOST_BYTES. */
const timesOf = (size: number, below: Below): number =>
  Math.min(oneOf(MOST_TIMES, below), Math.floor(MOST_BYTES / (8 * (size + 1))));

/** One to four changes to parts that lie one after the other: again, inside each other, elsewhere, over each other. */
export function mutateParts(given: readonly Uint8Array[], below: Below): Uint8Array[] {
  const parts = [...given];
  for (let n = 1 + below(4); n > 0 && parts.length > 0; n--) {
    const at = below(parts.length);
    const part = parts[at];
    const other = oneOf(parts, below);
    switch (below(5)) {
      case 0: {
        // Alone, or with what comes after it.
        const several = parts.slice(at, at + 1 + below(4));
        const size = several.reduce((sum, { length }) => sum + length, 0);
        for (let times = timesOf(size, below); times > 0; times--) parts.splice(at, 0, ...several);
        break;
      }
      case 1: {
        const inside = below(part.length + 1);
        parts.splice(at, 1, part.subarray(0, inside), other, part.subarray(inside));
        break;
      }
      case 2:
        parts[at] = other;
        break;
      case 3:
        parts.splice(below(parts.length + 1), 0, other);
        break;
      default: // the next begins inside this one
        parts[at] = part.subarray(0, below(part.length + 1));
    }
  }
  return parts;
}

/** A number in a file. */
export interface Word {
  at: number;
  bytes: 1 | 2 | 4 | 8;
}

function readWord(view: DataView, { at, bytes }: Word, little: boolean): number {
  if (bytes === 1) return view.getUint8(at);
  if (bytes === 2) return view.getUint16(at, little);
  return view.getUint32(bytes === 8 && !little ? at + 4 : at, little);
}

function writeWord(view: DataView, { at, bytes }: Word, value: number, little: boolean): void {
  if (bytes === 1) view.setUint8(at, value);
  else if (bytes === 2) view.setUint16(at, value, little);
  else view.setUint32(bytes === 8 && !little ? at + 4 : at, value, little);
}

/**
 * One to three addresses or sizes become those of others, a little more or less, or twice as much: then two of them lead to one
 * place, in a circle, or over the next. Of 8 bytes only the lower 4 change.
 */
export function mutateWords(bytes: Uint8Array, words: readonly Word[], below: Below, little = true): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let n = 1 + below(3); n > 0 && words.length > 0; n--) {
    const word = oneOf(words, below);
    const value = readWord(view, word, little);
    const other = readWord(view, oneOf(words, below), little);
    const values = [other, other, other + below(9) - 4, value + below(65) - 32, value * 2, value >> 1, 0, word.at];
    writeWord(view, word, oneOf(values, below), little);
  }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[[\]{},:]/g;

/** Where the value ends that begins at a token. */
function valueEnd(tokens: readonly string[], at: number): number {
  let depth = 0;
  for (let i = at; i < tokens.length; i++) {
    if (tokens[i] === '{' || tokens[i] === '[') depth++;
    else if (tokens[i] === '}' || tokens[i] === ']') depth--;
    if (depth <= 0) return i + 1;
  }
  return tokens.length;
}

const isValue = (token: string | undefined): boolean => token !== undefined && !',:]}'.includes(token);

/**
 * One to three changes that leave JSON what it is: a member or an element comes again up to 200 times, under its own name or
 * others; a value is put into itself, or into lists in lists; it becomes what another is; a number becomes another.
 */
export function mutateTree(text: string, below: Below): string {
  const tokens: string[] = text.match(TOKEN) ?? ['{}'];
  for (let n = 1 + below(3); n > 0; n--) {
    let at = below(tokens.length);
    while (at > 0 && !isValue(tokens[at])) at--;
    const isMember = tokens[at + 1] === ':';
    const begin = isMember ? at + 2 : at;
    const end = valueEnd(tokens, begin);
    const value = tokens.slice(begin, end);
    const key = isMember ? [tokens[at], ':'] : [];
    switch (below(5)) {
      case 0:
        tokens.splice(at, 0, ...again(key, value, below));
        break;
      case 1: {
        const depth = oneOf(DEEPEST, below);
        const kind = below(2) === 0 ? (['[', ']'] as const) : (['{"a":', '}'] as const);
        tokens.splice(begin, end - begin, kind[0].repeat(depth), ...value, kind[1].repeat(depth));
        break;
      }
      case 2: {
        const from = below(tokens.length);
        if (isValue(tokens[from]) && tokens[from + 1] !== ':')
          tokens.splice(begin, end - begin, ...tokens.slice(from, valueEnd(tokens, from)).slice(0, 400));
        break;
      }
      case 3: // under the name of another
        if (isMember)
          tokens[at] = oneOf(
            tokens.filter((_, i) => tokens[i + 1] === ':'),
            below,
          );
        break;
      default: {
        const numbers = tokens.flatMap((token, i) => (/^-?\d/.test(token) ? [i] : []));
        if (numbers.length > 0) tokens[oneOf(numbers, below)] = numberNear(tokens[oneOf(numbers, below)], below);
      }
    }
  }
  return tokens.join('');
}

function again(key: readonly string[], value: readonly string[], below: Below): string[] {
  const times = timesOf(value.join('').length, below);
  const renamed = below(2) === 0;
  return Array.from({ length: times }, (_, i) => [
    ...(renamed && key.length > 0 ? [JSON.stringify(`${JSON.parse(key[0])}${i}`), ':'] : key),
    ...[...value, ','],
  ]).flat();
}

const numberNear = (token: string, below: Below): string =>
  String(oneOf([Number(token), Number(token) + below(9) - 4, Number(token) * 2, Number(token) * 1e6, 0], below));
