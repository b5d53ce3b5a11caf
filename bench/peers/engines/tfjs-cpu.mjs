import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { openTfjs } from './tfjs.mjs';

export async function open(options) {
  await tf.setBackend('cpu');
  return openTfjs(tf, options);
}
