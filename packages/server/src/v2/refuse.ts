/** How requests of the Open Inference Protocol are refused: where, what was expected, what came. */
import { type Kind, ServeError } from '../errors.js';

const LONGEST = 80;

/** A value of a request as it may stand in a message: short, on one line. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(showItem).join(',')}${value.length > 8 ? ',…' : ''}]`;
  return showItem(value);
}

function showItem(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  // Cut before it is written: a string may be a picture.
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, LONGEST)) : String(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

/** The error for a value that a request may not have. */
export const refuse = (where: string, expected: string, got: unknown, kind: Kind = 'BAD_REQUEST'): ServeError =>
  refuseAs(where, expected, show(got), kind);

/** The same where what came is described, not shown. */
export const refuseAs = (where: string, expected: string, got: string, kind: Kind = 'BAD_REQUEST'): ServeError =>
  new ServeError(kind, `${where}: expected ${expected}, got ${got}`);
