/** node ort-sharp.mjs <folder of the network> <port>: onnxruntime-node and sharp, as a server of one's own would have them. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import sharp from 'sharp';
import { CROP, geometry, labelsOf, planes } from '../end-to-end/engines/labels.mjs';

const [folder, port] = process.argv.slice(2);
const read = (name) => readFile(join(folder, name));
// THREADS=1 is the least CPU that a request can take; as they come, both packages use every core.
const threads = Number(process.env.THREADS);
if (threads) sharp.concurrency(threads);
const session = await ort.InferenceSession.create(
  join(folder, 'model.onnx'),
  threads ? { intraOpNumThreads: threads } : {},
);
const label = await labelsOf(read);

async function classify(bytes) {
  const picture = sharp(bytes);
  const meta = await picture.metadata();
  const { width, height, left, top } = geometry(meta.width, meta.height);
  const pixels = await picture
    .resize(width, height, { fit: 'fill', kernel: 'linear' })
    .extract({ left, top, width: CROP, height: CROP })
    .removeAlpha()
    .raw()
    .toBuffer();
  const pixel_values = new ort.Tensor('float32', planes(pixels, 3), [1, 3, CROP, CROP]);
  return label((await session.run({ pixel_values })).logits.data);
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const answer = await classify(Buffer.concat(parts));
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify([answer]));
});
server.listen(Number(port), '127.0.0.1', () => console.log('listening'));
