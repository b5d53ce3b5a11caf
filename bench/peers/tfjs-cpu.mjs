/**
 * The same network on tfjs-backend-cpu, the other engine in plain JavaScript: built from our graph with tfjs's own
 * fused operations, batch norm folded for both, outputs compared before anything is timed, rounds interleaved.
 *
 *     npm run bench:peers -- [--rounds 5] [--size 224] [--depth 1.0] [--json file]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { foldBatchNorm } from '../../dist/layers/batchnorm.js';
import { MobileNetV2Config, MobileNetV2ForImageClassification, Tensor } from '../../dist/node.js';
import { liven, median } from '../support.mjs';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    size: { type: 'string', default: '224' },
    depth: { type: 'string', default: '1.0' },
    json: { type: 'string' },
  },
});
const size = Number(options.size);
const rounds = Number(options.rounds);

const config = new MobileNetV2Config({ depth_multiplier: Number(options.depth), num_labels: 1001 });
const model = liven(new MobileNetV2ForImageClassification(config, { seed: 1, device: 'js' }));
const state = model.state_dict();
const weightsOf = (name) => state.get(name);

/** [K,C,R,S] → [R,S,C,K], TensorFlow's order. */
const hwio = (data, dims) => tf.transpose(tf.tensor4d(data, dims), [2, 3, 1, 0]);

/** Builds a function from an NHWC tensor to logits, following the graph node by node. */
function build() {
  const layers = model.graph.nodes.map((node) => {
    if (node.op === 'convolution') {
      const kernel = weightsOf(node.weight);
      const { prefix, epsilon } = node.norm;
      const { weights, bias } = foldBatchNorm({
        weights: kernel.data,
        gamma: weightsOf(`${prefix}.weight`).data,
        beta: weightsOf(`${prefix}.bias`).data,
        mean: weightsOf(`${prefix}.running_mean`).data,
        variance: weightsOf(`${prefix}.running_var`).data,
        epsilon,
      });
      const common = {
        strides: node.stride,
        pad: 'same',
        bias: tf.tensor1d(bias),
        activation: node.activation,
      };
      if (node.groups === 1) {
        const filter = hwio(weights, kernel.dims);
        return (values) => tf.fused.conv2d({ x: values.get(node.input), filter, ...common });
      }
      const filter = tf.transpose(hwio(weights, kernel.dims), [0, 1, 3, 2]); // [3,3,1,C] → [3,3,C,1]
      return (values) => tf.fused.depthwiseConv2d({ x: values.get(node.input), filter, ...common });
    }
    if (node.op === 'add') return (values) => tf.add(values.get(node.input), values.get(node.other));
    if (node.op === 'average_pool') return (values) => tf.mean(values.get(node.input), [1, 2]);
    const weight = weightsOf(node.weight);
    const matrix = tf.tensor2d(weight.data, weight.dims);
    const bias = tf.tensor1d(weightsOf(node.bias).data);
    return (values) => tf.add(tf.matMul(values.get(node.input), matrix, false, true), bias);
  });
  return (x) =>
    tf.tidy(() => {
      const values = new Map([['pixel_values', x]]);
      for (const [i, layer] of layers.entries()) values.set(model.graph.nodes[i].name, layer(values));
      return values.get('classifier').dataSync();
    });
}

await tf.setBackend('cpu');
const peer = build();
const pixels = Float32Array.from({ length: 3 * size * size }, (_, i) => Math.sin(i * 0.37) * 0.9);
const pixel_values = new Tensor('float32', pixels, [1, 3, size, size]);
const nhwc = tf.transpose(tf.tensor4d(pixels, [1, 3, size, size]), [0, 2, 3, 1]);

const ours = (await model({ pixel_values })).logits.data;
const theirs = peer(nhwc);
const largest = ours.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const difference = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i])), 0);
if (!(difference <= 1e-3 * Math.max(1, largest))) {
  console.error(`outputs differ by ${difference} where the largest is ${largest}: nothing to compare`);
  process.exit(1);
}
console.log(`outputs agree: largest |logit| ${largest.toFixed(3)}, largest difference ${difference.toExponential(1)}`);

for (let i = 0; i < 3; i++) await model({ pixel_values });
const times = { js: [], tfjs: [] };
for (let round = 0; round < rounds; round++) {
  let start = performance.now();
  peer(nhwc);
  times.tfjs.push(performance.now() - start);
  for (let i = 0; i < 4; i++) {
    start = performance.now();
    await model({ pixel_values });
    times.js.push(performance.now() - start);
  }
}
const result = {
  network: `${options.depth}-${size}`,
  node: process.version,
  'mobilenet-v2 js, ms': { median: median(times.js), min: Math.min(...times.js) },
  'tfjs-backend-cpu 4.22, ms': { median: median(times.tfjs), min: Math.min(...times.tfjs) },
  'times faster': median(times.tfjs) / median(times.js),
};
console.log(result);
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
