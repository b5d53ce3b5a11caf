/**
 * Where results go. Standard output gets results and nothing else: a block of text for each picture, a line each, CSV,
 * one JSON array, or a JSON line each. Everything for people beside that goes to standard error. Lines are written
 * whole, so whatever ends a run leaves no half of one.
 */
import { once } from 'node:events';
import { type Cell, csvLine, tabLine } from './cells.js';
import { describeError, EXIT, errorLine } from './errors.js';
import type { Progress } from './progress.js';
import { json, plural, printable } from './text.js';

export const FORMATS = ['table', 'lines', 'csv', 'json', 'ndjson'] as const;
export type Format = (typeof FORMATS)[number];

/** What is known about one picture, in the words of each format. */
export interface Result {
  /** For JSON, below `file`. */
  record: Record<string, unknown>;
  /** The table: text for people, without a line break at its end; null where there is nothing to say. */
  text: string | null;
  /** Of CSV, without the file, which is the first column, and the error, which is the last. */
  rows: readonly (readonly Cell[])[];
  /** The one line, without the file. */
  line: readonly Cell[];
}

export interface OutputOptions {
  format: Format;
  /** Of CSV, between `file` and `error`. */
  columns: readonly string[];
  quiet?: boolean | undefined;
  debug?: boolean | undefined;
}

export class Output {
  readonly #format: Format;
  readonly #columns: readonly string[];
  readonly #progress: Progress;
  readonly #quiet: boolean;
  readonly #debug: boolean;
  /** Records of JSON; of CSV, lines with the header. */
  #written = 0;
  #failures = 0;

  constructor(progress: Progress, { format, columns, quiet = false, debug = false }: OutputOptions) {
    this.#format = format;
    this.#columns = columns;
    this.#progress = progress;
    this.#quiet = quiet;
    this.#debug = debug;
  }

  get exitCode(): number {
    return this.#failures === 0 ? EXIT.ok : EXIT.failed;
  }

  /** How many pictures gave no result; worth a word where the lines that said so have scrolled away. */
  noteFailures(pictures: number): void {
    if (!this.#isJson && this.#failures > 0 && pictures > 1) {
      this.note(`${this.#failures} of ${plural(pictures, 'picture')} failed`);
    }
  }

  async result(file: string, { record, text, rows, line }: Result): Promise<void> {
    if (this.#isJson) await this.#record({ file, ...record });
    else if (this.#format === 'csv') for (const row of rows) await this.#row([file, ...row, '']);
    else if (this.#format === 'lines') await this.#write(tabLine([file, ...line]));
    else if (text !== null) await this.#write(`${text}\n`);
  }

  /** A picture that gave no result. The others go on. */
  async failure(file: string, error: unknown): Promise<void> {
    this.#failures++;
    const { code, message } = describeError(error);
    if (this.#isJson) await this.#record({ file, error: { code, message } });
    if (this.#format === 'csv') await this.#row([file, ...this.#columns.map(() => ''), message]);
    if (!this.#isJson || this.#debug) {
      this.#progress.hide();
      process.stderr.write(errorLine(error, { file, debug: this.#debug }));
    }
  }

  /** A remark for people. */
  note(text: string): void {
    if (this.#quiet) return;
    this.#progress.hide();
    process.stderr.write(`mobilenet-v2: ${printable(text)}\n`);
  }

  /** A closing line that belongs to the table only. */
  async summary(text: string): Promise<void> {
    if (this.#format === 'table' && !this.#quiet) await this.#write(`${printable(text)}\n`);
  }

  /** Closes the array, also of a run that was stopped half-way: what stands there is whole. */
  async end(): Promise<void> {
    if (this.#format === 'json') await this.#write(this.#written === 0 ? '[]\n' : '\n]\n');
    if (this.#format === 'csv') await this.#header();
  }

  get #isJson(): boolean {
    return this.#format === 'json' || this.#format === 'ndjson';
  }

  async #record(record: Record<string, unknown>): Promise<void> {
    const line = json(record);
    if (this.#format === 'ndjson') await this.#write(`${line}\n`);
    else await this.#write(`${this.#written === 0 ? '[\n' : ',\n'}${line}`);
    this.#written++;
  }

  async #row(cells: readonly Cell[]): Promise<void> {
    await this.#header();
    // As they are, a name that a spreadsheet would take for a formula too: programs have to find the files by them. A
    // terminal is not to be steered by one.
    const shown = process.stdout.isTTY
      ? cells.map((cell) => (typeof cell === 'string' ? printable(cell) : cell))
      : cells;
    await this.#write(csvLine(shown));
  }

  /** Once. Also where nothing follows: an empty table has columns too. */
  async #header(): Promise<void> {
    if (this.#written++ === 0) await this.#write(csvLine(['file', ...this.#columns, 'error']));
  }

  async #write(text: string): Promise<void> {
    if (process.stdout.isTTY) this.#progress.hide();
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  }
}
