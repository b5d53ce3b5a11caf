/** transformers.js in Node, where it decodes and resizes with sharp. */
import sharp from 'sharp';
import { open as openTransformers } from './transformers.mjs';

export function open({ threads = 1, ...options }) {
  if (threads !== null) sharp.concurrency(threads);
  return openTransformers({ threads, ...options });
}
