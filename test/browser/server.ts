/** A static server for the pages that a real browser opens: the built package, weights and pictures, under given headers. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Loopback, listen } from '../helpers/loopback.js';

const ROOT = new URL('../../', import.meta.url);
const SERVED = /^\/(dist|weights|examples|test\/browser)\/[\w./-]+$/;
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
};

const ISOLATION = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
const policy = (script: string) => ({
  'content-security-policy': `default-src 'none'; script-src ${script}; connect-src 'self'; img-src 'self'; worker-src 'none'`,
});

/** Headers that the one page there is, page.html, can be had with: `/strict` is page.html under the headers of `strict`. */
export const PAGES = {
  plain: {},
  /** Neither eval nor WebAssembly. */
  strict: policy("'self'"),
  /** Memory can be shared among threads. */
  isolated: ISOLATION,
  /** Memory can be shared, and yet no worker can be started. */
  workerless: { ...ISOLATION, ...policy("'self' 'wasm-unsafe-eval'") },
} as const satisfies Record<string, Record<string, string>>;

/** @param generated files that are nowhere on disk, by path */
export async function serve(generated: ReadonlyMap<string, string | Uint8Array>): Promise<Loopback> {
  const server = createServer(async ({ url = '/' }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    const page = Object.hasOwn(PAGES, pathname.slice(1)) ? PAGES[pathname.slice(1) as keyof typeof PAGES] : null;
    const path = page === null ? pathname : '/test/browser/page.html';
    try {
      if (!SERVED.test(path) || path.includes('..')) throw new Error(`not served: ${path}`);
      const body = generated.get(path) ?? (await readFile(fileURLToPath(new URL(`.${path}`, ROOT))));
      // The file of a worker has to say it too, in a page whose memory can be shared.
      const worker = page === null && { 'cross-origin-embedder-policy': 'require-corp' };
      const type = { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' };
      response.writeHead(200, { ...type, ...worker, ...page });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return listen(server);
}
