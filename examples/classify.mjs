/**
 * Says what is in pictures, with the checkpoint that ships or with one of your own.
 *
 *     node classify.mjs husky.png dog.jpg
 *     MODEL=./my-model node classify.mjs photo.jpg
 */
import { pipeline } from 'mobilenet-v2';

const classify = await pipeline('image-classification', process.env.MODEL);
for (const file of process.argv.slice(2)) {
  const [best] = await classify(file, { top_k: 1 });
  console.log(`${file}: ${best.label} ${best.score.toFixed(3)}`);
}
