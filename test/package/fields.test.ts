/** The fields of package.json that tools read which know no `exports`: old resolvers, CDNs. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../helpers/cli.js';

const fields = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** What esbuild takes of the package by its folder's path, for which `exports` do not count. */
async function entryOf(platform: 'node' | 'browser'): Promise<string[]> {
  const { metafile } = await build({
    stdin: { contents: `export { pipeline } from ${JSON.stringify(ROOT)};`, resolveDir: ROOT },
    absWorkingDir: ROOT,
    bundle: true,
    format: 'esm',
    platform,
    mainFields: platform === 'node' ? ['main'] : ['browser', 'main'],
    write: false,
    metafile: true,
  });
  return Object.keys(metafile.inputs);
}

describe('package.json', () => {
  it('main is what exports say for Node, types what they say for all', () => {
    expect(createRequire(import.meta.url).resolve(ROOT)).toBe(join(ROOT, fields.exports['.'].node));
    expect(join(fields.types)).toBe(join(fields.exports['.'].types));
  });

  it('old bundlers take the right one for each place', async () => {
    expect(await entryOf('node')).toContain('dist/bundle/core.js');
    const inBrowser = await entryOf('browser');
    expect(inBrowser).toContain('dist/entries/main-web.js');
    expect(inBrowser.filter((file) => /^dist\/(bundle|node)\b/.test(file))).toEqual([]);
  });

  it('CDNs get one file, which loads no other', async () => {
    expect(fields.unpkg).toBe(fields.jsdelivr);
    const file = join(ROOT, fields.unpkg);
    const { metafile } = await build({
      entryPoints: [file],
      bundle: true,
      format: 'esm',
      write: false,
      metafile: true,
    });
    expect(Object.values(metafile.inputs).map(({ imports }) => imports)).toEqual([[]]);
  });
});
