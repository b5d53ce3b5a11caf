/** Two results of the benchmark: what got slower, what got faster, and what is noise. */
import { median, variant } from './support.mjs';

/** Less than this is never worth a word. */
const LEAST = 0.03;

export const RULE =
  'A row counts as changed where its fastest times differ by more than the noise: ' +
  `the noise of both files added up, and at least ${100 * LEAST} %. ` +
  'The noise of a row is how far the middle one of its rounds is slower than the fastest.';

/** Rows are the same where all of this is. */
const keyOf = (row) =>
  ['part', 'network', 'batch', 'implementation', 'threads', 'memory', 'kernel', 'shape', 'idea']
    .map((name) => row[name] ?? '')
    .join(' | ');

/** How much slower the middle round is than the fastest, as a fraction. */
export const noiseOf = ({ best }) => median(best) / Math.min(...best) - 1;

/**
 * @param before and after: results as `--json` writes them
 * @returns `{ rows, missing, added, clock }`: `rows` has `{ row, before, after, change, noise, verdict }` of rows in both,
 *   `change` the new time over the old less one; `clock` is the new peak over the old, less one
 */
export function compare(before, after) {
  const known = new Map(before.rows.map((row) => [keyOf(row), row]));
  const rows = [];
  const added = [];
  for (const row of after.rows) {
    const old = known.get(keyOf(row));
    if (old === undefined) {
      added.push(keyOf(row));
      continue;
    }
    known.delete(keyOf(row));
    const change = row.min / old.min - 1;
    const noise = Math.max(LEAST, noiseOf(old) + noiseOf(row));
    const verdict = Math.abs(change) <= noise ? 'same' : change > 0 ? 'slower' : 'faster';
    rows.push({ row, before: old.min, after: row.min, change, noise, verdict });
  }
  return { rows, missing: [...known.keys()], added, clock: clockOf(before, after) };
}

/** The new peak over the old, less one. Float32 and whole numbers have a peak each, so it is that of what both files have. */
function clockOf(before, after) {
  const peakOf = ({ groups }, kind) =>
    Math.max(0, ...groups.filter(({ elements = 'f32' }) => elements === kind).map(({ peak }) => peak));
  const kind = ['f32', 'i16'].find((one) => peakOf(before, one) > 0 && peakOf(after, one) > 0);
  return kind === undefined ? 0 : peakOf(after, kind) / peakOf(before, kind) - 1;
}

/** A remark where the machine itself was another one, or ran at another clock; else null. */
export function clockRemark({ clock }) {
  if (Math.abs(clock) <= LEAST) return null;
  const much = `${Math.abs(100 * clock).toFixed(0)} % ${clock > 0 ? 'more' : 'less'}`;
  return `The multiply-add peak is ${much} than it was: another machine, another clock, or other work beside.`;
}

const percent = (fraction) => `${fraction > 0 ? '+' : ''}${(100 * fraction).toFixed(1)} %`;

function titleOf(row) {
  const { part, network, batch, kernel, shape, idea } = row;
  const what = [part, network, batch > 1 ? `batch ${batch}` : '', idea ?? kernel, shape ?? ''];
  return `${what.filter((word) => word !== '').join(' ')}, ${variant(row)}`;
}

/** Header and rows of a table: what changed, the most first. */
export function changedTable({ rows }) {
  const header = ['row', 'before, ms', 'now, ms', 'time', 'noise', ''];
  const changed = rows.filter(({ verdict }) => verdict !== 'same').sort((a, b) => b.change - a.change);
  const body = changed.map(({ row, before, after, change, noise, verdict }) => [
    titleOf(row),
    before.toFixed(3),
    after.toFixed(3),
    percent(change),
    `± ${(100 * noise).toFixed(1)} %`,
    verdict,
  ]);
  return { header, body };
}
