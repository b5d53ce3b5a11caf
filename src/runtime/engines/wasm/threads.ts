/**
 * A team: the main thread and the workers that share its calls (worker.ts). It changes nothing in what is computed, only
 * who does, and it never needs a worker: calls are computed by those who are there. A worker that dies takes a chunk
 * with it; its call is then computed anew by the main thread, alone.
 */
import { env } from '../../../base/env.js';
import type { WorkerHandle } from '../../../base/platform.js';
import type { Call } from '../../../layers/kernel.js';
import {
  ARGUMENTS_AT,
  BLOCK_BYTES,
  computeChunk,
  MOST_ARGUMENTS,
  type Share,
  WORDS,
  WORKER_SOURCE,
  type WorkerTask,
} from './worker.js';

const { CLAIM, DONE, JOINED, ASLEEP, MAIN_ASLEEP, FUNCTION, ARGUMENTS, AT, FROM, TO, GRAIN, CHUNKS, GONE } = WORDS;

/** Chunks are taken when a thread has time, so that a slow one does not hold up the others. */
const CHUNKS_PER_THREAD = 4;
/** Milliseconds that a worker watches for the next call before it sleeps: longer than between steps of a network. */
const WORKER_SPIN = 0.3;
/** Milliseconds without a call after which a worker ends; it is started again when one comes. */
const WORKER_IDLE = 10_000;
/** Milliseconds that the main thread spins, and then sleeps, before it asks whether a worker has died. */
const MAIN_SPIN = 0.2;
export const MAIN_WAIT = 100;
/** Workers that may die before no more are started. */
const MOST_DEATHS = 10;

export class Team {
  protected readonly share: Share;
  protected readonly task: WorkerTask;
  readonly #workers = new Set<WorkerHandle>();
  /** How many workers there should be. */
  #wanted: number;
  #deaths = 0;
  /** The workers that are being started. */
  #starting: Promise<void> | null = null;
  /** How often the team was stopped, and the end of the last time. */
  #stops = 0;
  #stopping: Promise<unknown> = Promise.resolve();
  #canSleep = true;

  /**
   * @param threads at least 2, the main thread among them
   * @param address of BLOCK_BYTES in the shared memory
   */
  constructor(
    threads: number,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    address: number,
    functions: Share['functions'],
  ) {
    new Uint8Array(memory.buffer, address, BLOCK_BYTES).fill(0);
    this.#wanted = threads - 1;
    this.share = {
      words: new Int32Array(memory.buffer, address, ARGUMENTS_AT / 4),
      args: new Float64Array(memory.buffer, address + ARGUMENTS_AT, MOST_ARGUMENTS),
      functions,
      names: WORDS,
      call: [],
    };
    this.task = {
      ...{ module, memory, block: address, argumentsAt: ARGUMENTS_AT, mostArguments: MOST_ARGUMENTS },
      ...{ names: WORDS, spin: WORKER_SPIN, idle: WORKER_IDLE },
    };
  }

  /** The program of the workers. */
  protected source(): string {
    return WORKER_SOURCE();
  }

