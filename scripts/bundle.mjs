/**
 * Joins the modules that Node loads into a few files: opening 70 of them takes 35 ms of a cold start, 14 take 23, one
 * takes 13. The modules stay beside them, for bundlers of pages, for reading and for the benches.
 *
 *     node scripts/bundle.mjs [dist]
 *
 * All that `import 'mobilenet-v2'` loads is core.js. It exports whatever its modules do, with the module's number after each
 * name, and the other files have theirs from there, so that a Tensor is a Tensor in all of them.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { BUNDLES, CDN, ENTRIES, moduleOf } from './entries.mjs';

const dist = resolve(process.argv[2] ?? 'dist');
const outdir = join(dist, 'bundle');
rmSync(outdir, { recursive: true, force: true });

const options = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  // Line ends and comments; names stay. A third less time to load in Node 24.
  minifyWhitespace: true,
  // Node prints the line of an error that nobody catches, and without a limit a line has up to 88 KB.
  lineLimit: 160,
  minifySyntax: true,
  logLevel: 'warning',
};
const split = { ...options, outdir, splitting: true, chunkNames: 'chunk-[hash]' };

/**
 * pngjs within the bundle: it is CommonJS that requires parts of Node, which esbuild cannot put into somebody's bundle of ES
 * modules. What it requires is imported here. One file also opens sooner than its twenty.
 */
const pngjsInside = {
  name: 'pngjs inside',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^pngjs$/ }, () => ({ path: fileURLToPath(import.meta.resolve('pngjs')) }));
    onResolve({ filter: /^(assert|buffer|stream|util|zlib)$/ }, ({ kind, path }) =>
      kind === 'require-call' ? { path, namespace: 'node' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'node' }, ({ path }) => ({
      contents: `import part from 'node:${path}'; module.exports = part;`,
    }));
  },
};

/** What core.js loads when it needs it: the module by the name of its file. */
const later = {};
const leaveForLater = {
  name: 'leave for later',
  setup({ onResolve }) {
    onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import') return undefined;
      const module = join(resolveDir, path);
      const name = module.slice(dist.length + 1, -'.js'.length).replaceAll('/', '-');
      later[name] = module;
      return { path: `./${name}.js`, external: true };
    });
  },
};
const entry = (name) => join(dist, 'entries', `${name}.js`);
const main = ENTRIES.find(({ subpath }) => subpath === '.');
const modulesOfCore = async () => {
  const all = { entryPoints: [entry(moduleOf(main, 'node'))], outdir, write: false, metafile: true };
  const { metafile } = await build({ ...options, ...all, plugins: [leaveForLater] });
  // Not what picks the public names.
  return Object.keys(metafile.inputs)
    .map((input) => resolve(input))
    .filter((module) => dirname(module) !== join(dist, 'entries'));
};

/** `fold as fold_12` for each export of module 12: modules may give one name to different things. */
const namesOf = async (module, number) =>
  Object.keys(await import(pathToFileURL(module).href)).map((name) => [name, `${name}_${number}`]);

const core = await modulesOfCore();
const names = await Promise.all(core.map(namesOf));
const exported = core.map((module, number) => {
  const list = names[number].map(([name, own]) => `${name} as ${own}`).join(', ');
  return `export { ${list} } from ${JSON.stringify(module)};`;
});
await build({
  ...options,
  stdin: { contents: exported.join('\n'), resolveDir: dist },
  outfile: join(outdir, 'core.js'),
  plugins: [leaveForLater],
});

const entries = {
  cli: join(dist, 'cli/bin.js'),
  ...Object.fromEntries(Object.entries(BUNDLES).map(([file, module]) => [file, entry(module)])),
};
const takeFromCore = {
  name: 'take from core',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\./ }, ({ path, resolveDir, kind }) => {
      const module = join(resolveDir, path);
      const isCore = core.includes(module) && kind !== 'entry-point';
      return isCore ? { path: module, namespace: 'core' } : undefined;
    });
    onResolve({ filter: /^core$/, namespace: 'core' }, () => ({ path: './core.js', external: true }));
    onLoad({ filter: /./, namespace: 'core' }, ({ path }) => {
      const list = names[core.indexOf(path)].map(([name, own]) => `${own} as ${name}`).join(', ');
      return { contents: `export { ${list} } from 'core';` };
    });
  },
};
await build({ ...split, entryPoints: { ...entries, ...later }, plugins: [takeFromCore, pngjsInside] });

// A thread of its own, which shares core.js and nothing else: parts for two would make many small files.
await build({ ...split, entryPoints: [join(dist, 'cli/picture-worker.js')], plugins: [takeFromCore, pngjsInside] });

// esbuild's limit breaks no line between imports.
for (const file of readdirSync(outdir).filter((name) => name.endsWith('.js'))) {
  const text = readFileSync(join(outdir, file), 'utf8');
  writeFileSync(join(outdir, file), text.replaceAll('";import{', '";\nimport{'));
}

/** Not in the one file: 23 KB of 173 that hardly any page without a bundler needs. */
const TRAINING = '../models/mobilenet-v2/gradients.js';
const NO_TRAINING =
  "Promise.reject(new Error('the single file does not train; bundle mobilenet-v2, or take it from a CDN of modules such as esm.sh'))";

/**
 * What modules import later, imported at once: in one file nothing comes later, and the wrappers that esbuild would put around
 * such modules, and all that they share with others, are 5 KB of 147.
 */
const atOnce = {
  name: 'at once',
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (!path.startsWith(dist)) return undefined;
      const imports = [];
      const contents = readFileSync(path, 'utf8').replace(/\bimport\(('[^']+')\)/g, (_, from) => {
        if (from === `'${TRAINING}'`) return NO_TRAINING;
        imports.push(`import * as later${imports.length} from ${from};`);
        return `Promise.resolve(later${imports.length - 1})`;
      });
      return { contents: imports.join('') + contents };
    });
  },
};

// All of it for a page that has no bundler, from a CDN. Not split: one request, and nothing to be found later.
await build({
  entryPoints: [entry(CDN.name)],
  outfile: join(dist, basename(CDN.file)),
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
  plugins: [atOnce],
});
