/**
 * The last step of a build: takes comments out of the modules in dist/, which bundlers of pages read. Who wants to read them has
 * src/ beside them. There are no source maps either: names and line breaks are kept, so that a stack trace says where it was.
 *
 *     node scripts/slim.mjs [dist]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { transformSync } from 'esbuild';

const dist = resolve(process.argv[2] ?? 'dist');
const files = readdirSync(dist, { recursive: true }).map((file) => file.replaceAll('\\', '/'));
const modules = files.filter((file) => !file.startsWith('bundle/') && !file.endsWith('.min.js'));
for (const file of modules.filter((name) => name.endsWith('.js'))) {
  const { code } = transformSync(readFileSync(join(dist, file), 'utf8'), {
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
  });
  writeFileSync(join(dist, file), code);
}
