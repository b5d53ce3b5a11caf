/** What a run may not do behind the user's back, and what comes along with the package. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, ROOT } from '../helpers/cli.js';
import { saveTinyClassifier, saveTinySegmenter, writeStripes } from '../helpers/tiny.js';
import { Ledger } from './ledger.js';

const ledger = new Ledger('supply-chain', 'npx vitest run test/reliability/supply-chain.test.ts');

let base: string;
beforeAll(async () => {
  base = mkdtempSync(`${tmpdir()}/mobilenet-v2-`);
  await saveTinyClassifier(`${base}/classifier`);
  await saveTinySegmenter(`${base}/segmenter`);
  for (let n = 0; n < 5; n++) writeStripes(base, `${n}.png`, n, 50, 40);
});
afterAll(() => rmSync(base, { recursive: true }));

const OFFLINE = ['--import', pathToFileURL(join(ROOT, 'test/reliability/no-network.mjs')).href];
const NO_EVAL = ['--disallow-code-generation-from-strings'];
const RUNS = [
  ['classify', join(ROOT, 'examples/husky.png')],
  ['classify', '.', '--threads', '2', '--json'],
  ['classify', '.', '--model', 'classifier', '--threads', '2', '--ndjson'],
  ['features', '.', '--model', 'classifier', '--out', 'f.npy'],
  ['segment', '.', '--model', 'segmenter', '--out', 'masks'],
  ['inspect'],
  ['plan'],
  ['--help'],
  ['--version'],
];

describe('no network and no other program', () => {
  it.each(RUNS)('%s %s', async (...args) => {
    const { code, stdout, stderr } = await cli(args, { cwd: base, node: OFFLINE });
    expect(stderr).not.toContain('FORBIDDEN');
    expect(code).toBe(0);
    expect(stdout).not.toBe('');
    ledger.add({ what: 'Runs with sockets and programs forbidden', tried: 1 });
  });

  it('unless the user names a URL, which shows that the guard stands', async () => {
    const { code, stderr } = await cli(['classify', 'http://127.0.0.1:1/x.png'], { node: OFFLINE });
    expect(stderr).toContain('FORBIDDEN: fetch');
    expect(code).toBe(99);
  });
});

describe('no text is compiled as code', () => {
  it.each(RUNS)('%s %s gives the same where it is forbidden', async (...args) => {
    const free = await cli(args, { cwd: base });
    expect(await cli(args, { cwd: base, node: NO_EVAL })).toEqual(free);
    expect(free.code).toBe(0);
    ledger.add({ what: 'Runs with eval and new Function forbidden', tried: 1 });
  });

  it('in what a browser loads there is no word of it', () => {
    const dist = join(ROOT, 'dist');
    // ndarray's own subpath.
    const may = ['tensor/ndarray.js'];
    const files = (readdirSync(dist, { recursive: true }) as string[])
      .map((file) => file.replaceAll('\\', '/'))
      .filter((file) => file.endsWith('.js') && !file.startsWith('bundle/') && !may.includes(file));
    expect(files.length).toBeGreaterThan(50);
    for (const file of files) {
      const code = readFileSync(join(dist, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      expect(code, file).not.toMatch(/\beval\s*\(|\bFunction\s*\(|new Function\b|set(?:Timeout|Interval)\(\s*['"`]/);
    }
  });
});

describe('dependencies', () => {
  interface Package {
    license?: string;
    hasInstallScript?: boolean;
    resolved?: string;
    link?: boolean;
    dependencies?: Record<string, string>;
    optionalDependencies?: Record<string, string>;
  }
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Package>;
  };

  /** Where npm finds a package that one at this place asks for: in its own folder, or in one above. */
  function found(name: string, from: string): string {
    const own = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
    if (packages[own] !== undefined) return own;
    return from === '' ? '' : found(name, from.slice(0, Math.max(0, from.lastIndexOf('/'))));
  }

  /** The places of all packages that come with the one in this folder. */
  function shippedWith(folder: string, kinds: readonly ('dependencies' | 'optionalDependencies')[]): string[] {
    const places = new Set<string>();
    const add = (place: string) => {
      for (const name of kinds.flatMap((kind) => Object.keys(packages[place][kind] ?? {}))) {
        const next = found(name, place);
        if (next === '' || packages[next].link || places.has(next)) continue;
        places.add(next);
        add(next);
      }
    };
    add(folder);
    return [...places];
  }

  const FREE = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD'];
  // Of the server's, piscina has a part for priorities of threads that is native, optional and not used.
  it.each([
    ['the library', '', ['dependencies', 'optionalDependencies'], 20],
    ['the server', 'packages/server', ['dependencies'], 60],
  ] as const)(
    'that users of %s install have free licences, no native part and nothing to run',
    (_, folder, kinds, least) => {
      const shipped = shippedWith(folder, kinds);
      expect(shipped.length).toBeGreaterThanOrEqual(least);
      for (const path of shipped) {
        const { license, hasInstallScript } = packages[path];
        expect(FREE, path).toContain(license);
        expect(hasInstallScript, path).toBeUndefined();
        const own = join(ROOT, path);
        expect(
          readdirSync(own).filter((file) => /\.(node|gyp)$/.test(file)),
          path,
        ).toEqual([]);
      }
      if (folder === '') ledger.add({ what: 'Installed packages looked through', tried: shipped.length });
    },
  );

  it('are locked, without the address of a registry', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const name of Object.keys(dependencies)) expect(packages).toHaveProperty([`node_modules/${name}`]);
    // The two packages of the checkout are links to their folders.
    const addresses = Object.values(packages).flatMap(({ resolved, link }) => (link ? [] : (resolved ?? [])));
    expect(addresses).toEqual([]);
  });

  it('nothing runs when the package is installed', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const hook of ['preinstall', 'install', 'postinstall']) expect(scripts).not.toHaveProperty(hook);
  });
});

it('SECURITY.md says what is promised and how to report', () => {
  const text = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8');
  for (const word of ['Report', 'private', 'network', 'env.limits', 'pickle', 'docs/reliability.md']) {
    expect(text).toContain(word);
  }
});
