/** Where shards are done: the workers of this machine with a run's model. They are started when the first shard needs them. */
import { availableParallelism } from 'node:os';
import type { ModelSpec } from '../workers/models.js';
import { WorkerPool } from '../workers/pool.js';
import { UsageError } from './errors.js';
import { Lane } from './lane.js';
import { openPictures } from './pictures.js';
import type { Plan } from './plan.js';
import type { Run } from './shard.js';
import type { Store } from './stores/store.js';

/** Name of the one model that a pool has. */
const MODEL = 'model';

export interface WorkplaceOptions {
  /** Default: one for every CPU. */
  workers?: number;
  /** Most pixels of a picture; the pool's own when left out. */
  pixels?: number;
}

interface Place {
  pool: Promise<WorkerPool>;
  lane: Lane;
}

export class Workplace {
  readonly #options: WorkplaceOptions;
  /** By task and model: a queue may hold shards of several runs. */
  readonly #places = new Map<string, Place>();

  constructor(options: WorkplaceOptions) {
    this.#options = options;
  }

  /** All that the shards of a plan need. @throws UsageError for pictures or a model that are not there */
  async open(plan: Plan, store: Store): Promise<Run> {
    const pictures = await openPictures(plan.input);
    const { pool, lane } = this.#place(plan);
    return { plan, pictures, store, pool: await pool, model: MODEL, lane };
  }

  async close(): Promise<void> {
    for (const { pool } of this.#places.values()) await (await pool.catch(() => null))?.close();
  }

  #place({ task, model }: Plan): Place {
    const key = JSON.stringify([task, model]);
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const workers = this.#options.workers ?? availableParallelism();
    // Twice as many pictures as workers: while one computes, the next one's bytes are there already.
    const lane = new Lane(2 * workers);
    const spec: ModelSpec = { name: MODEL, task, ...(model !== null && { where: model }) };
    const { pixels } = this.#options;
    const pool = WorkerPool.start({
      models: [spec],
      workers,
      queue: lane.width,
      ...(pixels !== undefined && { pixels }),
    });
    const started = pool.catch((error) => {
      this.#places.delete(key);
      throw new UsageError(`--model ${model ?? 'left out'}: ${error.message}`);
    });
    started.catch(() => {}); // heard by who waits for it
    const place = { pool: started, lane };
    this.#places.set(key, place);
    return place;
  }
}
