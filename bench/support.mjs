/** What the benchmarks share. */

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Scales a randomly initialised model so that its activations stay alive. Hugging Face initialises every layer with
 * deviation 0.02, and 50 layers of that shrink a signal into subnormal numbers, which processors are slow at: times of
 * such a model are not those of a trained one. He's √(2/fan-in) keeps the size.
 */
export function liven(model) {
  for (const [name, { data, dims }] of model.state_dict()) {
    if (!name.endsWith('convolution.weight')) continue;
    const scale = Math.sqrt(2 / (dims[1] * dims[2] * dims[3])) / model.config.initializer_range;
    for (let i = 0; i < data.length; i++) data[i] *= scale;
  }
  return model;
}
