/** From the records of a shard to the bytes of its file. */
import type { Task } from '../../workers/jobs.js';
import type { Format } from '../plan.js';
import type { Record } from '../records.js';
import { csv } from './csv.js';
import { ndjson } from './ndjson.js';

export async function encode(records: readonly Record[], task: Task, format: Format): Promise<Uint8Array> {
  if (format === 'parquet') return (await import('./parquet.js')).parquet(records, task);
  return new TextEncoder().encode(format === 'csv' ? csv(records, task) : ndjson(records));
}
