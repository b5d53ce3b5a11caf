/** What is timed is what users import: whole networks, sizes and cold starts have the package by its name. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bundle } from '../../bench/peers/browser/bundle.mjs';
import { shippedIn } from '../../bench/shipped.mjs';
import { ROOT } from '../helpers/cli.js';

const read = (...path: string[]) => readFileSync(join(ROOT, ...path), 'utf8');
const { exports, unpkg, jsdelivr } = JSON.parse(read('package.json'));

/**
 * Kernels alone, halves of a decoder, what plans are made of, the names of a quantized network's tensors, and how figures are
 * shown. Nothing that makes or loads a network.
 */
const INTERNAL =
  /^(?:(?:layers|tensor|cli|graph|runtime|codecs\/jpeg)\/|base\/html\.js$|models\/mobilenet-v2\/quantized\.js$)/;

/** [file, module of dist/] of every import of a bench that goes past the package's name. */
function deepImports(): [string, string][] {
  const files = (readdirSync(join(ROOT, 'bench'), { recursive: true }) as string[]).filter(
    (file) => file.endsWith('.mjs') && !/(^|\/)(node_modules|dist)\//.test(file),
  );
  expect(files).toContain('models.mjs');
  return files.flatMap((file) => {
    const imports = read('bench', file).matchAll(/(?:\bfrom|\bimport|\bimport\(|\bmodule\()\s*['"`]([^'"`]+)['"`]/g);
    return [...imports]
      .map(([, specifier]) => specifier!)
      .filter(
        (specifier) =>
          /(^|\/)(dist|src)\//.test(specifier) ||
          /^(models|processors|formats|images|codecs|platforms|convert|entries)\//.test(specifier) ||
          INTERNAL.test(specifier),
      )
      .map((specifier): [string, string] => [file, specifier.replace(/^.*\b(dist|src)\//, '')]);
  });
}

describe('benches', () => {
  it('import the internals of single kernels at most', () => {
    const deep = deepImports();
    expect(deep).toContainEqual(['layers.mjs', 'layers/kernels.js']); // so they are found
    expect(deep.filter(([, module]) => !INTERNAL.test(module))).toEqual([]);
  });

  it.each(['models.mjs', 'layers.mjs', 'ablation.mjs'])(
    '%s makes its networks with the package by its name',
    (file) => {
      expect(read('bench', file)).toContain(`import * as library from 'mobilenet-v2';`);
    },
  );

  it('against peers, in Node: what `exports` gives to Node', () => {
    expect(shippedIn(ROOT)).toBe(pathToFileURL(join(ROOT, exports['.'].node)).href);
    for (const file of ['node.mjs', 'cold.mjs', 'files.mjs']) expect(read('bench/peers', file)).toMatch(/shippedIn\(/);
  });

  it('against peers, in pages: what `exports` gives to browsers', async () => {
    const script = new TextDecoder().decode(await bundle('ours', ROOT));
    // esbuild names the file of every module in a comment.
    expect(script).toMatch(/^\/\/ .*dist\/entries\/main-web\.js$/m);
    expect(script).not.toMatch(/^\/\/ .*dist\/(bundle|platforms\/node)\b/m);
  });

  it('sizes: every file is one that `exports` or a CDN’s field names', () => {
    const named = JSON.stringify([exports, unpkg, jsdelivr]).replaceAll('"dist/', '"./dist/');
    const limits: { path: string }[] = JSON.parse(read('.size-limit.json'));
    for (const { path } of limits) expect(named).toContain(`"./${path}"`);
    const sources = read('bench/peers/sizes.mjs').match(/from '[^']+'/g)!;
    expect(sources.filter((source) => /dist|\.js'$/.test(source))).toEqual([]);
    expect(sources).toContain(`from 'mobilenet-v2'`);
  });
});
