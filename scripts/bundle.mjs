/**
 * Joins the modules that Node loads into a few files: opening 70 of them takes 35 ms of a cold start, these 13. The
 * modules stay beside them, for bundlers of pages, for reading and for the benches.
 *
 *     node scripts/bundle.mjs [dist]
 */
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const dist = resolve(process.argv[2] ?? 'dist');
const outdir = join(dist, 'bundle');
rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: {
    node: join(dist, 'node.js'),
    cli: join(dist, 'cli.js'),
    convert: join(dist, 'convert-node.js'),
    hub: join(dist, 'node/hub.js'),
    image: join(dist, 'image/node.js'),
    ndarray: join(dist, 'tensor/ndarray.js'),
    'picture-worker': join(dist, 'node/picture-worker.js'),
  },
  outdir,
  bundle: true,
  splitting: true, // what entries share is one module, so that a Tensor is a Tensor in all of them
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  // Line ends and comments, names stay: 20 ms to load the library instead of 32, in Node 24.
  minifyWhitespace: true,
  minifySyntax: true,
  sourcemap: true,
  sourcesContent: false,
  chunkNames: 'chunk-[hash]',
  logLevel: 'warning',
});
