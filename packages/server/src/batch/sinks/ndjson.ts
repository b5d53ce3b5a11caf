/** A JSON object a line. */
import { type Record, shortNumber } from '../records.js';

export const ndjson = (records: readonly Record[]): string => records.map((record) => `${line(record)}\n`).join('');

/** Line separators of Unicode stay inside of their strings: some readers split lines there. */
function line(record: Record): string {
  const plain = 'features' in record ? { ...record, features: Array.from(record.features, shortNumber) } : record;
  return JSON.stringify(plain).replace(/[\u2028\u2029]/g, (c) => (c === '\u2028' ? '\\u2028' : '\\u2029'));
}
