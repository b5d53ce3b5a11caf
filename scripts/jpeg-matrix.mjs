/**
 * How many JPEGs we decode to the very pixels that Pillow gives, and what kinds are wrong:
 *
 *     python test/goldens/images/jpeg_matrix.py FOLDER     # once
 *     npm run build
 *     node scripts/jpeg-matrix.mjs FOLDER [part of names]  # with part of a name: one line for every file
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'mobilenet-v2';
import { RawImage } from 'mobilenet-v2/image';
import { decodeJpeg } from '../dist/codecs/jpeg/decode.js';

const [folder, part] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node scripts/jpeg-matrix.mjs FOLDER [part of names]');
  process.exit(2);
}
env.onWarning = () => {};
const entries = Object.entries(JSON.parse(readFileSync(join(folder, 'matrix.json'), 'utf8')));
const pixels = readFileSync(join(folder, 'pixels.bin'));

/** Where and how far two pictures differ. */
function difference(actual, expected, width, channels) {
  let count = 0;
  let largest = 0;
  let first = -1;
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(actual[i] - expected[i]);
    if (off === 0) continue;
    if (first < 0) first = i;
    count++;
    largest = Math.max(largest, off);
  }
  const pixel = Math.floor(first / channels);
  const place = `x ${pixel % width}, y ${Math.floor(pixel / width)}, channel ${first % channels}`;
  return `${count} of ${expected.length} values differ, by ${largest} at most, first at ${place}`;
}

/** At a half, a quarter and an eighth of the size, as stored. */
async function scaledHash(bytes) {
  const together = createHash('sha256');
  for (const scale of [2, 4, 8]) together.update((await decodeJpeg(bytes, 'file', { scale })).data);
  return together.digest('hex');
}

async function judge(name, entry, expected) {
  try {
    const bytes = new Uint8Array(readFileSync(join(folder, `${name}.jpg`)));
    const { data, width, height, channels } = await RawImage.read(bytes);
    if (entry.error !== undefined) return `Pillow refuses it (${entry.error}), we give ${width}×${height}`;
    if (width !== entry.width || height !== entry.height || channels !== entry.channels) {
      return `${width}×${height}×${channels} for ${entry.width}×${entry.height}×${entry.channels}`;
    }
    if (createHash('sha256').update(data).digest('hex') !== entry.sha256) {
      return difference(data, expected, width, channels);
    }
    if (entry.scaled !== undefined && (await scaledHash(bytes)) !== entry.scaled)
      return 'other pixels at 1/2, 1/4 or 1/8';
    return 'equal';
  } catch (error) {
    if (error.code === undefined) return `a bare error: ${error.stack}`;
    return entry.error !== undefined || (error.code === 'UNSUPPORTED' && name.startsWith('arithmetic-'))
      ? 'equal'
      : `refused: ${error.message}`;
  }
}

/** Names without their numbers, so that a fault is listed once. */
const familyOf = ({ kind }, name) => `${kind}: ${name.replace(/\d+x\d+/, '').replace(/(quality|flip)-\d+/, '$1')}`;

let at = 0;
let equal = 0;
const kinds = new Map();
const families = new Map();
for (const [name, entry] of entries) {
  const bytes = entry.error === undefined ? entry.width * entry.height * entry.channels : 0;
  const expected = pixels.subarray(at, at + bytes);
  at += bytes;
  if (part !== undefined && !name.includes(part)) continue;
  const verdict = await judge(name, entry, expected);
  if (part !== undefined) console.log(`${name}: ${verdict}`);
  const counts = kinds.get(entry.kind) ?? [0, 0];
  kinds.set(entry.kind, [counts[0] + (verdict === 'equal' ? 1 : 0), counts[1] + 1]);
  if (verdict === 'equal') equal++;
  else if (families.has(familyOf(entry, name))) families.get(familyOf(entry, name)).push(name);
  else families.set(familyOf(entry, name), [name, verdict]);
}
if (part === undefined) {
  for (const [family, [name, verdict, ...more]] of families) {
    console.log(`${family}: ${name}: ${verdict}${more.length > 0 ? `; and ${more.length} more` : ''}`);
  }
}
console.log();
for (const [kind, [good, all]] of kinds) console.log(`${kind}: ${good} of ${all} equal`);
console.log(`${equal} of ${[...kinds.values()].reduce((sum, [, all]) => sum + all, 0)} equal`);
