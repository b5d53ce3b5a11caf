/** One script for a frame with one engine. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const PEERS = fileURLToPath(new URL('..', import.meta.url));
const path = (file) => JSON.stringify(join(PEERS, file));

/** @param file of engines/; @param ours the folder of our package, which is found there by its name */
export async function bundle(file, ours) {
  const contents = `
    import * as engine from ${path(`engines/${file}.mjs`)};
    import { expose } from ${path('browser/frame.mjs')};
    ${file === 'ours' ? `import * as library from 'mobilenet-v2';` : 'const library = undefined;'}
    expose(engine, library);`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ours },
    absWorkingDir: PEERS, // where aliases are looked for
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    alias: { 'onnxruntime-web': 'onnxruntime-web/wasm' }, // without the parts for GPUs
    logLevel: 'error',
  });
  return outputFiles[0].contents;
}
