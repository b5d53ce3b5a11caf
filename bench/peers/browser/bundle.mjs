/** One script for a frame with one engine. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const PEERS = fileURLToPath(new URL('..', import.meta.url));

/** @param file of engines/; @param ours a folder with a build of ours */
export async function bundle(file, ours) {
  const contents = `
    import * as engine from './engines/${file}.mjs';
    import { expose } from './browser/frame.mjs';
    ${file === 'ours' ? `import * as library from '${ours}/index.js';` : 'const library = undefined;'}
    expose(engine, library);`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: PEERS },
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
