/** What the benchmark prints: tables of `{ header, body }`, the first columns words, the others numbers. */
import { figuresOf } from './roofline.mjs';
import { variant } from './support.mjs';

export const percent = (share) => `${(100 * share).toFixed(0)} %`;
export const milliseconds = (ms) => (ms < 10 ? ms.toFixed(3) : ms.toFixed(1));
/** Numbers are right-aligned: every column in which the first row has one. */
export function print({ header, body }) {
  const widths = header.map((title, c) => Math.max(title.length, ...body.map((row) => row[c].length)));
  const right = header.map((_, c) => body.length > 0 && /^[±+\d-]/.test(body[0][c]) && !/[×→a-z]/.test(body[0][c]));
  for (const row of [header, ...body]) {
    const line = row.map((cell, c) => (right[c] ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join('  ');
    console.log(line.trimEnd());
  }
}

const figureColumns = ['ms', 'median', 'GMAC/s', 'of peak', 'GB/s', 'of memory'];
function figureCells(row, roofs) {
  const { gmacs, gigabytes, shareOfPeak, shareOfBandwidth } = figuresOf(row, roofs);
  const times = [milliseconds(row.min), milliseconds(row.median)];
  return [...times, gmacs.toFixed(2), percent(shareOfPeak), gigabytes.toFixed(2), percent(shareOfBandwidth)];
}

export function layersTable(rows, sums, roofs) {
  const header = ['kernel', 'shape', 'by', '×', 'MMAC', 'MB', ...figureColumns];
  const single = rows.filter(({ op }) => op !== 'network'); // that is among the sums
  const body = [...single, ...sums].map((row) => [
    row.kernel,
    row.shape ?? '',
    variant(row),
    String(row.count ?? 1),
    (row.macs / 1e6).toFixed(2),
    (row.bytes / 1e6).toFixed(3),
    ...figureCells(row, roofs),
  ]);
  return { header, body };
}

/** Decoders and the resize: bytes of the file and pixels a second, and how near both roofs they are. */
export function codecsTable(rows, { bandwidth, clock, lookups }) {
  const header = ['what', 'ms', 'median', 'MB/s of file', 'MP/s', 'GB/s', 'of memory', 'bits a cycle', 'of look-ups'];
  const body = rows.map(({ kernel, min, median, fileBytes, pixels, bytes, bits, symbols }) => [
    kernel,
    milliseconds(min),
    milliseconds(median),
    fileBytes === undefined ? '' : (fileBytes / min / 1e3).toFixed(1),
    (pixels / min / 1e3).toFixed(1),
    (bytes / min / 1e6).toFixed(2),
    percent(bytes / min / 1e6 / bandwidth[1]),
    bits === undefined ? '' : (bits / (min * 1e6 * clock)).toFixed(2),
    symbols === undefined ? '' : percent(symbols / min / 1e6 / lookups),
  ]);
  return { header, body };
}

export function modelsTable(rows, roofs) {
  const header = ['by', 'MMAC', 'MB moved', 'MB held', ...figureColumns];
  const body = rows.map((row) => [
    variant(row),
    (row.macs / 1e6).toFixed(0),
    (row.bytes / 1e6).toFixed(1),
    (row.arenaBytes / 1e6).toFixed(2),
    ...figureCells(row, roofs),
  ]);
  return { header, body };
}

export function ablationTable(rows, roofs) {
  const header = ['idea', 'by', 'MB held', ...figureColumns, 'times as fast'];
  const body = rows.map((row) => [
    row.idea,
    variant(row),
    (row.arenaBytes / 1e6).toFixed(2),
    ...figureCells(row, roofs),
    (rows[0].min / row.min).toFixed(1),
  ]);
  return { header, body };
}
