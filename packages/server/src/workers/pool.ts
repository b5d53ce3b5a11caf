/**
 * The workers, and who may wait for one. Work is admitted here and piscina only gets what a worker is free for: it does not
 * count tasks with a signal against its own queue, and kills a thread whose running task is aborted.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { ServeError } from '../errors.js';
import type { AnswerTo, Job, ModelDescription, Task } from './jobs.js';
import { checkModels, DEFAULT_MODEL, type ModelSpec } from './models.js';
import type { Outcome, WorkerData } from './worker.js';

// The worker is JavaScript also where this file runs from its source.
const WORKER = fileURLToPath(new URL('../../dist/workers/worker.js', import.meta.url));

export interface PoolOptions {
  models?: readonly ModelSpec[];
  /** Threads, each with all models. Default: one for every CPU. */
  workers?: number;
  /** How many jobs may wait for a worker. Default 64. */
  queue?: number;
  /** How long a job may wait for a worker, in milliseconds. One that would surely wait longer is refused at once. Default 10,000. */
  deadline?: number;
  /** Most pixels of a picture. Default 25 million. */
  pixels?: number;
  /** The file of another worker, for tests. */
  worker?: string;
}

export interface RunOptions {
  /** Aborted when the client goes away: a job that waits is dropped, the answer of one that runs is thrown away. */
  signal?: AbortSignal;
  /** How long this job may wait, in milliseconds; the pool's own when left out. */
  deadline?: number;
}

/** How many jobs there are now, and how many workers died since the start. */
export interface PoolCounts {
  waiting: number;
  running: number;
  crashes: number;
}

/** How much a job counts in the mean time of jobs; the ones before it count less and less. */
const NEWEST = 1 / 8;

interface Waiting {
  start(): void;
  drop(error: ServeError): void;
}

export class WorkerPool {
  readonly models = new Map<string, ModelDescription>();
  readonly workers: number;
  readonly queue: number;
  readonly deadline: number;
  readonly #piscina: Piscina<Job, Outcome>;
  readonly #waiting = new Set<Waiting>();
  #running = 0;
  #crashes = 0;
  /** Milliseconds that a worker needs for a job, on average. */
  #mean = 0;
  #closing = false;
  #idle: (() => void)[] = [];

