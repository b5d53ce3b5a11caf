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
