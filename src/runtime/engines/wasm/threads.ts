/**
 * A team: the main thread and the workers that share its calls (worker.ts). It changes nothing in what is computed, only
 * who does, and it never needs a worker: calls are computed by those who are there. A worker that dies takes a chunk
 * with it; its call is then computed anew by the main thread, alone.
 */
import { env } from '../../../base/env.js';
import { MobileNetError } from '../../../base/errors.js';
import type { WorkerHandle } from '../../../base/platform.js';
import type { Call } from '../../../layers/kernel.js';
import {
  ARGUMENTS_AT,
  BLOCK_BYTES,
  type ComputeLane,
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
const MAIN_WAIT = 100;
/** Milliseconds that it waits for another lane before it looks whether one is left that nobody has begun. */
const MAIN_PATIENCE = 2;
/** Workers that may die before no more are started. */
const MOST_DEATHS = 10;

export class Team {
  readonly #share: Share;
  readonly #task: WorkerTask;
  readonly #lane: ComputeLane | undefined;
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
   * @param lane where lanes are used, and calls add to what is there: such a call cannot be computed anew
   */
  constructor(
    threads: number,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    address: number,
    functions: Share['functions'],
    lane?: ComputeLane,
  ) {
    new Uint8Array(memory.buffer, address, BLOCK_BYTES).fill(0);
    this.#wanted = threads - 1;
    this.#lane = lane;
    this.#share = {
      words: new Int32Array(memory.buffer, address, ARGUMENTS_AT / 4),
      args: new Float64Array(memory.buffer, address + ARGUMENTS_AT, MOST_ARGUMENTS),
      functions,
      names: WORDS,
      call: [],
    };
    this.#task = {
      ...{ module, memory, block: address, argumentsAt: ARGUMENTS_AT, mostArguments: MOST_ARGUMENTS },
      ...{ names: WORDS, spin: WORKER_SPIN, idle: WORKER_IDLE },
    };
  }

  /** Starts the workers that are missing; resolves when they are on their way. Never throws: fewer threads do as well. */
  start(): Promise<void> {
    if (this.#starting !== null) return this.#starting;
    const gone = Atomics.load(this.#share.words, GONE) > 0;
    const complete = this.#workers.size === this.#wanted && !gone;
    if (complete || this.#deaths >= MOST_DEATHS) return Promise.resolve();
    this.#starting = this.#startMissing().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #startMissing(): Promise<void> {
    // News of a worker's end waits for a turn of the event loop, which calls that follow each other never leave it.
    if (Atomics.load(this.#share.words, GONE) > 0) await new Promise((resolve) => setTimeout(resolve));
    await this.#stopping;
    const stops = this.#stops;
    while (this.#workers.size < this.#wanted && this.#stops === stops) {
      try {
        const worker = await env.platform.startWorker!(WORKER_SOURCE(this.#lane), this.#task, (clean) => {
          const ours = this.#workers.delete(worker);
          if (!clean) this.#onWorkerDeath();
          else if (ours) Atomics.sub(this.#share.words, GONE, 1);
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
    const { words, functions } = this.#share;
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
    this.#post(index, args, chunks, 0);

    for (;;) {
      const claim = Atomics.load(words, CLAIM);
      const first = claim & 0xffff;
      if (first >= claim >>> 16) break;
      if (Atomics.compareExchange(words, CLAIM, claim, claim + 1) !== claim) continue;
      computeChunk(this.#share, first);
      Atomics.add(words, DONE, 1);
    }
    if (this.#waitFor(chunks)) return;
    return this.#late(chunks, () => functions[index](...args));
  }

  /** @param begun chunks from the first on that the main thread has taken already */
  #post(index: number, args: readonly number[], chunks: number, begun: number): void {
    const { words } = this.#share;
    words[FUNCTION] = index;
    words[ARGUMENTS] = args.length;
    this.#share.args.set(args);
    words[CHUNKS] = chunks;
    words[DONE] = 0;
    Atomics.store(words, CLAIM, (chunks << 16) | begun);
    if (Atomics.load(words, ASLEEP) > 0) Atomics.notify(words, CLAIM);
  }

  /** Computes so many lanes together (lanes.ts). The first is the main thread's. */
  runLanes(lanes: number, args: readonly number[]): void | Promise<void> {
    this.#post(-1, args, lanes, 1);
    return this.#takeLanes(new Map([[0, 0]]));
  }

  /**
   * Goes on with lanes, by how far they are, and takes those that nobody has begun, when its own are done or wait for such a one.
   * A promise is returned only where another thread is very late.
   */
  #takeLanes(own: Map<number, number>): void | Promise<void> {
    const { words } = this.#share;
    const lanes = words[CHUNKS];
    let begin = performance.now();
    for (;;) {
      const complete = Atomics.load(words, JOINED) >= lanes - 1;
      const patience = own.size > 1 || !complete ? 0 : MAIN_PATIENCE;
      let moved = false;
      for (const [chunk, from] of own) {
        // A page's main thread may not sleep, and none waits long.
        const at = this.#lane!(this.#share, this.#task.memory, chunk, patience, false, from);
        if (at !== from) moved = true;
        own.set(chunk, at);
        if (at >= 0) continue;
        own.delete(chunk);
        Atomics.add(words, DONE, 1);
      }
      const chunk = this.#claimLane();
      if (chunk >= 0) own.set(chunk, 0);
      else if (own.size === 0) break;
      else if (moved) begin = performance.now();
      else if (performance.now() - begin > MAIN_WAIT) return this.#whileAlive().then(() => this.#takeLanes(own));
    }
    if (!this.#waitFor(lanes)) return this.#whileAlive().then(() => this.#takeLanes(own));
  }

  /** Lanes are taken from above by all, so that who waits for an earlier one waits for one that was begun; -1 when none is left. */
  #claimLane(): number {
    const { words } = this.#share;
    for (;;) {
      const claim = Atomics.load(words, CLAIM);
      const first = claim & 0xffff;
      const last = (claim >>> 16) - 1;
      if (first > last) return -1;
      if (Atomics.compareExchange(words, CLAIM, claim, first | (last << 16)) === claim) return last;
    }
  }

  /** Lets the event loop tell that a worker has died. */
  async #whileAlive(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (this.#workers.size > 0) return;
    await this.stop();
    throw new MobileNetError(
      'OUT_OF_MEMORY',
      'a thread ended by itself, most likely for want of memory, and the gradients are not complete; go on from the last checkpoint, or use fewer threads',
    );
  }

  /** Waits until so many chunks are done; false when that takes too long. */
  #waitFor(chunks: number): boolean {
    const { words } = this.#share;
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

  /** Waits on, and lets the event loop tell that a worker has died. */
  async #late(chunks: number, whole: () => void): Promise<void> {
    const { words } = this.#share;
    while (Atomics.load(words, DONE) < chunks) {
      if (this.#lane !== undefined) {
        await this.#whileAlive();
        continue;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (this.#workers.size > 0) continue;
      await this.stop();
      whole();
      return;
    }
  }

  /** Ends all workers; resolves when none runs. */
  stop(): Promise<unknown> {
    const { words } = this.#share;
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
