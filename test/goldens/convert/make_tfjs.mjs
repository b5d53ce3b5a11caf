/**
 * A small TensorFlow.js layers model, its weights quantised in all three ways and in two shards, and what tfjs makes of a
 * picture with it.
 *
 *     npm install @tensorflow/tfjs@4.22        # in a folder of its own
 *     node make_tfjs.mjs THAT_FOLDER
 *
 * The graph is that of Keras's MobileNetV2 of width 0.3 at 64x64, with its names; weights are pseudo-random.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(process.argv[2], 'x.js'));
const tf = require('@tensorflow/tfjs');
await tf.setBackend('cpu');

const SIZE = 64;
// t, c, n, s: Table 2 of the paper at width 0.3 (see make_keras.py).
const ROWS = [
  [1, 8, 1, 1],
  [6, 8, 2, 2],
  [6, 16, 3, 2],
  [6, 24, 4, 2],
  [6, 32, 3, 1],
  [6, 48, 3, 2],
  [6, 96, 1, 1],
];
const FIRST = 16;

function network() {
  const input = tf.input({ shape: [SIZE, SIZE, 3], name: 'input_1' });
  const norm = (name, x) => tf.layers.batchNormalization({ name, epsilon: 0.001, momentum: 0.999 }).apply(x);
  const relu6 = (name, x) => tf.layers.reLU({ name, maxValue: 6 }).apply(x);
  const conv = (name, x, filters) =>
    tf.layers.conv2d({ name, filters, kernelSize: 1, padding: 'same', useBias: false }).apply(x);
  let x = tf.layers.zeroPadding2d({ name: 'Conv1_pad', padding: [[0, 1], [0, 1]] }).apply(input);
  x = tf.layers.conv2d({ name: 'Conv1', filters: FIRST, kernelSize: 3, strides: 2, padding: 'valid', useBias: false }).apply(x);
  x = relu6('Conv1_relu', norm('bn_Conv1', x));
  let block = 0;
  let channels = FIRST;
  for (const [t, c, n, s] of ROWS) {
    for (let i = 0; i < n; i++, block++) {
      const name = block === 0 ? 'expanded_conv' : `block_${block}`;
      const stride = i === 0 ? s : 1;
      const before = x;
      if (block > 0) x = relu6(`${name}_expand_relu`, norm(`${name}_expand_BN`, conv(`${name}_expand`, x, t * channels)));
      if (stride === 2) x = tf.layers.zeroPadding2d({ name: `${name}_pad`, padding: [[0, 1], [0, 1]] }).apply(x);
      const padding = stride === 2 ? 'valid' : 'same';
      x = tf.layers
        .depthwiseConv2d({ name: `${name}_depthwise`, kernelSize: 3, strides: stride, padding, useBias: false })
        .apply(x);
      x = relu6(`${name}_depthwise_relu`, norm(`${name}_depthwise_BN`, x));
      x = norm(`${name}_project_BN`, conv(`${name}_project`, x, c));
      if (stride === 1 && c === channels) x = tf.layers.add({ name: `${name}_add` }).apply([before, x]);
      channels = c;
    }
  }
  x = relu6('out_relu', norm('Conv_1_bn', conv('Conv_1', x, 1280)));
  x = tf.layers.globalAveragePooling2d({ name: 'pool' }).apply(x);
  const output = tf.layers.dense({ name: 'dense_1', units: 3, activation: 'softmax' }).apply(x);
  return tf.model({ inputs: input, outputs: output, name: 'model_1' });
}

// Numerical Recipes' generator, and sums of its numbers for something like a bell curve.
let state = 5;
const uniform = (low, high) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return low + (state / 2 ** 32) * (high - low);
};
const normal = (deviation) => (uniform(-1, 1) + uniform(-1, 1) + uniform(-1, 1)) * deviation;

function valuesOf(name, shape) {
  const count = shape.reduce((a, b) => a * b, 1);
  const make = (one) => Float32Array.from({ length: count }, one);
  if (/gamma$/.test(name)) return make(() => uniform(0.7, 1.3));
  if (/variance$/.test(name)) return make(() => uniform(0.4, 1.6));
  if (/beta$|mean$|bias$/.test(name)) return make(() => normal(0.3));
  const fanIn = /depthwise/.test(name) ? 9 : count / shape.at(-1);
  // One weight in six, a multiple of 1/4: that compresses.
  const deviation = Math.sqrt(12 / fanIn);
  return make(() => (uniform(0, 6) < 1 ? Math.round(normal(deviation) * 4) / 4 : 0));
}

/** The bytes of a weight and its entry in the manifest: by turns float32, float16, uint8 and uint16. */
function quantise(name, shape, values, turn) {
  const entry = { name, shape, dtype: 'float32' };
  const kind = values.length < 64 ? 'float32' : ['uint8', 'uint16', 'float16', 'uint8'][turn % 4];
  if (kind === 'float32') return { entry, bytes: new Uint8Array(values.buffer) };
  if (kind === 'float16') {
    const halves = Uint16Array.from(values, half);
    return { entry: { ...entry, quantization: { dtype: kind } }, bytes: new Uint8Array(halves.buffer) };
  }
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const scale = (max - min) / (kind === 'uint8' ? 255 : 65535);
  const ArrayType = kind === 'uint8' ? Uint8Array : Uint16Array;
  const whole = ArrayType.from(values, (value) => Math.round((value - min) / scale));
  return { entry: { ...entry, quantization: { dtype: kind, min, scale } }, bytes: new Uint8Array(whole.buffer) };
}

/** Rounds towards zero, which is near enough here: tfjs and we read the same bits. */
function half(value) {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  const exponent = ((bits >>> 23) & 255) - 112;
  return exponent <= 0 ? 0 : ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 1023);
}

const model = network();
const parts = model.weights.map(({ originalName, shape }, turn) =>
  quantise(originalName, shape, valuesOf(originalName, shape), turn),
);
const data = Buffer.concat(parts.map(({ bytes }) => bytes));
const topology = model.toJSON(null, false);
const weights = parts.map(({ entry }) => entry);

const read = await tf.loadLayersModel(
  tf.io.fromMemory({ modelTopology: topology, weightSpecs: weights, weightData: new Uint8Array(data).buffer }),
);
read.layers.at(-1).activation = tf.layers.activation({ activation: 'linear' }).activation;
// The picture is a formula, so that no decoder comes between: 64x64 RGB, from -1 to 1.
const pixels = Float32Array.from({ length: SIZE * SIZE * 3 }, (_, i) => Math.fround(Math.sin(i * 0.37) * Math.cos(i * 0.011)));
const logits = await read.predict(tf.tensor4d(pixels, [1, SIZE, SIZE, 3])).data();

const folder = join(here, 'tfjs');
mkdirSync(folder, { recursive: true });
const cut = Math.floor(data.length / 2) + 1; // in the middle of a weight, and of a number
const shards = { 'group1-shard1of2.bin': data.subarray(0, cut), 'group1-shard2of2.bin': data.subarray(cut) };
for (const [name, bytes] of Object.entries(shards)) writeFileSync(join(folder, `${name}.gz`), gzipSync(bytes, { level: 9 }));
const manifest = [{ paths: Object.keys(shards), weights }];
const json = JSON.stringify({ format: 'layers-model', modelTopology: topology, weightsManifest: manifest });
writeFileSync(join(folder, 'model.json.gz'), gzipSync(json, { level: 9 }));
writeFileSync(join(here, 'tfjs.expected.json'), `${JSON.stringify({ logits: [...logits] }, null, 2)}\n`);
console.log(topology.class_name, weights.length, data.length, [...logits]);
