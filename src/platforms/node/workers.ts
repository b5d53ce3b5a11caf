/** Threads in Node. */
import { Worker } from 'node:worker_threads';
import type { WorkerHandle } from '../../base/platform.js';

export async function startWorker(
  source: string,
  task: unknown,
  onExit: (clean: boolean) => void,
): Promise<WorkerHandle> {
  const text = `
    const { parentPort, workerData } = require('node:worker_threads');
    (${source})(workerData);
    parentPort.postMessage('done');`;
  const worker = new Worker(text, { eval: true, workerData: task });
  worker.on('error', () => {}); // followed by exit, with a code that is not 0
  // The exit code does not tell: it is 0 also where something in the thread calls process.exit.
  let done = false;
  worker.on('message', () => {
    done = true;
  });
  worker.on('exit', () => onExit(done));
  worker.unref(); // listening to messages has undone it
  return { terminate: () => worker.terminate() };
}
