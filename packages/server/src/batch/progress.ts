/** How far a run is, on standard error: a bar on a terminal, a line every ten seconds elsewhere. */
import { type Options, SingleBar } from 'cli-progress';

/** Milliseconds over which the rate is taken: long enough for shards of large pictures. */
const WINDOW = 30_000;
const LINE_EVERY = 10_000;
const DRAW_EVERY = 250;

export class Progress {
  readonly #total: number;
  #done: number;
  /** Time and count, now and then. */
  readonly #marks: { at: number; done: number }[] = [];
  readonly #bar: SingleBar | null = null;
  readonly #timer: NodeJS.Timeout | undefined;

  /** @param done pictures that earlier runs did */
  constructor(total: number, done: number, { quiet = false, stream = process.stderr }: ProgressOptions = {}) {
    this.#total = total;
    this.#done = done;
    this.#mark();
    if (quiet) return;
    if (stream.isTTY) {
      this.#bar = new SingleBar({ ...BAR, stream });
      this.#bar.start(total, done, { rate: '–', left: '…' });
      process.on('exit', this.#restore);
      this.#timer = setInterval(() => this.#draw(), DRAW_EVERY);
    } else this.#timer = setInterval(() => stream.write(`mobilenet-v2-batch: ${this.line()}\n`), LINE_EVERY);
    this.#timer.unref();
  }

  get done(): number {
    return this.#done;
  }

  add(pictures: number): void {
    this.#done += pictures;
  }

  /** `1,280 of 2,000 pictures, 41.2 pictures/s, 18 s left`. */
  line(): string {
    const { rate, left } = this.#estimate();
    return `${grouped(this.#done)} of ${grouped(this.#total)} pictures, ${rate} pictures/s, ${left} left`;
  }

  end(): void {
    clearInterval(this.#timer);
    process.off('exit', this.#restore);
    this.#restore();
  }

  /** Also where the process ends at once: while a bar is drawn, the terminal wraps no lines. */
  readonly #restore = (): void => this.#bar?.stop();

  #draw(): void {
    this.#bar?.update(this.#done, this.#estimate());
  }

  #mark(): void {
    const now = performance.now();
    this.#marks.push({ at: now, done: this.#done });
    while (this.#marks.length > 2 && now - this.#marks[1].at > WINDOW) this.#marks.shift();
  }

  #estimate(): { rate: string; left: string } {
    this.#mark();
    const [first] = this.#marks;
    const last = this.#marks[this.#marks.length - 1];
    const rate = (last.done - first.done) / Math.max((last.at - first.at) / 1000, 0.001);
    if (rate === 0) return { rate: '0.0', left: '…' };
    return { rate: rate.toFixed(1), left: duration((this.#total - this.#done) / rate) };
  }
}

interface ProgressOptions {
  quiet?: boolean;
  stream?: NodeJS.WriteStream;
}

const BAR: Options = {
  format: '{bar} {value} of {total} pictures, {rate} pictures/s, {left} left',
  barsize: 30,
  barCompleteChar: '█',
  barIncompleteChar: '░',
  clearOnComplete: true,
};

/** 3504872 as `3,504,872`. */
export const grouped = (count: number): string => count.toLocaleString('en-US');

export const plural = (count: number, noun: string): string => `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${grouped(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}
