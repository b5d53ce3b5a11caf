/**
 * RFC 4180 with a header in every shard: a row for every label or class, one for features, and one with the message for a picture
 * that failed.
 */
import type { Task } from '../../workers/jobs.js';
import { isFailure, type Record, shortNumber } from '../records.js';

type Cell = string | number;

export function csv(records: readonly Record[], task: Task): string {
  const columns = columnsOf(records, task);
  const lines = [['file', ...columns, 'error']];
  return [...lines, ...records.flatMap((record) => rows(record, columns.length))].map(csvLine).join('');
}

function columnsOf(records: readonly Record[], task: Task): string[] {
  if (task === 'classify') return ['rank', 'label', 'score'];
  if (task === 'segment') return ['id', 'label', 'pixels', 'share', 'mask'];
  const first = records.find((record) => 'features' in record);
  return Array.from({ length: first?.features.length ?? 0 }, (_, n) => `f${n}`);
}

function rows(record: Record, columns: number): Cell[][] {
  const { file } = record;
  if (isFailure(record)) return [[file, ...new Array<Cell>(columns).fill(''), record.error.message]];
  if ('labels' in record) return record.labels.map(({ label, score }, n) => [file, n + 1, label, score, '']);
  if ('features' in record) return [[file, ...record.features, '']];
  return record.classes.map(({ id, label, pixels, share }) => [file, id, label, pixels, share, record.mask, '']);
}

const asText = (cell: Cell): string => (typeof cell === 'number' ? String(shortNumber(cell)) : cell);

/** In quotes what holds a comma, quote or line break, or a space at an end, quotes doubled. */
const csvLine = (cells: readonly Cell[]): string =>
  `${cells
    .map(asText)
    .map((text) => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text))
    .join(',')}\n`;
