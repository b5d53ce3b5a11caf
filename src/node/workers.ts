/** Threads in Node. */
import { Worker } from 'node:worker_threads';
import type { WorkerHandle } from '../base/env.js';

export async function startWorker(
  source: string,
  task: unknown,
  onExit: (clean: boolean) => void,
): Promise<WorkerHandle> {
  const text = `(${source})(require('node:worker_threads').workerData);`;
  const worker = new Worker(text, { eval: true, workerData: task });
  worker.unref();
  worker.on('error', () => {}); // followed by exit, with a code that is not 0
  worker.on('exit', (code) => onExit(code === 0));
  return { terminate: () => worker.terminate() };
}
