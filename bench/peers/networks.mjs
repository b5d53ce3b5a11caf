/** The networks compared, made by our own library: seeded weights that keep activations alive, and their size. */
export const NETWORKS = {
  '0.35-96': { depth_multiplier: 0.35, size: 96 },
  '1.0-224': { depth_multiplier: 1.0, size: 224 },
  '1.4-224': { depth_multiplier: 1.4, size: 224 },
  'deeplab-0.5-257': { depth_multiplier: 0.5, size: 257, output_stride: 8 },
  'deeplab-1.0-513': { depth_multiplier: 1.0, size: 513, output_stride: 16 },
};

/** A generator of numbers from -1 to 1 (mulberry32). */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

/** @param library what `mobilenet-v2` exports */
export function makeNetwork(library, name) {
  const { depth_multiplier, size, output_stride } = NETWORKS[name];
  const segments = output_stride !== undefined;
  const config = new library.MobileNetV2Config({
    depth_multiplier,
    num_labels: segments ? 21 : 1001,
    ...(segments && { output_stride }),
  });
  const Model = segments ? library.MobileNetV2ForSemanticSegmentation : library.MobileNetV2ForImageClassification;
  const model = new Model(config, { seed: 1, device: 'reference' });
  for (const [tensor, { data, dims, type }] of model.state_dict()) {
    if (type === 'float32') liven(tensor, data, dims, numbers(data.length)); // int64 counters stay
  }
  const pixels = new Float32Array(3 * size * size);
  const next = numbers(7);
  for (let i = 0; i < pixels.length; i++) pixels[i] = next();
  return { name, model, size, pixels };
}

/**
 * Hugging Face's own initialisation shrinks a signal into subnormal numbers within 50 layers, and processors are slow at
 * those. He's √(2/fan-in) keeps its size; and batch norms and biases that do something are found out when folded wrongly.
 */
function liven(tensor, data, dims, next) {
  const fanIn = dims.length > 1 ? data.length / dims[0] : 1;
  for (let i = 0; i < data.length; i++) {
    if (tensor.endsWith('normalization.weight') || tensor.endsWith('running_var')) data[i] = 1 + 0.2 * next();
    else if (dims.length === 1) data[i] = 0.2 * next();
    else data[i] = Math.sqrt(6 / fanIn) * next(); // uniform, of variance 2 / fan-in
  }
}
