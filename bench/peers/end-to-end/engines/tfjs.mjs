/** What both tfjs rows share: the wasm backend with one thread, from a tensor of pixels to a label. */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { buildTfjs } from '../../formats/tfjs.mjs';
import { CROP, geometry, labelsOf } from './labels.mjs';

export async function openTfjs({ read, assets }) {
  if (assets) setWasmPaths(`${assets}/@tensorflow/tfjs-backend-wasm/wasm-out/`);
  await tf.setBackend('wasm');
  const graph = JSON.parse(new TextDecoder().decode(await read('steps.json')));
  const bytes = await read('weights.bin');
  const run = buildTfjs(tf, graph, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
  const label = await labelsOf(read);
  /** @param pixels makes a tensor [H,W,3], which is taken away with the others */
  return (pixels) =>
    label(
      tf.tidy(() => {
        const picture = pixels(tf);
        const { width, height, left, top } = geometry(picture.shape[1], picture.shape[0]);
        const resized = tf.image.resizeBilinear(picture, [height, width]);
        const crop = tf.slice(resized, [top, left, 0], [CROP, CROP, 3]);
        return run(tf.expandDims(tf.sub(tf.div(crop, 127.5), 1), 0)).dataSync();
      }),
    );
}
