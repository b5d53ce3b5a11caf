/**
 * Quotes in docs/: a link to lines of a source, `[…](../src/file.ts#L5-L9)`, with a block of code after it, is a quote of
 * these lines. This moves the numbers to where the lines are now.
 *
 *     node scripts/quotes.mjs        writes docs/*.md anew where numbers have changed
 *
 * Fails with the quote that is nowhere in its source, indentation aside. A line of only … leaves something out.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const DOCS = fileURLToPath(new URL('../docs', import.meta.url));
/** A quote: its source, the first and the last line, the code. */
export const QUOTE = /\]\((\.\.\/[\w./-]+)#L(\d+)-L(\d+)\)\n\n```ts\n(.*?)^```$/gms;

const trimmed = (text) => text.split('\n').map((line) => line.trim());

/** The first place, `from` or later, where these lines stand, one after another; -1 for none. */
function find(lines, wanted, from) {
  for (let at = from; at + wanted.length <= lines.length; at++) {
    if (wanted.every((line, i) => lines[at + i] === line)) return at;
  }
  return -1;
}

/** The page with the right numbers. Throws for a quote that its source does not have. */
export function renumber(page, file) {
  return page.replace(QUOTE, (all, source, first, last, code) => {
    const lines = trimmed(readFileSync(resolve(DOCS, source), 'utf8'));
    let begin;
    let at = 0;
    for (const piece of trimmed(code.trimEnd()).join('\n').split('\n…\n')) {
      const wanted = piece.split('\n');
      const found = find(lines, wanted, at);
      if (found < 0) throw new Error(`${file}: not in ${source}:\n${piece}`);
      begin ??= found + 1;
      at = found + wanted.length;
    }
    return all.replace(`#L${first}-L${last}`, `#L${begin}-L${at}`);
  });
}

/** Every page of docs/, by its name. */
export function pages() {
  const names = readdirSync(DOCS).filter((name) => name.endsWith('.md'));
  return new Map(names.map((name) => [name, readFileSync(join(DOCS, name), 'utf8')]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, page] of pages()) {
    const right = renumber(page, name);
    if (right === page) continue;
    writeFileSync(join(DOCS, name), right);
    console.log(`${name}: line numbers moved`);
  }
}
