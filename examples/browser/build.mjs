/**
 * Makes the page: a folder with everything in it, to be put on any host of static files.
 *
 *     npm run page               # → examples/browser/dist
 *     npm run page -- --serve    # and serves it, with the headers that threads need
 *     npm run page -- --origin=https://example.com/page/   # where it will be: pages that link to it can show its picture
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { pages, QUOTE } from '../../scripts/quotes.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '../..');
const arguments_ = process.argv.slice(2);
const outdir = arguments_.find((word) => !word.startsWith('--')) ?? join(here, 'dist');

rmSync(outdir, { recursive: true, force: true });
mkdirSync(outdir, { recursive: true });
for (const file of ['icon.svg', 'og.jpg', 'thumbs']) cpSync(join(here, file), join(outdir, file), { recursive: true });
for (const file of ['parrot.jpg', 'dog.jpg', 'cat.jpg', 'coffee.jpg', 'astronaut.jpg', 'LICENSES.md']) {
  cpSync(join(root, 'examples', file), join(outdir, 'samples', file));
}
const weightBytes = {};
for (const model of ['mobilenet_v2_1.0_224', 'deeplabv3_mobilenet_v2_0.5_513']) {
  for (const file of ['config.json', 'preprocessor_config.json', 'model.safetensors', 'LICENSE']) {
    cpSync(join(root, 'weights', model, file), join(outdir, 'models', model, file));
  }
  weightBytes[model] = statSync(join(outdir, 'models', model, 'model.safetensors')).size;
}
cpSync(join(root, 'NOTICE'), join(outdir, 'models/NOTICE.txt')); // so named, a host says that it is text

const script = (entries, options = {}) =>
  build({
    entryPoints: entries.map((entry) => join(here, entry)),
    outdir,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    // What is needed later, or by few, is a file of its own.
    splitting: true,
    chunkNames: 'parts/[name]-[hash]',
    // The sources, by the paths of tsconfig.json: the page needs no build of the package.
    tsconfig: join(here, 'tsconfig.json'),
    logLevel: 'warning',
    ...options,
  });
await script(['style.css']);
await script(['page.ts'], { define: { QUOTES: JSON.stringify(quotes()) } });
await script(['worker.ts', 'teach-worker.ts'], { define: { WEIGHT_BYTES: JSON.stringify(weightBytes) } });
writeFileSync(join(outdir, 'index.html'), await inEnglish(readFileSync(join(here, 'index.html'), 'utf8')));

/** The lines of code that docs/paper.md quotes, by the sections of the paper. */
function quotes() {
  return pages()
    .get('paper.md')
    .split(/^## /m)
    .flatMap((part) => {
      const [section] = /^[\d.]+/.exec(part) ?? [];
      return [...part.matchAll(QUOTE)].map(([, source, first, last, code]) => ({
        section,
        file: source.slice('../'.length),
        lines: `L${first}-L${last}`,
        code: code.trimEnd(),
      }));
    });
}

/** The texts of `data-t` are in the page from the start, before a script runs. */
async function inEnglish(html) {
  const { outputFiles } = await build({ entryPoints: [join(here, 'strings/en.ts')], write: false, format: 'esm' });
  const { en } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
  const text = (key) => {
    if (en[key] === undefined) throw new Error(`index.html: strings/en.ts has no ${key}`);
    return en[key].replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
  };
  const origin = arguments_.find((word) => word.startsWith('--origin='))?.slice('--origin='.length);
  return html
    .replace('content="og.jpg"', `content="${origin === undefined ? 'og.jpg' : new URL('og.jpg', origin)}"`)
    .replace(/data-t="([\w.]+)"([^>]*)>…</g, (_, key, rest) => `data-t="${key}"${rest}>${text(key)}<`)
    .replace(/data-t-(label|title)="([\w.]+)"/g, (found, kind, key) => {
      return `${found} ${kind === 'label' ? 'aria-label' : 'title'}="${text(key)}"`;
    });
}

const files = readdirSync(outdir, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath}/${entry.name}`.slice(outdir.length + 1).replaceAll('\\', '/'))
  .sort();
const hash = createHash('sha256');
for (const file of files) hash.update(file).update(readFileSync(join(outdir, file)));
await script(['sw.ts'], {
  splitting: false,
  define: {
    // og.jpg is for others that link here.
    FILES: JSON.stringify(['./', ...files.filter((file) => !['index.html', 'og.jpg'].includes(file))]),
    VERSION: JSON.stringify(`mobilenet-v2 ${hash.digest('hex').slice(0, 12)}`),
  },
});
console.log(`${outdir}: ${files.length + 1} files`);

if (arguments_.includes('--serve')) {
  const { serve } = await import('./serve.mjs');
  console.log(`http://localhost:${await serve(outdir, 8080)}/`);
}
