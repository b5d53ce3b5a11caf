import { buildTfjs } from '../formats/tfjs.mjs';
import { channelsLast } from '../layout.mjs';

/** The backend that is set, whichever it is. */
export async function openTfjs(tf, { read, pixels }) {
  const graph = JSON.parse(new TextDecoder().decode(await read('steps.json')));
  const bytes = await read('weights.bin');
  const run = buildTfjs(tf, graph, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
  const x = tf.tensor(channelsLast(pixels, graph.input[3]), graph.input);
  // dataSync of the wasm backend copies out of its memory; the tensors go with the tidy.
  return { layout: 'nhwc', run: async () => tf.tidy(() => run(x).dataSync()) };
}
