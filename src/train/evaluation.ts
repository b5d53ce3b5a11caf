/** How good a network is: its loss on a dataset, metrics of what it says, and how long that took. */
import { MobileNetError } from '../base/errors.js';
import { cat } from '../tensor/operations.js';
import type { Tensor } from '../tensor/tensor.js';
import type { LogEntry } from './callbacks.js';
import type { Predictions } from './learner.js';
import type { LossOfBatch } from './losses.js';

/** What a network said, beside what is so. */
export interface EvalPrediction {
  /** Logits: [N,K], or [N,K,h,w] of a segmenter. */
  predictions: Tensor<'float32'>;
  /** [N], or [N,H,W]. */
  label_ids: Tensor<'int32'>;
}

/**
 * Metrics by their names.
 * @param compute_result with `batch_eval_metrics`: false while more batches come, true with the last
 */
export type ComputeMetrics = (prediction: EvalPrediction, compute_result?: boolean) => LogEntry | Promise<LogEntry>;

export interface PredictionOutput extends EvalPrediction {
  metrics: LogEntry;
}

export interface EvaluationOptions {
  lossOf: LossOfBatch;
  compute: ComputeMetrics | undefined;
  /** Whether metrics are computed batch by batch, and predictions are not kept. */
  byBatch: boolean;
  /** Whether what was said is wanted. */
  keeps: boolean;
  prefix: string;
  /** Batches that there will be. */
  batches: number;
  onBatch(): Promise<void>;
}

/** @throws MobileNetError ARG where there is nothing to evaluate */
export async function evaluate(
  predictions: Predictions,
  options: EvaluationOptions,
): Promise<Partial<PredictionOutput>> {
  const { lossOf, compute, byBatch, prefix, batches } = options;
  const start = performance.now();
  const keeps = options.keeps || (compute !== undefined && !byBatch);
  const kept: EvalPrediction[] = [];
  let [losses, pictures, done] = [0, 0, 0];
  let found: LogEntry = {};
  for await (const { logits, labels } of predictions) {
    const count = logits.dims[0];
    losses += lossOf(labels)(logits, 0).loss * count;
    pictures += count;
    done++;
    const prediction = { predictions: logits, label_ids: labels };
    if (keeps) kept.push(prediction);
    if (compute !== undefined && byBatch) found = await compute(prediction, done === batches);
    await options.onBatch();
  }
  if (pictures === 0) throw new MobileNetError('ARG', `${prefix}: expected pictures in the dataset, got none`);
  const all = keeps ? joined(kept) : undefined;
  if (compute !== undefined && !byBatch) found = await compute(all!);
  const metrics: LogEntry = { [`${prefix}_loss`]: losses / pictures };
  for (const [name, value] of Object.entries(found))
    metrics[name.startsWith(`${prefix}_`) ? name : `${prefix}_${name}`] = value;
  Object.assign(metrics, speedOf(prefix, performance.now() - start, { pictures, steps: done }));
  return { metrics, ...all };
}

function joined(kept: readonly EvalPrediction[]): EvalPrediction {
  return {
    predictions: cat(kept.map(({ predictions }) => predictions)),
    label_ids: cat(kept.map(({ label_ids }) => label_ids)),
  };
}

const rounded = (value: number, digits: number) => Number(value.toFixed(digits));

/** transformers' `speed_metrics`. */
export function speedOf(
  prefix: string,
  milliseconds: number,
  { pictures, steps }: { pictures: number; steps: number },
): LogEntry {
  const seconds = Math.max(milliseconds, 1e-3) / 1000;
  return {
    [`${prefix}_runtime`]: rounded(seconds, 4),
    [`${prefix}_samples_per_second`]: rounded(pictures / seconds, 3),
    [`${prefix}_steps_per_second`]: rounded(steps / seconds, 3),
  };
}
