/** Preloaded into a server (`--import`): on SIGWINCH, which nothing else here means, it collects garbage and says how much memory is left. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  process.on('SIGWINCH', () => {
    collect();
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    console.log(`heap:${JSON.stringify({ heapUsed, external, arrayBuffers })}`);
  });
}
