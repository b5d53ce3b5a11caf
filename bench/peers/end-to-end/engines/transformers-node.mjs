/** transformers.js in Node, where it decodes and resizes with sharp. */
import sharp from 'sharp';

export { open } from './transformers.mjs';

sharp.concurrency(1);