  /** Starts the workers that are missing; resolves when they are on their way. Never throws: fewer threads do as well. */
  start(): Promise<void> {
    if (this.#starting !== null) return this.#starting;
    const gone = Atomics.load(this.share.words, GONE) > 0;
    const complete = this.#workers.size === this.#wanted && !gone;
    if (complete || this.#deaths >= MOST_DEATHS) return Promise.resolve();
    this.#starting = this.#startMissing().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #startMissing(): Promise<void> {
    // News of a worker's end waits for a turn of the event loop, which calls that follow each other never leave it.
    if (Atomics.load(this.share.words, GONE) > 0) await new Promise((resolve) => setTimeout(resolve));
    await this.#stopping;
    const stops = this.#stops;
    while (this.#workers.size < this.#wanted && this.#stops === stops) {
      try {
        const worker = await env.platform.startWorker!(this.source(), this.task, (clean) => {
          const ours = this.#workers.delete(worker);
          if (!clean) this.#onWorkerDeath();
          else if (ours) Atomics.sub(this.share.words, GONE, 1);
        });
        if (this.#stops === stops) this.#workers.add(worker);
        else await worker.terminate();
      } catch {
        this.#deaths = MOST_DEATHS; // refused: no worker today
        return;
      }
    }
  }

  /** A worker died. Whether it had joined is not known, so all go; new ones come with the next run. */
  #onWorkerDeath(): void {
    this.#deaths++;
    void this.stop();
  }

  /** Computes a call together. A promise is returned only where a worker may have died on it. */
  run(index: number, { args, split }: Call): void | Promise<void> {
    const { words, functions } = this.share;
    const from = args[split.at];
    const to = args[split.at + 1];
    const units = Math.ceil((to - from) / split.grain);
    const chunks = Math.min(units, CHUNKS_PER_THREAD * (this.#wanted + 1));
    if (chunks < 2 || Atomics.load(words, JOINED) === 0) {
      functions[index](...args);
      return;
    }
    words[AT] = split.at;
    words[FROM] = from;
    words[TO] = to;
    words[GRAIN] = split.grain;
    this.post(index, args, chunks, 0);

    for (;;) {
      const claim = Atomics.load(words, CLAIM);
      const first = claim & 0xffff;
      if (first >= claim >>> 16) break;
      if (Atomics.compareExchange(words, CLAIM, claim, claim + 1) !== claim) continue;
      computeChunk(this.share, first);
      Atomics.add(words, DONE, 1);
    }
    if (this.waitFor(chunks)) return;
    return this.#late(chunks, () => functions[index](...args));
  }

  /** @param begun chunks from the first on that the main thread has taken already */
  protected post(index: number, args: readonly number[], chunks: number, begun: number): void {
    const { words } = this.share;
    words[FUNCTION] = index;
    words[ARGUMENTS] = args.length;
    this.share.args.set(args);
    words[CHUNKS] = chunks;
    words[DONE] = 0;
    Atomics.store(words, CLAIM, (chunks << 16) | begun);
    if (Atomics.load(words, ASLEEP) > 0) Atomics.notify(words, CLAIM);
  }

  /** Waits until so many chunks are done; false when that takes too long. */
  protected waitFor(chunks: number): boolean {
    const { words } = this.share;
    if (Atomics.load(words, DONE) === chunks) return true;
    const begin = performance.now();
    for (;;) {
      const done = Atomics.load(words, DONE);
      if (done === chunks) return true;
      const waited = performance.now() - begin;
      if (waited > MAIN_WAIT) return false;
      if (waited < MAIN_SPIN || !this.#canSleep) continue;
      Atomics.store(words, MAIN_ASLEEP, 1);
      try {
        Atomics.wait(words, DONE, done, MAIN_WAIT);
      } catch {
        this.#canSleep = false; // a page's main thread may not
      }
      Atomics.store(words, MAIN_ASLEEP, 0);
    }
  }

  /** Waits on, until it is done or the workers have died. */
  async #late(chunks: number, whole: () => void): Promise<void> {
    while (Atomics.load(this.share.words, DONE) < chunks) {
      if (await this.haveDied()) return this.anew(whole);
    }
  }

  /** Lets the event loop tell whether the workers have died. */
  protected async haveDied(): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (this.#workers.size > 0) return false;
    await this.stop();
    return true;
  }

  /** Computes a call that workers have died on. */
  protected anew(whole: () => void): void {
    whole();
  }

  /** Ends all workers; resolves when none runs. */
  stop(): Promise<unknown> {
    const { words } = this.share;
    const workers = [...this.#workers];
    this.#workers.clear();
    this.#stops++;
    this.#stopping = Promise.all([this.#stopping, ...workers.map((worker) => worker.terminate())]).then(() => {
      words[JOINED] = 0;
      words[ASLEEP] = 0;
      words[GONE] = 0;
    });
    return this.#stopping;
  }

  /** Ends all workers for good. A call still to come is computed all the same. */
  dispose(): void {
    this.#wanted = 0;
    void this.stop();
  }
}
