/**
 * What the compiler must accept and refuse of code that uses the package. Nothing here runs: `npm run types` checks it, and
 * an error that is expected and does not come is an error itself.
 */
import {
  AutoConfig,
  AutoImageProcessor,
  AutoModelForImageClassification,
  AutoProcessor,
  type ClassificationResult,
  type ImageInput,
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  type MobileNetV2ImageProcessor,
  MobileNetV2Model,
  pipeline,
  type RawImage,
  type SegmentationResult,
  Tensor,
} from '../../src/entries/main.js';

/** Fails to compile where the types are not the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_same: Same<A, B>): void => {};

export async function pictures(one: ImageInput, many: readonly ImageInput[], either: ImageInput | ImageInput[]) {
  const classify = await pipeline('image-classification');
  const single = await classify(one, { top_k: 3 });
  same<typeof single, ClassificationResult[]>(true);
  const list = await classify(many);
  same<typeof list, ClassificationResult[][]>(true);
  const paths = await classify(['a.png', 'b.png']);
  same<typeof paths, ClassificationResult[][]>(true);
  const both = await classify(either);
  same<typeof both, ClassificationResult[] | ClassificationResult[][]>(true);
  const ofEither = async <T extends ImageInput | ImageInput[]>(input: T) => classify(input);
  const ofList = async <T extends ImageInput>(input: T[]) => (await classify(input))[0][0].label;
  const ofOne = async <T extends ImageInput>(input: T) => (await classify(input))[0].label;

  const segment = await pipeline('image-segmentation', 'folder');
  const masks = await segment(either, { wholeImage: false, threshold: 0.5 });
  same<typeof masks, SegmentationResult[] | SegmentationResult[][]>(true);

  const extract = await pipeline('image-feature-extraction');
  const features = await extract(either, { pool: true });
  same<typeof features, Tensor<'float32'>>(true);
  return { ofEither, ofList, ofOne };
}

export async function numbers(image: RawImage) {
  const processor = await AutoProcessor.from_pretrained('folder', { use_fast: true });
  same<typeof processor, MobileNetV2ImageProcessor>(true);
  const model = await AutoModelForImageClassification.from_pretrained('folder', {
    num_labels: 3,
    id2label: { 0: 'a', 1: 'b', 2: 'c' },
    label2id: { a: 0, b: 1, c: 2 },
    ignore_mismatched_sizes: true,
    output_hidden_states: true,
    dtype: 'fp16',
    torch_dtype: 'auto',
    device: 'cpu',
    trust_remote_code: true,
  });
  same<typeof model, MobileNetV2ForImageClassification>(true);
  const inputs = await processor([image, 'cat.png', new URL('https://example.com/cat.png')], { return_tensors: 'pt' });
  const { logits } = await model(inputs);
  await model(inputs.pixel_values, { output_hidden_states: [1] });
  await model({ ...inputs, labels: new Tensor('int64', [1], [1]) });
  const label: string = model.config.id2label[logits.argmax(-1).item()];
  const value: number = logits.max().item();
  const maps = processor.post_process_semantic_segmentation({ logits }, null);
  same<typeof maps, Tensor<'int64'>[]>(true);
  const [scored] = processor.post_process_semantic_segmentation({ logits }, [[3, 4]], true);
  same<typeof scored.segmentation_scores, Tensor<'float32'>>(true);
  const base = MobileNetV2Model.from_config(await AutoConfig.from_pretrained('folder'));
  same<typeof base, MobileNetV2Model>(true);
  const config = MobileNetV2Config.from_dict({ anything: 1 }, { num_labels: 3 });
  config.num_labels = 5;
  const architectures: string[] | null = config.architectures;
  return {
    label,
    value,
    architectures,
    model_type: config.model_type,
    count: base.num_parameters({ only_trainable: true }),
  };
}

export async function typos(image: ImageInput, config: MobileNetV2Config, pixels: Tensor) {
  // @ts-expect-error
  new MobileNetV2Config({ num_lables: 3 });
  // @ts-expect-error
  await AutoConfig.from_pretrained('folder', { outputStride: 8 });
  // @ts-expect-error
  const model = await MobileNetV2ForImageClassification.from_pretrained('folder', { cacheDir: 'x' });
  // @ts-expect-error
  await MobileNetV2ForImageClassification.from_pretrained('folder', { dtype: 'q4' });
  // @ts-expect-error
  await MobileNetV2ForImageClassification.from_pretrained('folder', { device: 'webgpu' });
  // @ts-expect-error
  await MobileNetV2ForImageClassification.from_pretrained('folder', { config: { output_strid: 8 } });
  // @ts-expect-error
  await MobileNetV2ForImageClassification.from_pretrained('folder', { quantized: true });
  // @ts-expect-error
  new MobileNetV2Model(config, { thread: 1 });
  // @ts-expect-error
  MobileNetV2Model.from_config(config, { sed: 1 });
  // @ts-expect-error
  await AutoImageProcessor.from_pretrained('folder', { do_resise: true });
  const processor = await AutoImageProcessor.from_pretrained('folder');
  // @ts-expect-error
  await processor(image, { cropsize: 3 });
  // @ts-expect-error
  await pipeline('image-classification', 'folder', { thread: 1 });
  const classify = await pipeline('image-classification');
  // @ts-expect-error
  await classify(image, { topK: 3 });
  // @ts-expect-error
  await classify(image, { function_to_apply: 'tanh' });
  // @ts-expect-error
  await model({ pixel_value: pixels });
  // @ts-expect-error
  await model(pixels, { label: pixels });
  // @ts-expect-error
  await model.save_pretrained('folder', { dtype: 'int8' });
  // @ts-expect-error
  model.load_state_dict({}, { stict: false });
  // @ts-expect-error
  processor.post_process_semantic_segmentation({ logits: pixels }, null, { return_scores: true });
}
