/** The same as classify.mjs with everything typed; compiles under `strict` with the libraries' own types checked too. */
import {
  type ClassificationResult,
  MobileNetError,
  MobileNetV2ForImageClassification,
  MobileNetV2ImageProcessor,
  pipeline,
  type RawImage,
  type Tensor,
} from 'mobilenet-v2';
import { load_image } from 'mobilenet-v2/image';
import { toNdarray } from 'mobilenet-v2/ndarray';
import { env } from 'mobilenet-v2/node';

env.limits.imagePixels = 20_000_000;

/** In one call. */
async function classify(file: string): Promise<ClassificationResult[]> {
  using classifier = await pipeline('image-classification', undefined, { threads: 1 });
  return await classifier(file, { top_k: 3 }); // awaited here: it is disposed of when this function ends
}

/** Step by step. */
async function logitsOf(image: RawImage): Promise<Tensor<'float32'>> {
  const processor = await MobileNetV2ImageProcessor.from_pretrained();
  using model = await MobileNetV2ForImageClassification.from_pretrained(undefined, { device: 'js' });
  const { pixel_values } = await processor(image);
  const { logits } = await model({ pixel_values });
  return logits;
}

const file = process.argv[2] ?? 'husky.png';
try {
  const logits = await logitsOf(await load_image(file));
  console.log(toNdarray(logits).shape);
  const [best] = await classify(file);
  console.log(`${file}: ${best?.label} ${best?.score.toFixed(3)}`);
} catch (error) {
  if (error instanceof MobileNetError) console.error(error.code, error.message);
  throw error;
}
