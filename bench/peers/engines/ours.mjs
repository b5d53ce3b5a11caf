/** mobilenet-v2 itself, from a folder with config.json and model.safetensors. */
export async function open({ library, device, memory = 'fast', read, folder, threads, dims, pixels }) {
  const { MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation, Tensor } = await library();
  const { architectures } = JSON.parse(new TextDecoder().decode(await read('config.json')));
  const Model = architectures[0].endsWith('Segmentation')
    ? MobileNetV2ForSemanticSegmentation
    : MobileNetV2ForImageClassification;
  const model = await Model.from_pretrained(folder ?? { name: 'network', read }, { device, memory, threads });
  const pixel_values = new Tensor('float32', pixels, dims);
  const { multiplyAdds, arenaBytes } = model.plan(dims);
  return {
    layout: 'nchw',
    info: { multiplyAdds, arenaBytes },
    run: async () => (await model({ pixel_values })).logits.data,
  };
}
