/**
 * How alike pictures are: the cosine of the angle between the 1280 numbers that the network makes of each.
 *
 *     node features.mjs husky.png dog.jpg
 */
import { pipeline } from 'mobilenet-v2';

const files = process.argv.slice(2);
const extract = await pipeline('image-feature-extraction');
const features = await extract(files); // one row for every picture
const [pictures, width] = features.dims;
const row = (n) => features.data.subarray(n * width, (n + 1) * width);
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
for (let n = 1; n < pictures; n++) {
  console.log(`${files[0]} and ${files[n]}: ${cosine(row(0), row(n)).toFixed(3)}`);
}