  private constructor(options: PoolOptions, models: readonly ModelSpec[]) {
    this.workers = options.workers ?? availableParallelism();
    this.queue = options.queue ?? 64;
    this.deadline = options.deadline ?? 10_000;
    const workerData: WorkerData = { models, pixels: options.pixels ?? 25_000_000 };
    this.#piscina = new Piscina({
      filename: options.worker ?? WORKER,
      minThreads: this.workers,
      maxThreads: this.workers,
      concurrentTasksPerWorker: 1,
      // A worker that waits for work must hear its own timers: the library gives memory back after a while.
      atomics: 'disabled',
      workerData,
    });
    // A worker that died while it had nothing to do. The next one is on its way.
    this.#piscina.on('error', () => this.#crashes++);
  }

  /**
   * Starts the workers and waits until each has loaded all models.
   * @throws ServeError for a model that cannot be loaded
   */
  static async start(options: PoolOptions = {}): Promise<WorkerPool> {
    const models = checkModels(options.models ?? [DEFAULT_MODEL]);
    const pool = new WorkerPool(options, models);
    try {
      // As many at a time as there are workers, so each gets one.
      const describe = (name: string) => {
        pool.#running++;
        return pool.#run({ kind: 'describe', model: name });
      };
      await Promise.all(Array.from({ length: pool.workers }, () => describe(models[0].name)));
      for (const { name } of models) pool.models.set(name, (await describe(name)).model);
      // Loading took longer than jobs do.
      pool.#mean = 0;
    } catch (error) {
      await pool.#piscina.destroy();
      throw error;
    }
    return pool;
  }

  get counts(): PoolCounts {
    return { waiting: this.#waiting.size, running: this.#running, crashes: this.#crashes };
  }

  /** @throws ServeError QUEUE_FULL or DEADLINE where the next job would be refused at once */
  admit(deadline = this.deadline): void {
    if (this.#running < this.workers) return;
    if (this.#waiting.size >= this.queue) throw new ServeError('QUEUE_FULL', `${this.queue} requests wait already`);
    const wait = (this.#waiting.size * this.#mean) / this.workers;
    if (wait <= deadline) return;
    // It is only this job that is in a hurry, or the queue is too long for any.
    const kind = deadline < this.deadline ? 'DEADLINE' : 'QUEUE_FULL';
    throw new ServeError(kind, `requests wait ${Math.round(wait)} ms already`);
  }

  /** The model of this name, or the first that does the task. @throws ServeError NOT_FOUND */
  find(name: string | undefined, task?: Task): ModelDescription {
    if (name !== undefined) {
      const model = this.models.get(name);
      if (model !== undefined) return model;
      throw new ServeError('NOT_FOUND', `model: there is no ${JSON.stringify(name.slice(0, 80))}`);
    }
    for (const model of this.models.values()) if (task === undefined || model.tasks.includes(task)) return model;
    throw new ServeError('NOT_FOUND', `model: none of them can ${task}`);
  }

  /**
   * Has a worker do a job.
   * @throws ServeError QUEUE_FULL at once, DEADLINE or CANCELLED while it waits, CRASHED where the worker died, or what the
   *   worker found wrong
   */
  async run<J extends Job>(job: J, { signal, deadline = this.deadline }: RunOptions = {}): Promise<AnswerTo<J>> {
    if (this.#closing) throw new ServeError('CLOSING', 'the server ends');
    if (signal?.aborted) throw new ServeError('CANCELLED', 'the request was given up');
    this.find(job.model);
    this.admit(deadline);
    if (this.#running < this.workers) {
      this.#running++;
      return this.#run(job);
    }
    await this.#turn(signal, deadline);
    return this.#run(job);
  }

  /** Waits until a worker is free, and takes it. */
  #turn(signal: AbortSignal | undefined, deadline: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', gone);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        start: () => {
          leave();
          this.#running++;
          resolve();
        },
        drop: (error) => {
          leave();
          reject(error);
          this.#tellIdle();
        },
      };
      const gone = () => waiting.drop(new ServeError('CANCELLED', 'the request was given up'));
      const late = () => waiting.drop(new ServeError('DEADLINE', `no worker was free for ${deadline} ms`));
      const timer = setTimeout(late, deadline);
      signal?.addEventListener('abort', gone, { once: true });
      this.#waiting.add(waiting);
    });
  }

  /** On a worker that was taken. */
  async #run<J extends Job>(job: J): Promise<AnswerTo<J>> {
    let outcome: Outcome;
    const start = performance.now();
    try {
      outcome = await this.#piscina.run(...handedOver(job));
    } catch (error) {
      this.#crashes++;
      throw new ServeError('CRASHED', 'the worker died', error);
    } finally {
      this.#mean += NEWEST * (performance.now() - start - this.#mean);
      this.#running--;
      this.#next();
    }
    if ('error' in outcome) throw new ServeError(outcome.error.kind, outcome.error.message);
    return outcome.answer as AnswerTo<J>;
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first !== undefined) first.start();
    else this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#running > 0 || this.#waiting.size > 0) return;
    for (const tell of this.#idle.splice(0)) tell();
  }

  /** Takes no more, answers what was accepted, ends the workers. */
  async close(): Promise<void> {
    this.#closing = true;
    const idle = new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#tellIdle();
    await idle;
    await this.#piscina.destroy();
  }
}

/**
 * Bytes of their own: those of a request are often a part of a buffer with other requests' in it, which must not be given
 * away. (A Buffer's `slice` is no copy.)
 */
const own = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes);

/** The job with bytes of its own, and their memory, which goes to the worker. */
function handedOver<J extends Job>(job: J): [J, { transferList: ArrayBuffer[] }] {
  const arrays: Uint8Array[] = [];
  const take = (bytes: Uint8Array): Uint8Array => {
    // Twice in a list would be refused.
    const mine = arrays.some(({ buffer }) => buffer === bytes.buffer) ? new Uint8Array(bytes) : own(bytes);
    arrays.push(mine);
    return mine;
  };
  let given: Job = job;
  if (job.kind === 'body') given = { ...job, body: take(job.body) };
  if (job.kind === 'pictures') given = { ...job, pictures: job.pictures.map(take) };
  return [given as J, { transferList: arrays.map(({ buffer }) => buffer as ArrayBuffer) }];
}
