/** Classes and errors print under the names that they are exported by, also after a bundler has been over them. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { MobileNetError } from '../../src/base/errors.js';
import { ROOT, temporaryFolder } from '../helpers/cli.js';

const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const SUBPATHS = Object.keys(exports).filter((subpath) => !/\.wasm$|json$/.test(subpath));

/**
 * Imports each module in a Node process.
 * @returns [module, name of the class, names it is exported by] of every class that has another name than its exports
 */
function misnamed(modules: readonly string[]): unknown {
  const script = `
    const found = [];
    for (const module of ${JSON.stringify(modules)}) {
      const names = new Map();
      for (const [name, value] of Object.entries(await import(module))) {
        const isClass = typeof value === 'function' && /^class/.test(Function.prototype.toString.call(value));
        if (isClass) names.set(value, [...(names.get(value) ?? []), name]);
      }
      for (const [value, own] of names) if (!own.includes(value.name)) found.push([module, value.name, own]);
      if (!names.size && module === 'mobilenet-v2') found.push('no classes at all');
    }
    console.log(JSON.stringify(found));`;
  const words = ['--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(process.execPath, words, { cwd: ROOT, encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

// esbuild makes `class A` that names itself in its own body a `class _A`: say `this` there, or a constant beside it.
describe('every exported class has the name of its export', () => {
  test.each(SUBPATHS)('%s, in Node', (subpath) => {
    expect(misnamed([join('mobilenet-v2', subpath)])).toEqual([]);
  });

  test('in a page, bundled by esbuild', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    const pages: string[] = SUBPATHS.map((subpath) => exports[subpath].default).filter((file) => !/bundle/.test(file));
    expect(pages).toContain('./dist/entries/main-web.js');
    const outfiles = pages.map((_, i) => join(folder, `${i}.js`));
    for (const [i, file] of pages.entries()) {
      const options = { bundle: true, format: 'esm', logLevel: 'error' } as const;
      await build({ ...options, entryPoints: [join(ROOT, file)], outfile: outfiles[i]! });
    }
    expect(misnamed(outfiles.map((file) => pathToFileURL(file).href))).toEqual([]);
  }, 60_000);
});

test('an error has the fields that were given, and no others', () => {
  const bare = new MobileNetError('ARG', 'bare', { file: undefined, cause: undefined });
  expect(Reflect.ownKeys(bare).sort()).toEqual(['code', 'message', 'name', 'stack']);
  expect(inspect(bare)).not.toContain('undefined');

  const cause = new Error('why');
  const names = Array.from({ length: 300 }, (_, i) => `layer.${i}`);
  const full = new MobileNetError('WEIGHTS', 'full', { file: 'a', tensor: 'b', offset: 0, names, cause });
  expect(full).toMatchObject({ code: 'WEIGHTS', file: 'a', tensor: 'b', offset: 0, names, cause });
  expect(inspect(full)).toContain('offset: 0');
  expect(inspect(full)).not.toContain('layer.0');
});
