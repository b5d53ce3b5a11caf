/** Every place of src where Stryker knows a mutant, and a sample of them by a seed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Instrumenter } from '@stryker-mutator/instrumenter';

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function numbersFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `layers` of src/layers/add/js.ts; a file of src itself is a room of its own. */
export const roomOf = (file) => file.split('/')[1].replace(/\.ts$/, '');

/** Places with mutants, in the order of the files: { file, start, end, mutants }, lines from 1, columns from 0. */
export async function placesOf(root, takes = () => true) {
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

/** Places at random until they have `count` mutants. None lies in another: only one of two could be told apart. */
export function sample(places, count, seed) {
  const next = numbersFrom(seed);
  const left = [...places];
  const chosen = [];
  for (let taken = 0; taken < count && left.length > 0; ) {
    const [place] = left.splice(Math.floor(next() * left.length), 1);
    if (chosen.some((other) => overlap(place, other))) continue;
    chosen.push(place);
    taken += place.mutants;
  }
  return chosen;
}
