/** The package within a bundle, far from its files: where the checkpoint that ships is found, and what is said when it is not. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { SHIPPED } from '../../src/base/folder.js';
import { KERNEL_FORMS, kernelsFile } from '../../src/layers/wasm-module.js';
import { openShippedFolder } from '../../src/platforms/shipped.js';
import { ROOT, temporaryFolder } from '../helpers/cli.js';

const PROGRAM = `
  import { env, pipeline } from 'mobilenet-v2';
  async function main() {
    const classify = await pipeline('image-classification');
    const labels = [];
    for (const file of ['husky.png', 'dog.jpg']) {
      const [best] = await classify(${JSON.stringify(join(ROOT, 'examples/'))} + file, { top_k: 1 });
      labels.push(best.label);
    }
    return { labels, engine: classify.model.plan([1, 3, 224, 224]).engine };
  }
  main().then(
    (result) => console.log(JSON.stringify(result)),
    ({ code, message }) => console.log(JSON.stringify({ code, message })),
  );`;

/** What the program prints from `folder/app/bundle.<ext>`, run from another folder. */
async function run(format: 'cjs' | 'esm', prepare: (folder: string) => void = () => {}) {
  const folder = temporaryFolder();
  const outfile = join(folder, 'app', `bundle.${format === 'cjs' ? 'cjs' : 'mjs'}`);
  const stdin = { contents: PROGRAM, resolveDir: ROOT };
  const { warnings } = await build({ stdin, outfile, format, bundle: true, platform: 'node', logLevel: 'silent' });
  // Of our import.meta.url, which a bundle of somebody else is not warned of, for there it lies in node_modules.
  expect(warnings.filter(({ id }) => id !== 'empty-import-meta')).toEqual([]);
  prepare(folder);
  const cwd = join(folder, 'elsewhere');
  mkdirSync(cwd, { recursive: true });
  return JSON.parse(execFileSync(process.execPath, [outfile], { cwd, encoding: 'utf8' }));
}

const MALAMUTE = 'malamute, malemute, Alaskan malamute';
const EXPECTED = { labels: [MALAMUTE, MALAMUTE], engine: 'wasm' };

describe.each(['cjs', 'esm'] as const)('a bundle of esbuild, %s', (format) => {
  it('takes the weights beside it', async () => {
    const copy = (folder: string) => cpSync(join(ROOT, 'weights'), join(folder, 'app/weights'), { recursive: true });
    expect(await run(format, copy)).toEqual(EXPECTED);
  });

  it.each(['node_modules', 'elsewhere/node_modules'])('takes those of the package in %s', async (modules) => {
    const install = (folder: string) => {
      mkdirSync(join(folder, modules), { recursive: true });
      symlinkSync(ROOT, join(folder, modules, 'mobilenet-v2'));
    };
    expect(await run(format, install)).toEqual(EXPECTED);
  });

  it('says what to do when there are none', async () => {
    const { code, message } = await run(format);
    expect(code).toBe('NOT_FOUND');
    expect(message).toMatch(
      /bundle\.[cm]js.*copy the folder node_modules\/mobilenet-v2\/weights beside the bundle, or give/,
    );
    expect(message.length).toBeLessThan(500);
  });

  it('leaves alone what only has the names of our files', async () => {
    const mislead = (folder: string) => {
      const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0); // valid, and without any kernel
      for (const form of KERNEL_FORMS) writeFileSync(join(folder, kernelsFile(form)), module);
      cpSync(join(ROOT, 'weights'), join(folder, 'app/weights'), { recursive: true });
    };
    expect(await run(format, mislead)).toEqual(EXPECTED);
  });
});

describe('outside of a bundle', () => {
  it.each(Object.values(SHIPPED))('is the folder of the package: %s', async (name) => {
    const folder = await openShippedFolder(name);
    expect(folder.name.startsWith(join(ROOT, 'weights'))).toBe(true);
    expect(await folder.read('no-such-file.json')).toBeUndefined();
  });
});
