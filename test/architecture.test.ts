/** Holds the import rules: one direction of data, nothing of Node's in what a browser or an edge runtime loads. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CDN, modulesFor } from '../scripts/entries.mjs';
import { draw, ROOMS, readHouse, roomOf } from '../scripts/rooms.mjs';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

const files = (readdirSync(SRC, { recursive: true }) as string[])
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts'));

/** What a file imports: files of ours relative to src (as .ts), everything else by its name. */
function importsOf(file: string, when: 'at once' | 'ever' = 'ever'): { ours: string[]; others: string[] } {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found = [...text.matchAll(/^(?:import|export)\s[^;]*?from\s+'([^']+)'|import\('([^']+)'\)/gms)].map(
    (match) => match[1] ?? (when === 'ever' ? match[2] : undefined),
  );
  const names = found.filter((name) => name !== undefined);
  return {
    ours: names
      .filter((name) => name.startsWith('.'))
      .map((name) =>
        relative(SRC, normalize(join(SRC, dirname(file), name)))
          .replaceAll('\\', '/')
          .replace(/\.js$/, '.ts'),
      ),
    others: names.filter((name) => !name.startsWith('.')),
  };
}

/** A file beside the rooms keeps its name. */
const room = (file: string): string => (file.includes('/') ? roomOf(file) : file);

/** Each room and the rooms it may import besides itself. pipeline.ts joins everything below the entries and is not listed. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  tensor: ['base'],
  hub: ['base'],
  formats: ['base', 'tensor'],
  codecs: ['base', 'tensor'],
  'codecs/jpeg': ['base', 'tensor', 'codecs'],
  images: ['base', 'tensor', 'codecs', 'codecs/jpeg'],
  graph: ['base', 'tensor'],
  layers: ['base', 'tensor'],
  'layers/backward': ['base', 'tensor', 'layers'],
  processors: ['base', 'tensor', 'images'],
  runtime: ['base', 'tensor', 'layers', 'layers/backward', 'graph'],
  platforms: ['base', 'tensor', 'codecs', 'codecs/jpeg', 'images', 'processors', 'hub'],
  models: ['base', 'tensor', 'formats', 'layers', 'layers/backward', 'graph', 'runtime'],
  quantize: ['base', 'tensor', 'formats', 'layers', 'graph', 'processors', 'models'],
  train: [
    ...['base', 'tensor', 'formats', 'graph', 'images', 'processors'],
    ...['layers', 'layers/backward', 'runtime', 'models'],
  ],
  convert: ['base', 'tensor', 'formats', 'graph', 'models'],
};

/** Packages, and the only places that import them. */
const PACKAGES: Record<string, RegExp> = {
  ndarray: /^tensor\/ndarray\.ts$/,
  'ndarray-ops': /^tensor\/ndarray\.ts$/,
  pngjs: /^platforms\/node\/png\.ts$/,
  'jpeg-js': /^codecs\/jpeg\/jpeg-js\.ts$/,
  commander: /^cli\//,
  'cli-progress': /^cli\//,
  tinyglobby: /^cli\//,
};
const NODE_ONLY = /^(entries\/[a-z]+-node\.ts|platforms\/(node\/|shipped\.ts)|cli\/)/;
/** The public surfaces, and what puts a platform beneath them. */
const ENTRY = /^(entries\/[\w-]+|cli\/bin)\.ts$/;

/** A file and all that it imports, at once or later too. */
function reachedFrom(entry: string, when: 'at once' | 'ever' = 'ever'): string[] {
  const reached = new Set<string>();
  const visit = (file: string) => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const ours of importsOf(file, when).ours) visit(ours);
  };
  visit(entry);
  return [...reached];
}

