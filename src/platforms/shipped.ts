/**
 * Where the files that ship with the package lie: beside this module in node_modules, and somewhere else when a bundler has
 * moved the code. All places that may hold them are tried, so that no bundler has to be configured.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import nodeModule from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MobileNetError } from '../base/errors.js';
import { type Folder, SHIPPED } from '../base/folder.js';
import { openLocalFolder, systemError } from './node/files.js';
import { readWhole } from './node/reading.js';

/**
 * The checkpoints that ship, file by file. webpack, Turbopack and other bundlers copy a file whose place is written as
 * `new URL('…', import.meta.url)`, in exactly these words, and put its new place there. The way is the same from src/platforms,
 * dist/platforms and dist/bundle, so this file lies here and not one folder deeper.
 */
const WEIGHTS: Record<string, Record<string, () => URL>> = {
  [SHIPPED.classification]: {
    'config.json': () => new URL('../../weights/mobilenet_v2_1.0_224/config.json', import.meta.url),
    'preprocessor_config.json': () =>
      new URL('../../weights/mobilenet_v2_1.0_224/preprocessor_config.json', import.meta.url),
    'model.safetensors': () => new URL('../../weights/mobilenet_v2_1.0_224/model.safetensors', import.meta.url),
  },
  [SHIPPED.segmentation]: {
    'config.json': () => new URL('../../weights/deeplabv3_mobilenet_v2_0.5_513/config.json', import.meta.url),
    'preprocessor_config.json': () =>
      new URL('../../weights/deeplabv3_mobilenet_v2_0.5_513/preprocessor_config.json', import.meta.url),
    'model.safetensors': () =>
      new URL('../../weights/deeplabv3_mobilenet_v2_0.5_513/model.safetensors', import.meta.url),
  },
};

/** The emitted kernels, which only a build has: they lie beside the JavaScript that they were emitted by. */
const KERNELS: Record<string, () => URL> = {
  'kernels.wasm': () => new URL('../kernels.wasm', import.meta.url),
  'kernels-relaxed.wasm': () => new URL('../kernels-relaxed.wasm', import.meta.url),
  'kernels-shared.wasm': () => new URL('../kernels-shared.wasm', import.meta.url),
  'kernels-i16.wasm': () => new URL('../kernels-i16.wasm', import.meta.url),
  'kernels-i16-shared.wasm': () => new URL('../kernels-i16-shared.wasm', import.meta.url),
  'kernels-shared-relaxed.wasm': () => new URL('../kernels-shared-relaxed.wasm', import.meta.url),
  'jpeg.wasm': () => new URL('../jpeg.wasm', import.meta.url),
};

/**
 * The folder of a checkpoint that ships with the package.
 * @throws MobileNetError NOT_FOUND, with what to copy, in a bundle that does not include it
 */
export async function openShippedFolder(name: string): Promise<Folder> {
  const files = WEIGHTS[name];
  const config = placeOf(files['config.json']);
  if (config !== undefined) {
    return basename(config) === 'config.json' ? openLocalFolder(dirname(config)) : openCopies(name, files);
  }
  const running = runningFile();
  const beside = running && join(dirname(running), 'weights', name);
  const folder = beside && existsSync(beside) ? beside : installed(`weights/${name}`, running);
  if (folder !== undefined) return openLocalFolder(folder);
  throw new MobileNetError(
    'NOT_FOUND',
    `${name}, a checkpoint that ships with mobilenet-v2, is not beside this bundle${running ? ` (${running})` : ''}, ` +
      'and the package is not installed here; copy the folder node_modules/mobilenet-v2/weights beside the bundle, or give ' +
      'the path of a checkpoint as the model',
    { file: name },
  );
}

/** The files of a checkpoint where a bundler has put them, under names that it has made. */
function openCopies(name: string, files: Record<string, () => URL>): Folder {
  return {
    name,
    async read(file, signal, most) {
      const path = Object.hasOwn(files, file) ? placeOf(files[file]) : undefined;
      if (path === undefined) return undefined;
      try {
        return await readWhole(path, signal, most);
      } catch (cause) {
        throw signal?.aborted ? cause : systemError(cause, path);
      }
    },
  };
}

/** A file of emitted kernels; undefined where they have to be emitted anew. */
export async function readKernels(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  // In a bundle of esbuild or Rollup this names a file of somebody else, beside somebody else's folder.
  if (!/\/dist\/(bundle\/core|platforms\/shipped)\.js$/.test(import.meta.url ?? '')) return undefined;
  const path = placeOf(KERNELS[file]);
  return path === undefined ? undefined : readFile(path).catch(() => undefined);
}

/** The path of a file that may have been moved; undefined where there is none. */
function placeOf(url: () => URL): string | undefined {
  try {
    const { href } = url();
    return [href.startsWith('file:') ? fileURLToPath(href) : '', ...chunksOfNext(href)].find(existsSync);
  } catch {
    return undefined; // esbuild leaves nothing of import.meta.url in a CommonJS bundle
  }
}

/** With webpack, Next.js says where a browser would find a file; it is in the folder `chunks` above the code of a route. */
function chunksOfNext(href: string): string[] {
  const tail = /\/_next\/(static\/media\/[^/?]+)/.exec(href)?.[1];
  if (tail === undefined) return [];
  const paths: string[] = [];
  for (let folder = runningFile() ?? ''; folder !== dirname(folder); ) {
    folder = dirname(folder);
    paths.push(join(folder, tail), join(folder, 'chunks', tail));
  }
  return paths;
}

/** The file that this code runs from, which is the bundle where there is one; undefined where that cannot be told. */
function runningFile(): string | undefined {
  try {
    return __filename; // CommonJS. webpack sometimes replaces it by code that throws in a bundle of ES modules
  } catch {
    const { url } = import.meta;
    return url?.startsWith('file:') ? fileURLToPath(url) : undefined;
  }
}

/** A file or folder of the package as it is installed for the running file, or for the folder that the program runs in. */
function installed(path: string, running: string | undefined): string | undefined {
  for (const from of [running, join(process.cwd(), 'index.js')]) {
    try {
      // By way of the whole module: webpack replaces a plain createRequire(…).resolve(…) by a number.
      const root = dirname(nodeModule.createRequire(from!).resolve('mobilenet-v2/package.json'));
      if (existsSync(join(root, path))) return join(root, path);
    } catch {
      // not from there
    }
  }
  return undefined;
}
