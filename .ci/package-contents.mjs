/**
 * What users would get: the files of `npm pack`, and what a browser's bundle holds. Prints sizes; any line that begins
 * with FAULT fails. Needs a build.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Bytes of a browser's bundle, minified and gzipped. */
const BUNDLE_LIMIT = 60 * 1024;
/** What the hub may add for those who want it. */
const HUB_LIMIT = 5 * 1024;

const list = (folder) =>
  readdirSync(`${ROOT}${folder}`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(ROOT.length).replaceAll('\\', '/'));
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

function faultsOfFiles(packed) {
  const sources = list('src');
  const built = sources
    .map((file) => file.replace(/^src/, 'dist').replace(/\.ts$/, ''))
    .flatMap((file) => [`${file}.js`, `${file}.js.map`, `${file}.d.ts`]);
  const kernels = ['', '-relaxed', '-shared', '-shared-relaxed'].map((form) => `dist/kernels${form}.wasm`);
  const texts = ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'NOTICE'];
  const bundle = ['node', 'cli', 'convert', 'hub', 'ndarray', 'picture-worker'].map((name) => `dist/bundle/${name}`);
  const bundled = bundle.flatMap((file) => [`${file}.js`, `${file}.js.map`]);
  const expected = new Set([...texts, ...sources, ...built, ...kernels, ...bundled, ...list('weights')]);
  return [
    ...packed
      .filter((file) => !/^dist\/bundle\/chunk-\w+\.js(\.map)?$/.test(file))
      .filter((file) => !expected.delete(file))
      .map((file) => `${file} is packed and has no business there`),
    ...[...expected].map((file) => `${file} is not packed`),
  ];
}

/** Bundles with nothing left outside: whatever a browser cannot have (`node:*`) fails to resolve. */
async function bundle(contents) {
  const { metafile, outputFiles } = await build({
    stdin: { contents, resolveDir: ROOT },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    platform: 'browser',
    format: 'esm',
    logLevel: 'error',
    tsconfigRaw: {}, // the one of this folder sends `mobilenet-v2` to the sources
  });
  const { contents: code } = outputFiles[0];
  return { inputs: Object.keys(metafile.inputs), bytes: code.length, gzipped: gzipSync(code, { level: 9 }).length };
}

const [pack] = JSON.parse(
  execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT, encoding: 'utf8' }),
);
console.log(
  `package: ${pack.entryCount} files, ${kilobytes(pack.size)} packed, ${kilobytes(pack.unpackedSize)} unpacked`,
);
const faults = faultsOfFiles(pack.files.map(({ path }) => path));

const BUNDLES = {
  'a classifier without codecs': "export { MobileNetV2ForImageClassification, Tensor } from './dist/index.js';",
  everything: "export * from 'mobilenet-v2';",
  'everything, and the hub': "export * from 'mobilenet-v2'; export * from 'mobilenet-v2/hub';",
};
for (const [title, contents] of Object.entries(BUNDLES)) {
  const { inputs, bytes, gzipped } = await bundle(contents);
  console.log(
    `bundle, ${title}: ${inputs.length - 1} modules, ${kilobytes(bytes)} minified, ${kilobytes(gzipped)} gzipped`,
  );
  for (const file of inputs.filter((name) => !/^(dist\/|<stdin>$)/.test(name))) {
    faults.push(`${file} is in a browser's bundle`);
  }
  const limit = title.includes('hub') ? BUNDLE_LIMIT + HUB_LIMIT : BUNDLE_LIMIT;
  if (gzipped > limit) faults.push(`bundle, ${title}: more than ${kilobytes(limit)}`);
}

for (const fault of faults) console.log(`FAULT: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;
