/** Two models that load at once: a classifier and a segmenter of 32×32 pictures. */
import { join } from 'node:path';
import { saveTinyClassifier, saveTinySegmenter } from '../../../../test/helpers/tiny.js';
import type { ModelSpec } from '../../src/workers/models.js';

/** Saves them to a folder: `tiny` and `segmenter`. */
export async function tinyModels(folder: string): Promise<[tiny: ModelSpec, segmenter: ModelSpec]> {
  const [tiny, segmenter] = [join(folder, 'classifier'), join(folder, 'segmenter')];
  await saveTinyClassifier(tiny);
  await saveTinySegmenter(segmenter);
  return [
    { name: 'tiny', where: tiny },
    { name: 'segmenter', where: segmenter },
  ];
}
