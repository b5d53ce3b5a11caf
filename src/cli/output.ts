/**
 * Where results go. Standard output gets results and nothing else, as text, as one JSON array, or as a JSON line each;
 * everything for people beside that goes to standard error. Lines are written whole, so whatever ends a run leaves no
 * half of one.
 */
import { once } from 'node:events';
import { describeError, EXIT, errorLine } from './errors.js';
import type { Progress } from './progress.js';
import { plural, printable } from './text.js';

export type Format = 'text' | 'json' | 'ndjson';

/** What is known about one picture: a record for programs, text for people. */
export interface Result {
  record: Record<string, unknown>;
  /** Without a line break at its end; null where there is nothing to say. */
  text: string | null;
}

export class Output {
  readonly #format: Format;
  readonly #progress: Progress;
  readonly #quiet: boolean;
  readonly #debug: boolean;
  #records = 0;
  #failures = 0;

  constructor(format: Format, progress: Progress, { quiet = false, debug = false } = {}) {
    this.#format = format;
    this.#progress = progress;
    this.#quiet = quiet;
    this.#debug = debug;
  }

  get exitCode(): number {
    return this.#failures === 0 ? EXIT.ok : EXIT.failed;
  }

  /** How many pictures gave no result; worth a word where the lines that said so have scrolled away. */
  noteFailures(pictures: number): void {
    if (this.#format === 'text' && this.#failures > 0 && pictures > 1) {
      this.note(`${this.#failures} of ${plural(pictures, 'picture')} failed`);
    }
  }

  async result(file: string, { record, text }: Result): Promise<void> {
    if (this.#format !== 'text') await this.#record({ file, ...record });
    else if (text !== null) await this.#write(`${text}\n`);
  }

  /** A picture that gave no result. The others go on. */
  async failure(file: string, error: unknown): Promise<void> {
    this.#failures++;
    if (this.#format !== 'text') await this.#record({ file, error: describeError(error) });
    if (this.#format === 'text' || this.#debug) {
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

  /** A closing line that belongs to the text form only. */
  async summary(text: string): Promise<void> {
    if (this.#format === 'text' && !this.#quiet) await this.#write(`${printable(text)}\n`);
  }

  /** Closes the array, also of a run that was stopped half-way: what stands there is whole. */
  async end(): Promise<void> {
    if (this.#format === 'json') await this.#write(this.#records === 0 ? '[]\n' : '\n]\n');
  }

  async #record(record: Record<string, unknown>): Promise<void> {
    const line = JSON.stringify(record);
    if (this.#format === 'ndjson') await this.#write(`${line}\n`);
    else await this.#write(`${this.#records === 0 ? '[\n' : ',\n'}${line}`);
    this.#records++;
  }

  async #write(text: string): Promise<void> {
    if (process.stdout.isTTY) this.#progress.hide();
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  }
}
