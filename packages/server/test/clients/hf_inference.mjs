/** @huggingface/inference: classes, masks and features, by endpointUrl and by endpoint(); a refusal is its own kind of error. */
import { ok, rejects } from 'node:assert/strict';
import { InferenceClient } from '@huggingface/inference';
import { checkLabels, features, read, SERVER } from './common.mjs';

const blob = (name) => new Blob([read(name)]);
const client = new InferenceClient();
for (const name of ['cat.jpg', 'dog.jpg', 'husky.png']) {
  const found = await client.imageClassification({ data: blob(name), endpointUrl: SERVER });
  ok(found.length === 5);
  checkLabels(found, name);
}
const endpoint = client.endpoint(`${SERVER}/models/mobilenet_v2`);
checkLabels(await endpoint.imageClassification({ data: blob('coffee.jpg') }), 'coffee.jpg');
const two = await endpoint.imageClassification({ inputs: blob('coffee.jpg'), parameters: { top_k: 2 } });
checkLabels(two, 'coffee.jpg');

// The client sends base64 JSON here, and takes no mask whose score is null.
const segments = await client
  .endpoint(`${SERVER}/models/deeplab`)
  .imageSegmentation({ inputs: blob('dog.jpg'), parameters: { threshold: 0 } });
ok(segments.map(({ label }) => label).join() === 'background,bicycle,car,dog');
for (const { mask } of segments) ok(Buffer.from(mask, 'base64').subarray(1, 4).toString() === 'PNG');

const [row] = await client.featureExtraction({
  inputs: Buffer.from(read('cat.jpg')).toString('base64'),
  endpointUrl: `${SERVER}/models/mobilenet_v2/pipeline/feature-extraction`,
});
const expected = features('cat.jpg');
ok(row.length === expected.length && row.every((value, i) => Math.abs(value - expected[i]) < 1e-4));

await rejects(
  endpoint.imageClassification({ data: new Blob(['no picture']) }),
  (error) => error.httpResponse.status === 415 && /expected a PNG or JPEG/.test(error.message),
);
console.log('@huggingface/inference: endpointUrl, endpoint(), top_k, masks, features, a refusal');
