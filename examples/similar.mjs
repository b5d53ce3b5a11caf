/**
 * Finds the pictures of a folder that look most like a given one. The network's last features, 1280 numbers a picture,
 * are alike for pictures that look alike; the cosine of the angle between two of them says how alike.
 *
 *     node examples/similar.mjs <picture> <folder> [how many]
 */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'mobilenet-v2';

const [picture, folder, count = '5'] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node examples/similar.mjs <picture> <folder> [how many]');
  process.exit(2);
}

const extract = await pipeline('image-feature-extraction');

/** The features of a picture, scaled to length 1: the cosine of two such is the sum of their products. */
async function features(file) {
  const { data } = await extract(file);
  const length = Math.hypot(...data);
  return data.map((value) => value / length);
}

const wanted = await features(picture);
const found = [];
for (const name of await readdir(folder, { recursive: true })) {
  const file = join(folder, name);
  if (!/\.(png|jpe?g)$/i.test(name) || resolve(file) === resolve(picture)) continue;
  try {
    const own = await features(file);
    found.push({ file, cosine: own.reduce((sum, value, i) => sum + value * wanted[i], 0) });
  } catch (error) {
    console.error(error.message); // one broken picture is no reason to give up the others
  }
}
found.sort((a, b) => b.cosine - a.cosine);
for (const { file, cosine } of found.slice(0, Number(count))) console.log(cosine.toFixed(3), file);
