/**
 * A network as a peer's graph needs it: only what the logits need, batch norm folded, every shape and padding known. The
 * writers of peers' files all start from this list.
 *
 * A step: `{ op, name, inputs, shape: [height, width, channels] }`, and by op
 * - `convolution`, `depthwise`: `weights` [K,C/groups,R,S], `bias`, `kernel`, `stride`, `dilation`, `activation`,
 *   `pads` [top, left, bottom, right]
 * - `linear`: `weights` [K,C], `bias`; `add`, `concat` (of channels), `average_pool` (of everything), `resize` (bilinear)
 */

/** @param modules `{ graph, norm, kernel }`: our modules graph/nodes.js, layers/batch-norm/fold.js and layers/kernel.js */
export function stepsOf(model, size, { graph: { prune }, norm: { foldFactors }, kernel: { scaled } }) {
  const fold = (weights, norm) => {
    const { scale, bias } = foldFactors(norm);
    return { weights: scaled(weights, scale), bias };
  };
  const state = model.state_dict();
  const data = (name) => state.get(name).data;
  const shapes = new Map([['pixel_values', [size, size, model.graph.inChannels]]]);
  return prune(model.graph, ['logits']).nodes.map((node) => {
    const [height, width, channels] = shapes.get(node.input);
    const step = { op: node.op, name: node.name, inputs: [node.input], shape: [height, width, channels] };
    if (node.op === 'convolution') {
      const { kernel, stride, dilation, activation } = node;
      if (node.padding !== 'same') throw new Error(`${node.name}: the writers know TensorFlow's padding only`);
      const out = [Math.ceil(height / stride), Math.ceil(width / stride)];
      // TensorFlow's SAME: what is missing, half before and half after, the odd one after.
      const missing = out.map((n, i) =>
        Math.max(0, (n - 1) * stride + (kernel - 1) * dilation + 1 - [height, width][i]),
      );
      const before = missing.map((n) => n >> 1);
      const pads = [...before, ...missing.map((n, i) => n - before[i])];
      const folded =
        node.norm === null
          ? { weights: data(node.weight), bias: data(node.bias) }
          : fold(data(node.weight), {
              gamma: data(`${node.norm.prefix}.weight`),
              beta: data(`${node.norm.prefix}.bias`),
              mean: data(`${node.norm.prefix}.running_mean`),
              variance: data(`${node.norm.prefix}.running_var`),
              epsilon: node.norm.epsilon,
            });
      Object.assign(step, { kernel, stride, dilation, activation, pads, ...folded });
      if (node.groups > 1) step.op = 'depthwise';
      step.shape = [...out, node.outChannels];
    } else if (node.op === 'average_pool') {
      step.shape = [1, 1, channels];
    } else if (node.op === 'linear') {
      Object.assign(step, { weights: data(node.weight), bias: data(node.bias), shape: [1, 1, node.outChannels] });
    } else if (node.op === 'resize') {
      const [likeHeight, likeWidth] = shapes.get(node.like);
      step.shape = [likeHeight, likeWidth, channels];
    } else {
      step.inputs = [node.input, node.other];
      if (node.op === 'concat') step.shape[2] += shapes.get(node.other)[2];
    }
    shapes.set(step.name, step.shape);
    return step;
  });
}

/** Multiply-adds of all convolutions and linear layers, those that our plan counts. */
export function multiplyAdds(steps) {
  const perPixel = (step) => (step.weights === undefined ? 0 : step.weights.length);
  return steps.reduce((sum, step) => sum + perPixel(step) * step.shape[0] * step.shape[1], 0);
}
