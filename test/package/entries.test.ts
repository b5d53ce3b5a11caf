/** One list of what can be imported, scripts/entries.mjs: package.json, the tools and src/entries say the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { CDN, CONDITIONS, ENTRIES, MODULES, moduleOf, typesOf } from '../../scripts/entries.mjs';
import { ROOT } from '../helpers/cli.js';

type Entry = (typeof ENTRIES)[number];
type Exports = string | { [condition: string]: Exports };

const read = (file: string) => ts.parseConfigFileTextToJson(file, readFileSync(join(ROOT, file), 'utf8')).config;
const fields = read('package.json');

/** Globs without anything but `*`. */
const matches = (file: string, glob: string) =>
  new RegExp(`^${glob.replace(/^\.\//, '').replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`).test(
    file.replace(/^\.\//, ''),
  );

const built = (name: string) => `./dist/entries/${name}.js`;
const declared = (name: string) => `./dist/entries/${name}.d.ts`;
const bundled = ({ bundle }: Entry) => `./dist/bundle/${bundle}.js`;

/** What `exports` should have for an entry; conditions count in their order. */
function exportsOf(entry: Entry): Exports {
  const { platforms, shared } = entry;
  if (platforms.length === 1) return { types: declared(typesOf(entry, 'node')), default: bundled(entry) };
  if (!shared) {
    const node = { types: declared(typesOf(entry, 'node')), default: bundled(entry) };
    return { node, types: declared(typesOf(entry, 'web')), default: built(moduleOf(entry, 'web')) };
  }
  const conditions = Object.entries(CONDITIONS).flatMap(([platform, names]) => {
    if (platform === 'edge' && !platforms.includes(platform)) return [];
    return names.map((name) => [name, platform === 'node' ? bundled(entry) : built(moduleOf(entry, platform))]);
  });
  return { types: declared(entry.name), ...Object.fromEntries(conditions) };
}

describe('entries', () => {
  it('src/entries has the modules of the list, and no others', () => {
    const files = readdirSync(join(ROOT, 'src/entries'));
    expect(files.sort()).toEqual(MODULES.map((name) => `${name}.ts`).sort());
  });

  it.each(MODULES)('%s: exports, and one statement if it puts a platform in place, more where it computes', (name) => {
    const text = readFileSync(join(ROOT, `src/entries/${name}.ts`), 'utf8');
    const { statements } = ts.createSourceFile(name, text, ts.ScriptTarget.Latest);
    const others = statements.filter(
      (statement) =>
        !ts.isImportDeclaration(statement) && !(ts.isExportDeclaration(statement) && statement.moduleSpecifier),
    );
    const [platform, ...provided] = others.map(({ pos, end }) => text.slice(pos, end).trim());
    if (name.includes('-'))
      expect(platform).toMatch(/^(env\.platform\b[.\w]* (\?\?)?=|Object\.assign\(env\.platform,)/);
    else expect(platform).toBeUndefined();
    // What is loaded later on a page, and training, which no edge runtime has.
    const wanted = { edge: ['WholeNumbers'], node: ['WholeNumbers', 'Gradients'], web: ['WholeNumbers', 'Gradients'] };
    const own = /^main-(edge|node|web)$/.exec(name)?.[1] as keyof typeof wanted | undefined;
    expect(provided.map((text) => /^provide(\w+)\(/.exec(text)?.[1])).toEqual(own === undefined ? [] : wanted[own]);
  });

  it('exports', () => {
    const own = Object.entries(fields.exports).filter(([subpath]) => !/\.(wasm|json)$/.test(subpath));
    const expected = ENTRIES.map((entry) => [entry.subpath, exportsOf(entry)]);
    expect(JSON.stringify(own, null, 1)).toBe(JSON.stringify(expected, null, 1));
  });

  it('the fields that came before exports', () => {
    const main = ENTRIES.find(({ subpath }) => subpath === '.')!;
    expect(`./${fields.main}`).toBe(bundled(main));
    expect(`./${fields.browser}`).toBe(built(moduleOf(main, 'web')));
    expect(`./${fields.types}`).toBe(declared(main.name));
    expect([fields.unpkg, fields.jsdelivr]).toEqual([CDN.file, CDN.file]);
  });

  it('sideEffects: what puts a platform in place, and no other module', () => {
    const hasEffects = (file: string) => fields.sideEffects.some((glob: string) => matches(file, glob));
    for (const name of MODULES) {
      for (const file of [`src/entries/${name}.ts`, `dist/entries/${name}.js`]) {
        expect(hasEffects(file), file).toBe(name.includes('-'));
      }
    }
    for (const entry of ENTRIES) expect(hasEffects(bundled(entry)), entry.subpath).toBe(true);
    expect(hasEffects('dist/pipeline.js')).toBe(false);
  });

  it('size-limit weighs what pages and edge runtimes load', () => {
    const limits = JSON.parse(readFileSync(join(ROOT, '.size-limit.json'), 'utf8'));
    const paths: string[] = limits.map(({ path }: { path: string }) => path);
    const pages = MODULES.filter((name) => /-(web|edge)$/.test(name)).map((name) => `dist/entries/${name}.js`);
    expect(paths.filter((path) => path !== CDN.file && !pages.includes(path))).toEqual([]);
    for (const path of [CDN.file, ...['main-web', 'main-edge', 'hub-web', 'image-web'].map((n) => built(n).slice(2))]) {
      expect(paths).toContain(path);
    }
  });

  it('knip begins at them, typedoc documents what each exports in Node', () => {
    const { entry } = read('knip.jsonc').workspaces['.'];
    for (const name of MODULES) {
      expect(entry.filter((glob: string) => matches(`src/entries/${name}.ts`, glob))).not.toEqual([]);
    }
    const documented = ENTRIES.map((each) => `src/entries/${typesOf(each, 'node')}.ts`);
    expect(read('typedoc.jsonc').entryPoints.sort()).toEqual(documented.sort());
  });
});
