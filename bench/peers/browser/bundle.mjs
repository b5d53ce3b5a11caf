/** One script for a frame with one engine. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const PEERS = fileURLToPath(new URL('..', import.meta.url));

/** onnxruntime-web without its parts for GPUs; transformers.js asks for them by a name of their own. */
const withoutGpus = {
  name: 'without GPUs',
  setup: (build) =>
    build.onResolve({ filter: /^onnxruntime-web$/ }, ({ kind, resolveDir }) =>
      build.resolve('onnxruntime-web/wasm', { kind, resolveDir }),
    ),
};

/**
 * @param file of engines/ in `source`, which has frame.mjs too
 * @param ours the folder of our package, which is found there by its name
 */
export async function bundle(file, ours, source = PEERS) {
  const path = (name) => JSON.stringify(join(source, name));
  const contents = `
    import * as engine from ${path(`engines/${file}.mjs`)};
    import { expose } from ${path('frame.mjs')};
    ${file.startsWith('ours') ? `import * as library from 'mobilenet-v2';` : 'const library = undefined;'}
    expose(engine, library);`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ours },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    plugins: [withoutGpus],
    logLevel: 'error',
  });
  return outputFiles[0].contents;
}
