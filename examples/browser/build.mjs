/**
 * Makes the page: a folder with everything in it, to be put on any host of static files.
 *
 *     npm run page               # → examples/browser/dist
 *     npm run page -- --serve    # and serves it, with the headers that threads need
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '../..');
const arguments_ = process.argv.slice(2);
const outdir = arguments_.find((word) => !word.startsWith('--')) ?? join(here, 'dist');

rmSync(outdir, { recursive: true, force: true });
mkdirSync(join(outdir, 'samples'), { recursive: true });
for (const file of ['index.html', 'style.css', 'icon.svg']) cpSync(join(here, file), join(outdir, file));
for (const file of ['husky.png', 'dog.jpg', 'cat.jpg', 'coffee.jpg', 'LICENSES.md']) {
  cpSync(join(root, 'examples', file), join(outdir, 'samples', file));
}
for (const model of ['mobilenet_v2_1.0_224', 'deeplabv3_mobilenet_v2_0.5_513']) {
  for (const file of ['config.json', 'preprocessor_config.json', 'model.safetensors', 'LICENSE']) {
    cpSync(join(root, 'weights', model, file), join(outdir, 'models', model, file));
  }
}
cpSync(join(root, 'NOTICE'), join(outdir, 'models/NOTICE'));

const script = (entry, define = {}) =>
  build({
    entryPoints: [join(here, entry)],
    outdir,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    // The sources, by the paths of tsconfig.json: the page needs no build of the package.
    tsconfig: join(here, 'tsconfig.json'),
    define,
    logLevel: 'warning',
  });
await script('page.ts');
await script('worker.ts');

const files = readdirSync(outdir, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath}/${entry.name}`.slice(outdir.length + 1).replaceAll('\\', '/'))
  .sort();
const hash = createHash('sha256');
for (const file of files) hash.update(file).update(readFileSync(join(outdir, file)));
await script('sw.ts', {
  FILES: JSON.stringify(['./', ...files.filter((file) => file !== 'index.html')]),
  VERSION: JSON.stringify(`mobilenet-v2 ${hash.digest('hex').slice(0, 12)}`),
});
console.log(`${outdir}: ${files.length + 1} files`);

if (arguments_.includes('--serve')) {
  const { serve } = await import('./serve.mjs');
  console.log(`http://localhost:${await serve(outdir, 8080)}/`);
}
