/** A static server on a free port: an empty page, a frame for every engine, files of networks and of packages. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';

const MODULES = fileURLToPath(new URL('../node_modules', import.meta.url));
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/**
 * @param options.networks the folder they are in; `isolated`: with the headers that shared memory asks for; `source`: the
 *   folder with frame.mjs and engines/
 * @returns `{ origin, close }`
 */
export async function serve({ networks, ours, isolated, source }) {
  const bundles = new Map();
  const page = (script) => `<!doctype html><meta charset="utf-8"><title>bench</title>${script}`;
  const answer = async (path) => {
    if (path === '/') return page('');
    const [, kind, ...rest] = path.split('/');
    const file = rest.join('/');
    if (kind === 'frame') return page(`<script type="module" src="/bundle/${file.replace('.html', '.js')}"></script>`);
    if (kind === 'bundle') {
      const engine = file.replace('.js', '');
      if (!bundles.has(engine)) bundles.set(engine, await bundle(engine, ours, source));
      return bundles.get(engine);
    }
    if (kind === 'networks') return readFile(join(networks, file));
    if (kind === 'modules') return readFile(join(MODULES, file));
    throw new Error('no such file');
  };
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    try {
      const body = await answer(path);
      const type = path === '/' ? 'text/html' : (TYPES[extname(path)] ?? 'application/octet-stream');
      response.writeHead(200, { 'Content-Type': type, ...(isolated && ISOLATED) });
      response.end(body);
    } catch (error) {
      response.writeHead(404, isolated ? ISOLATED : {});
      response.end(error.message);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
