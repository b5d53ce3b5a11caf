/**
 * The Open Inference Protocol without a transport: routes/v2.ts and grpc/ give it what they were asked, and write what it says
 * in their own way.
 */
import { ServeError } from '../errors.js';
import type { BodyAnswer, ModelDescription } from '../workers/jobs.js';
import type { RunOptions, WorkerPool } from '../workers/pool.js';
import { indexEntry, modelConfig, modelMetadata } from './metadata.js';
import { ModelStatistics } from './statistics.js';

export interface InferOptions extends RunOptions {
  /** How long the request itself lets it wait, in milliseconds. */
  timeout?: number | undefined;
}

export class InferenceService {
  readonly #pool: WorkerPool;
  readonly #statistics = new Map<string, ModelStatistics>();

  constructor(pool: WorkerPool) {
    this.#pool = pool;
    for (const name of pool.models.keys()) this.#statistics.set(name, new ModelStatistics());
  }

  /**
   * @param version any when it is left out or empty
   * @throws ServeError NOT_FOUND
   */
  find(name: string, version = ''): ModelDescription {
    const model = this.#pool.find(name);
    if (version === '' || version === model.version) return model;
    const wanted = JSON.stringify(version.slice(0, 80));
    throw new ServeError('NOT_FOUND', `model ${name}: there is no version ${wanted}, there is "${model.version}"`);
  }

  models(): string[] {
    return [...this.#pool.models.keys()];
  }

  metadata(name: string, version?: string) {
    return modelMetadata(this.find(name, version));
  }

  config(name: string, version?: string) {
    return modelConfig(this.find(name, version), this.#pool.workers);
  }

  /** Of one model, or of all where the name is empty. */
  statistics(name = '', version?: string) {
    const models = name === '' ? [...this.#pool.models.values()] : [this.find(name, version)];
    return { model_stats: models.map((model) => this.#statistics.get(model.name)!.report(model)) };
  }

  index() {
    return [...this.#pool.models.values()].map(indexEntry);
  }

  /**
   * Has a worker answer a request, whose body is handed over to it.
   * @param header how many bytes of the body are JSON, see infer.ts
   */
  async infer(
    model: ModelDescription,
    body: Uint8Array,
    header: number | undefined,
    { signal, deadline = this.#pool.deadline, timeout = Infinity }: InferOptions,
  ): Promise<BodyAnswer> {
    // The client may want to wait longer than the server lets it.
    const longest = Math.min(deadline, this.#pool.deadline);
    const options = { ...(signal && { signal }), deadline: Math.min(longest, timeout) };
    const statistics = this.#statistics.get(model.name)!;
    const start = performance.now();
    try {
      const job = { kind: 'body', route: 'v2', model: model.name, body } as const;
      const answer = await this.#pool.run(header === undefined ? job : { ...job, header_length: header }, options);
      statistics.succeeded(answer.count, answer.timing, performance.now() - start);
      return answer;
    } catch (error) {
      statistics.failed(performance.now() - start);
      const late = error instanceof ServeError && error.kind === 'DEADLINE' && timeout < longest;
      throw late ? new ServeError('EXPIRED', 'Request timeout expired') : error;
    }
  }
}