describe('the house', () => {
  it('has files to check', () => {
    expect(files.length).toBeGreaterThan(30);
  });

  it('is drawn as it is, and every arrow points down', () => {
    const house = readHouse();
    const order = ROOMS.map(([name]) => name);
    expect(Object.keys(house.rooms).sort()).toEqual([...order].sort());
    for (const arrow of Object.keys(house.arrows)) {
      const [from, to] = arrow.split(' ').map((name) => order.indexOf(name));
      expect(from, arrow).toBeLessThan(to);
    }
    const picture = readFileSync(join(SRC, '../docs/images/rooms.svg'), 'utf8');
    expect(picture, 'node scripts/rooms.mjs draws it anew').toBe(draw(house));
  });

  it('no room holds more than 12 % of the lines', () => {
    const { rooms } = readHouse();
    const all = Object.values(rooms).reduce((sum, { lines }) => sum + lines, 0);
    for (const [name, { lines }] of Object.entries(rooms)) expect(lines / all, name).toBeLessThan(0.12);
  });

  it('every room imports only the rooms it may', () => {
    for (const file of files.filter((name) => room(name) in MAY_IMPORT)) {
      const allowed = [room(file), ...MAY_IMPORT[room(file)]];
      for (const ours of importsOf(file).ours) expect(allowed, `${file} imports ${ours}`).toContain(room(ours));
    }
  });

  it('nobody but the entries imports the files that join everything', () => {
    for (const file of files.filter((name) => !ENTRY.test(name) && !name.startsWith('cli/'))) {
      const joints = importsOf(file).ours.filter((ours) => ours === 'pipeline.ts' || ENTRY.test(ours));
      expect(joints, `${file} imports`).toEqual([]);
    }
  });

  it('packages and node:* are imported only where they belong', () => {
    for (const file of files) {
      for (const other of importsOf(file).others) {
        const where = other.startsWith('node:') ? NODE_ONLY : PACKAGES[other];
        expect(where, `${file} imports ${other}`).toBeDefined();
        expect(file, `${file} imports ${other}`).toMatch(where);
      }
    }
  });

  it('reference kernels import no other engine, and no other engine imports a reference', () => {
    for (const file of files.filter((name) => /^layers\/[^/]+\/(reference|js|wasm)\.ts$/.test(name))) {
      const engines = importsOf(file).ours.filter((ours) => /\/(reference|js|wasm)\.ts$/.test(ours));
      expect(engines, file).toEqual([]);
    }
  });

  it.each([CDN.name, ...modulesFor('web')].map((name) => `entries/${name}.ts`))(
    'nothing in %s reaches Node or the command line, and decoders of pictures only later',
    (entry) => {
      const reached = reachedFrom(entry, 'at once');
      expect(
        reached.filter(
          (file) =>
            NODE_ONLY.test(file) ||
            /^(codecs\/(jpeg\/(decode|jpeg-js|module|repair|scans)|png\/(decode|rows|wasm|kernel))|tensor\/ndarray\.ts$)/.test(
              file,
            ),
        ),
      ).toEqual([]);
      // Decoders, with the first picture that needs them, the reader of TFLite with the first such file, and kernels of whole
      // numbers with the first network of them, what computes gradients with the first of these, and folders of the page's own with the first of them.
      const later = reachedFrom(entry).filter((file) => !reached.includes(file));
      const READERS =
        /^(convert\/|formats\/(tflite\/|zip|unpacking)|models\/mobilenet-v2\/(checkpoint|weights|quantized))/;
      const DECODERS = /^codecs\/(jpeg\/|png\/|inflate)/;
      const TRAINING = /^(layers\/backward|runtime\/training|models\/mobilenet-v2)\//;
      const WHOLE = /^layers\/(.*-i16|argmax\/.*|quantize\/.*|sums\/.*)\.ts$/;
      const OWN = /^platforms\/opfs\.ts$/;
      const others = later.filter(
        (file) => ![DECODERS, READERS, TRAINING, WHOLE, OWN].some((known) => known.test(file)),
      );
      expect(others).toEqual([]);
    },
  );

  it.each(modulesFor('edge').map((name) => `entries/${name}.ts`))(
    'nothing in %s reaches Node, or imports anything later',
    (entry) => {
      const reached = reachedFrom(entry);
      expect(reached).toContain('codecs/jpeg/decode.ts');
      expect(reached.filter((file) => NODE_ONLY.test(file) || file === 'tensor/ndarray.ts')).toEqual([]);
      const late = reached.filter((file) => /\bimport\(/.test(readFileSync(join(SRC, file), 'utf8')));
      expect(late).toEqual([]);
    },
  );

  it.each(['web', 'edge', 'node'].map((place) => `entries/image-${place}.ts`))(
    'nothing in %s reaches a network',
    (entry) => {
      expect(reachedFrom(entry).filter((file) => /^(layers|graph|runtime|models)\//.test(file))).toEqual([]);
    },
  );

  it('the page knows the package by its name, and nothing inside it', () => {
    const page = join(SRC, '../examples/browser');
    const sources = readdirSync(page, { recursive: true })
      .map((file) => String(file).replaceAll('\\', '/'))
      .filter((file) => file.endsWith('.ts') && !file.startsWith('dist/'));
    expect(sources.length).toBeGreaterThan(20);
    for (const file of sources) {
      const { ours, others } = importsOf(`../examples/browser/${file}`);
      expect(
        others.filter((name) => !['mobilenet-v2', 'mobilenet-v2/train'].includes(name)),
        file,
      ).toEqual([]);
      expect(
        ours.filter((name) => !/^\.\.\/examples\/browser\/([\w-]+\/)?[\w-]+\.ts$/.test(name)),
        file,
      ).toEqual([]);
    }
  });

  it('nothing but the converters and the command line reaches the converters, but for the one of TFLite, later', () => {
    expect(reachedFrom('entries/convert-web.ts')).toContain('formats/hdf5.ts');
    for (const entry of ['entries/main-web.ts', 'entries/main-node.ts']) {
      expect(reachedFrom(entry, 'at once').filter((file) => /^convert\/|tflite/.test(file))).toEqual([]);
      expect(reachedFrom(entry)).toContain('convert/model-file.ts');
      expect(reachedFrom(entry).filter((file) => /^convert\/(keras|torch|timm)|hdf5|tfjs/.test(file))).toEqual([]);
    }
  });

  it('kernels of whole numbers come later on a page, and are there from the start elsewhere', () => {
    const kernels = 'layers/kernels-i16.ts';
    expect(reachedFrom('entries/main-web.ts')).toContain(kernels);
    expect(reachedFrom('entries/main-web.ts', 'at once').filter((file) => /-i16\.ts$/.test(file))).toEqual([
      'layers/kernel-i16.ts',
    ]);
    for (const place of ['node', 'edge']) expect(reachedFrom(`entries/main-${place}.ts`, 'at once')).toContain(kernels);
  });

  it('a page without the hub carries none of it', () => {
    expect(reachedFrom('entries/hub-web.ts')).toContain('hub/folder.ts');
    expect(reachedFrom('entries/main-web.ts').filter((file) => room(file) === 'hub')).toEqual([]);
  });
});
