/** The operations of a pickle, one after the other, so that they can be repeated whole. Source: CPython 3.13, Lib/pickle.py. */

/** Bytes after the operation: their count, or how many bytes say how long what comes then is. */
const FIXED: Record<string, number> = { q: 1, r: 4, h: 1, j: 4, J: 4, K: 1, M: 2, G: 8, '\x80': 1, '\x95': 8 };
const COUNTED: Record<string, number> = { X: 4, U: 1, T: 4, '\x8a': 1, '\x8c': 1, C: 1, B: 4 };
const LINES: Record<string, number> = { c: 2, F: 1, I: 1, L: 1 };
const PLAIN = ')}](tuesQRb.0NaN\x85\x86\x87\x88\x89\x93\x94\x81l2\x90\x8f';

/** @returns operations, and what cannot be told apart as the last part */
export function operationsOf(pickle: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const view = new DataView(pickle.buffer, pickle.byteOffset, pickle.byteLength);
  let at = 0;
  while (at < pickle.length) {
    const op = String.fromCharCode(pickle[at]);
    let end = at + 1;
    if (op in FIXED) end += FIXED[op];
    else if (op in COUNTED) {
      if (end + COUNTED[op] > pickle.length) break;
      end += COUNTED[op] + (COUNTED[op] === 1 ? pickle[end] : view.getUint32(end, true));
    } else if (op in LINES) {
      for (let lines = LINES[op]; lines > 0; lines--) end = pickle.indexOf(10, end) + 1 || pickle.length;
    } else if (!PLAIN.includes(op)) break;
    if (end > pickle.length) break;
    parts.push(pickle.subarray(at, end));
    at = end;
  }
  if (at < pickle.length) parts.push(pickle.subarray(at));
  return parts;
}

/** What an operation takes from the memo, and puts there. */
export const isMemo = (part: Uint8Array): boolean => part.length === 2 && (part[0] === 0x68 || part[0] === 0x71);
