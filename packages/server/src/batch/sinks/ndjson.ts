/** A JSON object a line. */
import type { Record } from '../records.js';

export const ndjson = (records: readonly Record[]): string => records.map((record) => `${line(record)}\n`).join('');

/** Nine digits are all that a float32 has. */
const short = (value: number): number => Number(value.toPrecision(9));

/** Line separators of Unicode stay inside of their strings: some readers split lines there. */
function line(record: Record): string {
  const plain = 'features' in record ? { ...record, features: Array.from(record.features, short) } : record;
  return JSON.stringify(plain).replace(/[\u2028\u2029]/g, (c) => (c === '\u2028' ? '\\u2028' : '\\u2029'));
}
