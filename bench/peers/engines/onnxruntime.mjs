/** onnxruntime-node or onnxruntime-web: one interface, and one file for both. */
export async function openOnnx(ort, { read, threads, dims, pixels }) {
  const session = await ort.InferenceSession.create(await read('model.onnx'), {
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const pixel_values = new ort.Tensor('float32', pixels, dims);
  return { layout: 'nchw', run: async () => (await session.run({ pixel_values })).logits.data };
}
