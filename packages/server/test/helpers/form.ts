/** Forms as `curl -F` writes them, and a pool whose worker has no network. */
import { fileURLToPath } from 'node:url';
import { type PoolOptions, WorkerPool } from '../../src/workers/pool.js';

export function form(files: Record<string, Uint8Array | string>): { payload: Buffer; headers: Record<string, string> } {
  const parts = Object.entries(files).flatMap(([name, bytes]) => [
    Buffer.from(`--b\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\n`),
    Buffer.from(bytes as string),
    Buffer.from('\r\n'),
  ]);
  const payload = Buffer.concat([...parts, Buffer.from('--b--\r\n')]);
  return { payload, headers: { 'content-type': 'multipart/form-data; boundary=b' } };
}

export const plainWorker = fileURLToPath(new URL('worker.mjs', import.meta.url));

export const plainPool = (options: PoolOptions = {}): Promise<WorkerPool> =>
  WorkerPool.start({
    workers: 1,
    models: [{ name: 'm' }],
    worker: plainWorker,
    ...options,
  });
