/** Rows of values as lines of text that other programs take apart: CSV, and fields with tabs between. */
import { printable } from './text.js';

export type Cell = string | number;

/** Nine digits are all that a float32 has. */
const asText = (cell: Cell): string => (typeof cell === 'number' ? String(Number(cell.toPrecision(9))) : cell);

/** RFC 4180: in quotes what holds a comma, quote or line break, quotes doubled. A leading or closing space is kept so as well. */
export const csvLine = (cells: readonly Cell[]): string =>
  `${cells
    .map(asText)
    .map((text) => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text))
    .join(',')}\n`;

/** One line, whatever the values hold: tabs and line breaks in them are escaped. */
export const tabLine = (cells: readonly Cell[]): string => `${cells.map(asText).map(printable).join('\t')}\n`;

/** The rows of CSV that `csvLine` wrote, or a spreadsheet that saved it. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [match, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    if (match === '' && row.length === 0) continue; // the end of the text
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}
