/**
 * Finds what is where: a mask for every class in a picture, as PNG files beside each other.
 *
 *     node segment.mjs deeplabv3_mobilenet_v2_1.0_513 photo.jpg masks
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'mobilenet-v2';

const [model, picture, folder] = process.argv.slice(2);
const segment = await pipeline('image-segmentation', model);
mkdirSync(folder, { recursive: true });
for (const { label, mask } of await segment(picture)) {
  const share = mask.data.reduce((sum, value) => sum + value / 255, 0) / mask.data.length;
  await mask.save(join(folder, `${label}.png`));
  console.log(`${label}: ${(100 * share).toFixed(1)} % of the picture`);
}
