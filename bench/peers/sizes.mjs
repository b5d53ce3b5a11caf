/** Bytes that a user of a page downloads at once: bundled for browsers, minified, gzipped. Models are not counted. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const modules = join(here, 'node_modules');

const CLASSIFY = `export { MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation, Tensor }`;

/** Source of an entry that imports a package by its name, and files fetched at run time beside the bundle. */
const PACKAGES = [
  { title: 'mobilenet-v2, models alone', ours: true, source: () => `${CLASSIFY} from 'mobilenet-v2'`, files: [] },
  { title: 'mobilenet-v2, all of it', ours: true, source: () => `export * from 'mobilenet-v2'`, files: [] },
  {
    title: 'onnxruntime-web, wasm alone',
    source: () => `export * from 'onnxruntime-web/wasm'`,
    files: ['onnxruntime-web/dist/ort-wasm-simd-threaded.wasm'],
  },
  {
    title: 'tfjs-core and tfjs-backend-wasm, one thread',
    source: () => `export * from '@tensorflow/tfjs-core'; export * from '@tensorflow/tfjs-backend-wasm'`,
    files: ['@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm'],
  },
  {
    title: 'tfjs-core and tfjs-backend-cpu',
    source: () => `export * from '@tensorflow/tfjs-core'; export * from '@tensorflow/tfjs-backend-cpu'`,
    files: [],
  },
  {
    title: 'LiteRT.js, one thread',
    source: () => `export * from '@litertjs/core'`,
    files: ['@litertjs/core/wasm/litert_wasm_internal.js', '@litertjs/core/wasm/litert_wasm_internal.wasm'],
  },
];

const gzipped = (bytes) => gzipSync(bytes, { level: 9 }).length;

const OUT = join(here, 'out');

/** The entry and what it imports, which the browser loads before anything runs. */
function atOnce(files, { outputs }) {
  const bytes = new Map(files.map(({ path, contents }) => [basename(path), contents]));
  const wanted = new Set([basename(files[0].path)]);
  const imports = new Map(Object.entries(outputs).map(([path, { imports }]) => [basename(path), imports]));
  for (const name of wanted)
    for (const { path, kind } of imports.get(name)) if (kind === 'import-statement') wanted.add(basename(path));
  return [...wanted].reduce((sum, name) => sum + gzipped(bytes.get(name)), 0);
}

/** @returns `{ title, js, fetched }` of each package, bytes */
export async function measureSizes(ours) {
  const rows = [];
  for (const { title, ours: own, source, files } of PACKAGES) {
    const { outputFiles, metafile } = await build({
      stdin: { contents: source(), resolveDir: own ? ours : here },
      bundle: true,
      minify: true,
      write: false,
      splitting: true, // what is imported later is a file of its own
      outdir: OUT,
      metafile: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      logLevel: 'error',
    });
    let fetched = 0;
    for (const file of files) fetched += gzipped(await readFile(join(modules, file)));
    rows.push({ title, js: atOnce(outputFiles, metafile), fetched });
  }
  return rows;
}
