/**
 * A progress bar on standard error: only on a terminal, only after a second of work, when some is left. Results
 * may go to the same terminal, so the bar can step aside while a line is written.
 */
import type { SingleBar } from 'cli-progress';

const PATIENCE_MS = 1000;

export class Progress {
  readonly #total: number;
  readonly #enabled: boolean;
  readonly #format: string;
  /** Made when it is first drawn. */
  #bar: SingleBar | null = null;
  readonly #started = performance.now();
  #visible = false;

  constructor(total: number, enabled: boolean, format = '{bar} {value} of {total} pictures, {left} left') {
    this.#total = total;
    this.#format = format;
    this.#enabled = enabled && process.stderr.isTTY;
  }

  /** Takes the bar off the screen; cli-progress restores the cursor to where the bar stood, so nothing may be between. */
  hide(): void {
    if (this.#visible) this.#bar?.stop();
    this.#visible = false;
  }

  /** Draws how many pictures are done. @param more what else the format has */
  async update(done: number, more: object = {}): Promise<void> {
    const elapsed = performance.now() - this.#started;
    if (!this.#enabled || elapsed < PATIENCE_MS || done >= this.#total) return;
    this.#bar ??= await makeBar(this.#format);
    // Our own estimate: the bar's starts anew each time it steps aside.
    const left = duration((elapsed / done) * (this.#total - done));
    if (this.#visible) this.#bar.update(done, { left, ...more });
    else this.#bar.start(this.#total, done, { left, ...more });
    this.#visible = true;
  }
}

async function makeBar(format: string): Promise<SingleBar> {
  const { SingleBar } = await import('cli-progress');
  return new SingleBar({
    format,
    barsize: 30,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    clearOnComplete: true,
    stream: process.stderr,
  });
}

function duration(milliseconds: number): string {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
