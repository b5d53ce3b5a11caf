/** Every place of src where Stryker knows a mutant, and a sample of them by a seed. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Instrumenter } from '@stryker-mutator/instrumenter';

/** `layers` of src/layers/add/js.ts; a file of src itself is a room of its own. */
export const roomOf = (file) => file.split('/')[1].replace(/\.ts$/, '');

/** The source between two positions, lines from 1 and columns from 0. */
export function textBetween(source, start, end) {
  const lines = source.split('\n').slice(start.line - 1, end.line);
  lines[lines.length - 1] = lines.at(-1).slice(0, end.column);
  lines[0] = lines[0].slice(start.column);
  return lines.join('\n');
}

/** Places with mutants, in the order of the files: { key, file, start, end, mutants }, lines from 1, columns from 0. */
export async function placesOf(root, takes) {
  const files = readdirSync(join(root, 'src'), { recursive: true })
    .map((name) => `src/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.ts') && takes(name))
    .sort()
    .map((name) => ({ name, mutate: true, content: readFileSync(join(root, name), 'utf8') }));
  const quiet = { debug() {}, info() {}, warn() {}, isDebugEnabled: () => false };
  const { mutants } = await new Instrumenter(quiet).instrument(files, {
    plugins: null,
    excludedMutations: [],
    ignorers: [],
  });
  const places = new Map();
  for (const { fileName: file, location } of mutants) {
    const start = { line: location.start.line + 1, column: location.start.column };
    const end = { line: location.end.line + 1, column: location.end.column };
    const key = `${file}:${start.line}:${start.column}-${end.line}:${end.column}`;
    const place = places.get(key) ?? { key, file, start, end, mutants: 0 };
    place.mutants++;
    places.set(key, place);
  }
  return [...places.values()];
}

const before = (a, b) => a.line < b.line || (a.line === b.line && a.column <= b.column);
const overlap = (a, b) => a.file === b.file && before(a.start, b.end) && before(b.start, a.end);

/**
 * Places until they have `count` mutants, in an order that the seed and a place's own text give: most of the sample stays what it
 * is when other places change. None lies in another: only one of two could be told apart.
 */
export function sample(root, places, count, seed) {
  const sources = new Map();
  const seen = new Map();
  const ordered = places
    .map((place) => {
      const { file, start, end } = place;
      if (!sources.has(file)) sources.set(file, readFileSync(join(root, file), 'utf8'));
      const name = `${file} ${textBetween(sources.get(file), start, end)}`;
      seen.set(name, (seen.get(name) ?? 0) + 1);
      return {
        place,
        rank: createHash('sha256')
          .update(`${seed} ${seen.get(name)} ${name}`)
          .digest('hex'),
      };
    })
    .sort((a, b) => (a.rank < b.rank ? -1 : 1));
  const chosen = [];
  let taken = 0;
  for (const { place } of ordered) {
    if (taken >= count) break;
    if (chosen.some((other) => overlap(place, other))) continue;
    chosen.push(place);
    taken += place.mutants;
  }
  return chosen;
}
