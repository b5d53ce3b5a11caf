import { getThreadsCount, setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { openTfjs } from './tfjs.mjs';

export async function open(options) {
  const { assets, threads } = options;
  if (assets) setWasmPaths(`${assets}/@tensorflow/tfjs-backend-wasm/wasm-out/`);
  if (threads > 1) {
    setThreadsCount(threads);
    // It takes at most half the cores, whatever it is told.
    Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 * threads });
  }
  await tf.setBackend('wasm');
  if (threads > 1 && getThreadsCount() !== threads) throw new Error(`tfjs took ${getThreadsCount()} threads`);
  return openTfjs(tf, options);
}
