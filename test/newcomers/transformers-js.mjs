/**
 * An application as one writes it for transformers.js: from '@huggingface/transformers' has become 'mobilenet-v2', and
 * nothing else was changed.
 *
 *     node transformers-js.mjs http://localhost:1234/husky.png http://localhost:1234/dog.jpg folder
 */
import { join } from 'node:path';
import {
  AutoModelForImageClassification,
  AutoProcessor,
  cos_sim,
  env,
  pipeline,
  RawImage,
  softmax,
  Tensor,
  topk,
} from 'mobilenet-v2';

const [husky, dog, folder] = process.argv.slice(2);
env.allowLocalModels = false;
const MODEL = 'google/mobilenet_v2_1.0_224';

// A progress bar
const files = new Map();
const statuses = new Set();
const classifier = await pipeline('image-classification', MODEL, {
  dtype: 'fp32',
  device: 'cpu',
  progress_callback: (info) => {
    statuses.add(info.status);
    if (info.status === 'progress')
      files.set(info.file, `${info.loaded} of ${info.total}, ${Math.round(info.progress)} %`);
  },
});
console.log('progress:', [...statuses].sort().join(' '));
console.log('weights:', files.get('model.safetensors'));

// The pipeline
const output = await classifier(husky, { top_k: 3 });
console.log('classifier:', output.length, output[0].label);
const both = await classifier([husky, dog], { top_k: 1 });
console.log('several:', both.map(([{ label }]) => label).join(' | '));

// Processor and model
const processor = await AutoProcessor.from_pretrained(MODEL);
const model = await AutoModelForImageClassification.from_pretrained(MODEL, { dtype: 'fp32' });
const image = await RawImage.fromURL(husky);
const inputs = await processor(image);
const { logits } = await model(inputs);
const probabilities = softmax(logits[0].data);
const [scores, indices] = await topk(new Tensor('float32', probabilities, [probabilities.length]), 3);
const labels = indices.tolist().map((index) => model.config.id2label[index]);
console.log('topk:', labels[0], Math.abs(scores.tolist()[0] - output[0].score) < 1e-6);
for (const row of logits) console.log('row:', row.dims, model.config.id2label[row.argmax().item()]);

// Pixels by hand
const small = await (await image.center_crop(224, 224)).resize(224, 224);
const pixel_values = small.rgb().toTensor('CHW').to('float32').div_(255).sub_(0.5).div_(0.5).unsqueeze(0);
const byHand = await model({ pixel_values });
console.log('by hand:', pixel_values.dims, pixel_values.min().item() >= -1, byHand.logits.dims[0]);

// Similar pictures
const extractor = await pipeline('image-feature-extraction', MODEL);
const features = await extractor([husky, dog], { pool: true });
console.log('features:', features.dims, cos_sim(features[0].data, features[1].data).toFixed(2));
const [a, b] = features.normalize().tolist();
console.log('normalized:', a.reduce((sum, value, i) => sum + value * b[i], 0).toFixed(2));

// Cut out what was found, and a thumbnail
const segmenter = await pipeline('image-segmentation', 'google/deeplabv3_mobilenet_v2_1.0_513');
const segments = await segmenter(husky);
console.log('segments:', segments.map(({ label }) => label).join(', '));
const { mask } = segments.find(({ label }) => label === 'dog');
const cutout = image.clone().putAlpha(mask);
await cutout.save(join(folder, 'cutout.png'));
const thumbnail = await image.resize(64, -1);
await thumbnail.save(join(folder, 'thumbnail.jpg'));
console.log('thumbnail:', (await RawImage.read(join(folder, 'thumbnail.jpg'))).size);
console.log('share:', Math.round(100 * mask.toTensor().gt(0).to('float32').mean().item()), '%');
