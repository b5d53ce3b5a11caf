/** Models of the repository for tests: those that ship are weights/, the dogs are an example of a model of one's own. */
import { join } from 'node:path';
import { SHIPPED } from '../../src/base/folder.js';
import { ROOT } from './cli.js';

export const CLASSIFIER = join(ROOT, 'weights', SHIPPED.classification);
export const SEGMENTER = join(ROOT, 'weights', SHIPPED.segmentation);
/** 19 breeds at 160 × 160. */
export const DOGS = join(ROOT, 'examples/dogs');
