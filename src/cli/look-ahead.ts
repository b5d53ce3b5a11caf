/** Pictures on their way through the network, or to it: other threads work ahead, where that pays. */
import { availableParallelism } from 'node:os';
import { PictureThreads } from '../platforms/node/picture-threads.js';
import { type Preparation, type Prepared, prepare } from '../platforms/node/prepare.js';
import { protectInputs } from './inputs.js';
import { type NetworkOf, partsOf } from './network-parts.js';
import type { Picture } from './pictures.js';

/** What became of a picture. */
export type Outcome<T> = { value: T } | { error: unknown };

/** A promise's result or error as a value. */
export async function outcomeOf<T>(promise: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/** Fewer pictures are done before a thread is up, which takes 50 ms. */
const FEWEST_PICTURES = 4;
/** `auto` takes no more: each has a heap of its own, of some 100 MB while it decodes. */
const MOST_THREADS = 8;
/** Pictures that each thread may be ahead, so that it never waits for the others to end a batch. */
const AHEAD = 2;

export class LookAhead {
  /** What the user should know. */
  readonly remark: string | undefined;
  readonly #pictures: readonly Picture[];
  readonly #threads: PictureThreads;
  /** Pictures to begin before they are asked for; 0 without threads. */
  readonly #ahead: number;
  #preparation!: Preparation;
  /** How many pictures were begun; those not yet taken are in the queue. */
  #begun = 0;
  #queue: Promise<Outcome<Prepared>>[] = [];

  /**
   * Starts the threads, which are up when the model is loaded.
   * @param threads 1 is the main thread alone
   */
  constructor(pictures: readonly Picture[], threads: number | 'auto') {
    this.#pictures = pictures;
    protectInputs(pictures.map(({ file }) => file));
    const wanted = threads === 'auto' ? Math.min(availableParallelism(), MOST_THREADS) : threads;
    const alone = wanted === 1 || pictures.length < FEWEST_PICTURES;
    const count = alone ? 0 : Math.min(wanted, pictures.length);
    const program = new URL('./picture-worker.js', import.meta.url);
    try {
      this.#threads = new PictureThreads(count, program);
      this.#ahead = AHEAD * count;
    } catch (cause) {
      // Node's permission model and a limit of the system may forbid them. The main thread gives the same results, later.
      this.remark = `no threads can be started (${(cause as Error).message}); one does all, which takes longer`;
      this.#threads = new PictureThreads(0, program);
      this.#ahead = 0;
    }
  }

  /**
   * Says how pictures are to be prepared; comes before the first.
   * @param network what threads are to compute, too
   */
  configure(preparation: Preparation, network?: NetworkOf): void {
    this.#preparation = preparation;
    const inThreads = network !== undefined && this.#ahead > 0;
    this.#threads.configure(preparation, inThreads ? partsOf(network) : null);
  }

  /** The next pictures, in order. */
  async take(count: number): Promise<Outcome<Prepared>[]> {
    while (this.#queue.length < count + this.#ahead && this.#begun < this.#pictures.length) {
      this.#queue.push(this.#begin());
      if (this.#ahead === 0) await this.#queue.at(-1); // one after another: what is decoded takes memory
    }
    return Promise.all(this.#queue.splice(0, count));
  }

  close(): void {
    this.#threads.close();
  }

  #begin(): Promise<Outcome<Prepared>> {
    const picture = this.#pictures[this.#begun++];
    if (picture.anywhere) return outcomeOf(this.#threads.prepare(picture.file));
    return outcomeOf(picture.load().then((image) => prepare(image, this.#preparation)));
  }
}
