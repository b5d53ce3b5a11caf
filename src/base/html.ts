/**
 * Pages that stand alone: one file, no script, nothing loaded from elsewhere, light or dark as the reader's system is, and
 * narrow enough for a phone. The profile and the report of the benchmarks look alike because both are made of this.
 */

/** Text as a page shows it. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Colours that can be told apart by everyone, in pairs for light and dark; charts name them by `var(--…)`. */
const STYLE = `
:root { color-scheme: light dark; --page: #fcfcfb; --ink: #1d1d1b; --soft: #6b6a66; --line: #dddcd8; --track: #efeeeb;
  --grey: #8f8e88; --yellow: #c98a00; --orange: #e0592b; --blue: #2a78d6; --green: #159a6b; --violet: #6a4fc8; }
@media (prefers-color-scheme: dark) {
  :root { --page: #1a1a19; --ink: #f2f1ee; --soft: #a3a29c; --line: #3a3936; --track: #2a2927;
    --grey: #8f8e88; --yellow: #d79b1e; --orange: #e8703f; --blue: #5b9bea; --green: #2fb886; --violet: #a08ff0; }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 78rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem }
h2 { font-size: 1.1rem; margin: 2rem 0 .25rem }
p { margin: .25rem 0; max-width: 46rem }
.soft, figcaption, summary { color: var(--soft) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem }
th, td { padding: .15rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 500 }
th.text, td.text { text-align: left }
.bars { display: grid; grid-template-columns: max-content minmax(4rem, 1fr) max-content; gap: .2rem .75rem;
  align-items: center; margin: .75rem 0; font-size: .85rem; font-variant-numeric: tabular-nums }
.bars > * { min-width: 0 }
.bars .track { position: relative; height: .8rem; background: var(--track); border-radius: 2px }
.bars .fill { display: block; height: 100%; border-radius: 2px; min-width: 1px }
.bars .mark { position: absolute; top: -1px; bottom: -1px; width: 3px; margin-left: -1px; border-radius: 1px }
.bars .end { text-align: right; white-space: nowrap }
@media (max-width: 40rem) {
  .bars { grid-template-columns: minmax(4rem, 1fr) max-content }
  .bars .label { grid-column: 1 / -1; margin-top: .3rem }
}
`;

export interface Page {
  title: string;
  /** HTML. */
  body: string;
  /** More rules. */
  style?: string;
}

export function htmlPage({ title, body, style = '' }: Page): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}${style}</style>
<body>
${body}
</body>
</html>
`;
}

export interface Bar {
  label: string;
  /** Of the full width, 0 to 1. */
  length: number;
  /** The text after the bar. */
  text: string;
  colour: string;
  /** Shown where a pointer rests. */
  hint?: string;
  /** Other values on the same scale, as strokes. */
  marks?: readonly { at: number; colour: string }[];
}

const percent = (fraction: number): string => `${(100 * Math.min(1, Math.max(0, fraction))).toFixed(2)}%`;

/** Horizontal bars, one below the other, each with its label before it and its value after it. */
export function htmlBars(bars: readonly Bar[]): string {
  const rows = bars.map(({ label, length, text, colour, hint, marks = [] }) => {
    const strokes = marks.map(
      ({ at, colour: own }) => `<i class="mark" style="left:${percent(at)};background:var(--${own})"></i>`,
    );
    const title = hint === undefined ? '' : ` title="${escapeHtml(hint)}"`;
    const fill = `<span class="fill" style="width:${percent(length)};background:var(--${colour})"></span>`;
    return (
      `<span class="label">${escapeHtml(label)}</span>` +
      `<span class="track"${title}>${fill}${strokes.join('')}</span><span class="end">${escapeHtml(text)}</span>`
    );
  });
  return `<div class="bars">\n${rows.join('\n')}\n</div>`;
}

/** A table; the columns listed in `text` are words, the others numbers. */
export function htmlTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  text: readonly number[] = [0],
): string {
  const line = (tag: string, cells: readonly string[]) =>
    `<tr>${cells
      .map((cell, c) => `<${tag}${text.includes(c) ? ' class="text"' : ''}>${escapeHtml(cell)}</${tag}>`)
      .join('')}</tr>`;
  return `<div class="scroll"><table>\n${[line('th', header), ...rows.map((row) => line('td', row))].join('\n')}\n</table></div>`;
}
