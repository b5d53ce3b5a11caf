/**
 * A small server for the built page, with the headers that let its memory be shared among threads, on this machine alone.
 *
 *     node examples/browser/serve.mjs [folder] [port]
 */
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.md': 'text/plain; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
};

export const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

/** Serves a folder. @returns the port: the one asked for, or a free one for 0 */
export async function serve(folder, port = 0, headers = ISOLATION) {
  const server = createServer(async ({ url, headers: { 'if-none-match': known } }, response) => {
    try {
      const path = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname));
      const file = join(folder, path.endsWith(sep) ? `${path}index.html` : path);
      if (!file.startsWith(normalize(folder))) throw new Error('outside');
      const { mtimeMs, size } = await stat(file);
      const etag = `"${mtimeMs.toString(36)}-${size.toString(36)}"`;
      if (known === etag) return response.writeHead(304, { etag, ...headers }).end();
      const body = await readFile(file);
      const type = TYPES[extname(file)] ?? 'application/octet-stream';
      return response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache', etag, ...headers }).end(body);
    } catch {
      return response.writeHead(404).end();
    }
  });
  await new Promise((resolve, reject) => server.on('error', reject).listen(port, '127.0.0.1', resolve));
  return server.address().port;
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) {
  const [folder = fileURLToPath(new URL('dist/', import.meta.url)), port = '8080'] = argv.slice(2);
  console.log(`http://localhost:${await serve(folder, Number(port))}/`);
}
