/**
 * What users would get: the files of `npm pack`, no more and no less. Any line that begins with FAULT fails. Needs a build.
 * (What a browser's bundle weighs is held by size-limit, what is in it by test/architecture.test.ts.)
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BUNDLES, CDN } from '../scripts/entries.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const list = (folder) =>
  readdirSync(`${ROOT}${folder}`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(ROOT.length).replaceAll('\\', '/'));
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

function compare(packed, expected) {
  return [
    ...packed.filter((file) => !expected.delete(file)).map((file) => `${file} is packed and has no business there`),
    ...[...expected].map((file) => `${file} is not packed`),
  ];
}

function faultsOfFiles(packed) {
  const sources = list('src');
  // The command line runs from dist/bundle; its modules would be there twice.
  const built = sources
    .filter((file) => !file.startsWith('src/cli/'))
    .map((file) => file.replace(/^src/, 'dist').replace(/\.ts$/, ''))
    .flatMap((file) => [`${file}.js`, `${file}.d.ts`]);
  const kernels = ['', '-relaxed', '-shared', '-shared-relaxed', '-i16', '-i16-shared'].map(
    (form) => `dist/kernels${form}.wasm`,
  );
  kernels.push('dist/jpeg.wasm', 'dist/kernels.wasm.d.ts');
  const texts = ['package.json', 'README.md', 'README.ar.md', 'CHANGELOG.md', 'LICENSE', 'NOTICE', 'SECURITY.md'];
  const entries = ['cli', 'picture-worker', ...Object.keys(BUNDLES)];
  const loadedLater = [
    ...['jpeg-decode', 'jpeg-jpeg-js', 'png-decode'].map((name) => `codecs-${name}`),
    ...['folder-store', 'hub-folder', 'inflate', 'png', 'proxy', 'walk', 'workers'].map(
      (name) => `platforms-node-${name}`,
    ),
    'convert-model-file',
    'models-mobilenet-v2-gradients',
  ];
  const bundle = ['core', ...entries, ...loadedLater].map((name) => `dist/bundle/${name}`);
  const bundled = bundle.map((file) => `${file}.js`);
  const expected = new Set([
    ...texts,
    ...sources,
    ...built,
    ...kernels,
    ...bundled,
    CDN.file,
    ...list('weights'),
    ...list('docs').filter((file) => !file.startsWith('docs/reference/')),
  ]);
  return compare(
    packed.filter((file) => !/^dist\/bundle\/chunk-\w+\.js$/.test(file)),
    expected,
  );
}

/** The server's: its programs, what tsc makes of its sources, and nothing of its tests, benches and deployment. */
function faultsOfServer(packed) {
  const built = list('packages/server/src')
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.replace('packages/server/src', 'dist').replace(/\.ts$/, '.js'));
  const texts = ['package.json', 'README.md', 'LICENSE'];
  const asTheyAre = ['bin', 'proto'].flatMap((folder) => list(`packages/server/${folder}`));
  return compare(
    packed,
    new Set([...texts, ...built, ...asTheyAre.map((file) => file.replace('packages/server/', ''))]),
  );
}

function pack(name, faultsOf, ...which) {
  const command = ['pack', '--dry-run', '--json', '--ignore-scripts', ...which];
  const [packed] = JSON.parse(execFileSync('npm', command, { cwd: ROOT, encoding: 'utf8' }));
  const { entryCount, size, unpackedSize, files } = packed;
  console.log(`${name}: ${entryCount} files, ${kilobytes(size)} packed, ${kilobytes(unpackedSize)} unpacked`);
  return faultsOf(files.map(({ path }) => path)).map((fault) => `${name}: ${fault}`);
}

const faults = [
  ...pack('mobilenet-v2', faultsOfFiles),
  ...pack('mobilenet-v2-server', faultsOfServer, '--workspace', 'mobilenet-v2-server'),
];

for (const fault of faults) console.log(`FAULT: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;
