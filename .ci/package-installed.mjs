/**
 * The package as a stranger gets it: packed, installed into an empty project, and used from the command line, from
 * JavaScript, from TypeScript that checks libraries too, and in a browser's bundle. Needs a build and the registry.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const PROGRAM = `
import { pipeline } from 'mobilenet-v2';
import { type CachedModel, hubFolder, scan_cache } from 'mobilenet-v2/hub';
import { toNdarray } from 'mobilenet-v2/ndarray';
const kept: CachedModel[] = await scan_cache({ cache_dir: 'none' });
const { name } = await hubFolder('org/name', { local_files_only: true });
console.log(name, kept.length);
const features = await pipeline('image-feature-extraction');
const tensor = await features('picture.png');
console.log(tensor.dims.join('×'), toNdarray(tensor).shape.join('×'));
`;

const project = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
const run = (command, ...words) => {
  const began = performance.now();
  const output = execFileSync(command, words, { cwd: project, encoding: 'utf8' });
  console.log(`$ ${command} ${words.join(' ')}   ${((performance.now() - began) / 1000).toFixed(1)} s\n${output}`);
  return output;
};
const expect = (text, expected) => {
  if (!text.includes(expected)) throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(text)}`);
};

try {
  const pack = ['pack', ROOT, '--ignore-scripts', '--json'];
  const [{ filename }] = JSON.parse(execFileSync('npm', pack, { cwd: project, encoding: 'utf8' }));
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  copyFileSync(join(ROOT, 'examples/husky.png'), join(project, 'picture.png'));
  run('npm', 'install', filename);

  expect(run('npx', 'mobilenet-v2', 'classify', 'picture.png'), 'Siberian husky');

  writeFileSync(join(project, 'program.ts'), PROGRAM);
  const checks = ['--strict', '--skipLibCheck', 'false', '--target', 'es2022', '--module', 'nodenext'];
  run(process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), ...checks, 'program.ts');
  expect(run(process.execPath, 'program.js'), 'org/name 0\n1×1280 1×1280');

  const stdin = { contents: "export * from 'mobilenet-v2'; export * from 'mobilenet-v2/hub';", resolveDir: project };
  await build({ stdin, bundle: true, platform: 'browser', format: 'esm', outfile: join(project, 'bundle.js') });
  console.log('bundled for browsers with nothing left outside');
} finally {
  rmSync(project, { recursive: true, force: true });
}
