/** `GET /v2/models/M/stats`, Triton's: counts and summed times of a model's requests since the server started. */
import type { ModelDescription, Timing } from '../workers/jobs.js';

const PARTS = ['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output'] as const;
type Part = (typeof PARTS)[number];

interface Sum {
  count: number;
  ns: number;
}

/** What one model did. */
export class ModelStatistics {
  #lastInference = 0;
  #pictures = 0;
  #executions = 0;
  readonly #sums = Object.fromEntries(PARTS.map((part) => [part, { count: 0, ns: 0 }])) as Record<Part, Sum>;

  /**
   * @param took milliseconds from the request to its answer. What of them no part of the work took, it waited
   */
  succeeded(pictures: number, { input, infer, output }: Timing, took: number): void {
    this.#lastInference = Date.now();
    this.#pictures += pictures;
    this.#executions++;
    this.#add('success', took);
    this.#add('queue', Math.max(0, took - input - infer - output));
    this.#add('compute_input', input);
    this.#add('compute_infer', infer);
    this.#add('compute_output', output);
  }

  failed(took: number): void {
    this.#add('fail', took);
  }

  #add(part: Part, milliseconds: number): void {
    this.#sums[part].count++;
    this.#sums[part].ns += Math.round(milliseconds * 1e6);
  }

  /** In the protocol's words. There is no cache. */
  report({ name, version }: ModelDescription) {
    const copies = PARTS.map((part) => [part, { ...this.#sums[part] }] as const);
    return {
      name,
      version,
      last_inference: this.#lastInference,
      inference_count: this.#pictures,
      execution_count: this.#executions,
      inference_stats: {
        ...(Object.fromEntries(copies) as Record<Part, Sum>),
        cache_hit: { count: 0, ns: 0 },
        cache_miss: { count: 0, ns: 0 },
      },
      batch_stats: [],
    };
  }
}
