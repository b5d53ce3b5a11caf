/**
 * Steps as files for tfjs, and as a function of its operations. tfjs has no file format for a graph of fused operations
 * that would not need its converter, so the bench has one: steps.json, and weights.bin in TensorFlow's order of weights.
 */

/** [K,C,R,S] → [R,S,C,K]; a depthwise [C,1,R,S] → [R,S,C,1]; [K,C] → [C,K]. */
function reorder({ op, weights, shape, kernel = 1 }) {
  const K = shape[2];
  const C = weights.length / (K * kernel * kernel);
  const ordered = new Float32Array(weights.length);
  for (let k = 0; k < K; k++) {
    for (let c = 0; c < C; c++) {
      for (let w = 0; w < kernel * kernel; w++) {
        ordered[(w * C + c) * K + k] = weights[(k * C + c) * kernel * kernel + w];
      }
    }
  }
  if (op === 'linear') return { ordered, dims: [C, K] };
  return { ordered, dims: op === 'depthwise' ? [kernel, kernel, K, 1] : [kernel, kernel, C, K] };
}

/** @returns `{ json, bin }`: the contents of steps.json and weights.bin */
export function writeTfjs(steps, size, inChannels = 3) {
  const chunks = [];
  let elements = 0;
  const place = (values) => {
    chunks.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    elements += values.length;
    return elements - values.length;
  };
  const listed = steps.map(({ weights, bias, pads, ...step }) => {
    if (weights === undefined) return step;
    const { ordered, dims } = reorder({ ...step, weights });
    return { ...step, dims, weightsAt: place(ordered), biasAt: place(bias) };
  });
  return { json: JSON.stringify({ input: [1, size, size, inChannels], steps: listed }), bin: Buffer.concat(chunks) };
}

/** @returns a function from a tensor [1,H,W,C] to that of the logits; call it inside `tf.tidy` */
export function buildTfjs(tf, { steps }, weights) {
  const layers = steps.map((step) => {
    const { op, inputs, dims } = step;
    if (dims === undefined) {
      const [height, width] = step.shape;
      const [a, b] = inputs;
      if (op === 'add') return (values) => tf.add(values.get(a), values.get(b));
      if (op === 'concat') return (values) => tf.concat([values.get(a), values.get(b)], 3);
      if (op === 'average_pool') return (values) => tf.mean(values.get(a), [1, 2], true);
      return (values) => tf.image.resizeBilinear(values.get(a), [height, width], true);
    }
    const size = dims.reduce((product, n) => product * n, 1);
    const filter = tf.tensor(weights.subarray(step.weightsAt, step.weightsAt + size), dims);
    const bias = tf.tensor1d(weights.subarray(step.biasAt, step.biasAt + step.shape[2]));
    if (op === 'linear') {
      return (values) => {
        const a = tf.reshape(values.get(inputs[0]), [1, dims[0]]);
        return tf.fused.matMul({ a, b: filter, bias });
      };
    }
    const common = {
      filter,
      bias,
      strides: step.stride,
      pad: 'same',
      dilations: step.dilation,
      activation: step.activation,
    };
    const conv = op === 'depthwise' ? tf.fused.depthwiseConv2d : tf.fused.conv2d;
    return (values) => conv({ x: values.get(inputs[0]), ...common });
  });
  return (x) => {
    const values = new Map([['pixel_values', x]]);
    for (const [i, layer] of layers.entries()) values.set(steps[i].name, layer(values));
    return values.get(steps.at(-1).name);
  };
}
