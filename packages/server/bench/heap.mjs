/** Preloaded into a server (`--import`): on SIGUSR2 it collects what is garbage and writes down how much memory is left. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  process.on('SIGUSR2', () => {
    collect();
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
    console.log(`heap:${JSON.stringify({ heapUsed, external, arrayBuffers, rss })}`);
  });
}
