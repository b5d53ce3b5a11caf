/**
 * Networks with seeded weights. What they are made of comes from the library's own architecture and plan; the library is
 * given, as there are several builds of it to compare.
 */

export const NETWORKS = {
  '0.35-96': { depth_multiplier: 0.35, size: 96 },
  '1.0-160': { depth_multiplier: 1.0, size: 160 },
  '1.0-224': { depth_multiplier: 1.0, size: 224 },
  '1.0-224-int8': { depth_multiplier: 1.0, size: 224, dtype: 'int8' },
  '1.0-224-uint8': { depth_multiplier: 1.0, size: 224, dtype: 'uint8' },
  '1.4-224': { depth_multiplier: 1.4, size: 224 },
  'deeplab-0.5-257-os8': { depth_multiplier: 0.5, size: 257, output_stride: 8 },
  'deeplab-0.5-513-os16-uint8': { depth_multiplier: 0.5, size: 513, output_stride: 16, dtype: 'uint8' },
  'deeplab-1.0-513-os16': { depth_multiplier: 1.0, size: 513, output_stride: 16 },
  'deeplab-1.0-513-os8': { depth_multiplier: 1.0, size: 513, output_stride: 8 },
};

/**
 * @param library what `mobilenet-v2` exports
 * @param options of the model: device, threads, memory; and of a quantized one its state (quantized.mjs)
 */
export function makeNetwork(library, name, options, batch = 1) {
  const { depth_multiplier, size, output_stride, dtype } = NETWORKS[name];
  const Model =
    library[`MobileNetV2For${output_stride === undefined ? 'ImageClassification' : 'SemanticSegmentation'}`];
  const num_labels = output_stride === undefined ? 1001 : 21;
  const config = library.MobileNetV2Config.from_dict({
    ...{ depth_multiplier, num_labels, output_stride: output_stride ?? 32 },
    ...(dtype !== undefined && { quantization_config: { quant_method: 'mobilenet-v2', dtype } }),
  });
  const model = new Model(config, { seed: 1, ...options });
  if (dtype === undefined) liven(model);
  const dims = [batch, 3, size, size];
  const pixels = Float32Array.from({ length: batch * 3 * size * size }, (_, i) => Math.sin(i * 0.37));
  const pixel_values = new library.Tensor('float32', pixels, dims);
  return { model, pixel_values, plan: () => model.plan(dims), run: () => model({ pixel_values }) };
}

/**
 * Scales a randomly initialised model so that its activations stay alive. Hugging Face initialises every layer with
 * deviation 0.02, and 50 layers of that shrink a signal into subnormal numbers, which processors are slow at: times of
 * such a model are not those of a trained one. He's √(2/fan-in) keeps the size.
 */
function liven(model) {
  for (const [name, { data, dims }] of model.state_dict()) {
    if (!name.endsWith('convolution.weight')) continue;
    const scale = Math.sqrt(2 / (dims[1] * dims[2] * dims[3])) / model.config.initializer_range;
    for (let i = 0; i < data.length; i++) data[i] *= scale;
  }
}
