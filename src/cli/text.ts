/** How the command line writes for people: escaped names, aligned columns, percentages, counts. */

/** Control characters, line separators, and the marks that turn the direction of text around. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/gu;
const SHORT_ESCAPES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text on one line, unable to steer a terminal: a file's name may hold line breaks and escape sequences. */
export function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => SHORT_ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A stack trace keeps its lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

/**
 * A value as JSON that steers no terminal either. JSON itself escapes line breaks and ESC, and leaves what else may do so; it
 * stands in strings only, where an escape is the same value.
 */
export const json = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(
    /[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** ` 94.7 %`, always as wide; what would round to nothing is `< 0.1 %`. */
export function percent(share: number): string {
  const text = share > 0 && share < 0.0005 ? '< 0.1' : (share * 100).toFixed(1);
  return `${text.padStart(5)} %`;
}

/** On a terminal with colours, `■ text` in a colour; elsewhere the text. Black, of what has no colour, is left plain. */
export function colored(text: string, [red, green, blue]: readonly [number, number, number]): string {
  const bits = process.stdout.isTTY ? process.stdout.getColorDepth() : 1;
  if (bits < 8) return text;
  if (red + green + blue === 0) return `  ${text}`;
  const sixth = (part: number) => Math.round((part / 255) * 5);
  const indexed = `5;${16 + 36 * sixth(red) + 6 * sixth(green) + sixth(blue)}`;
  return `\x1b[38;${bits < 24 ? indexed : `2;${red};${green};${blue}`}m■ ${text}\x1b[39m`;
}

/** 3504872 as `3,504,872`. */
export const grouped = (count: number): string => count.toLocaleString('en-US');

/** Multiply-adds in millions, `300.8 M`. */
export const millions = (count: number, digits = 1): string =>
  `${(count / 1e6).toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })} M`;

/** 14028812 as `14.0 MB`. */
export const megabytes = (bytes: number): string =>
  bytes < 100_000 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

export const plural = (count: number, noun: string): string => `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;

/** Rows as columns two spaces apart; the columns listed in `right` end flush, as numbers should. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => (right.includes(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
