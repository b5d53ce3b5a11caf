/** node transformers.mjs <folder of the network> <port>: transformers.js, as a server of one's own would have it. */
import { createServer } from 'node:http';
import { basename, dirname } from 'node:path';
import { env, pipeline, RawImage } from '@huggingface/transformers';
import sharp from 'sharp';

const [folder, port] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);
// THREADS=1 is the least CPU that a request can take; as it comes, it uses every core.
const threads = Number(process.env.THREADS);
if (threads) sharp.concurrency(threads);
const session_options = threads ? { intraOpNumThreads: threads } : {};
const classify = await pipeline('image-classification', basename(folder), { dtype: 'fp32', session_options });

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const image = await RawImage.fromBlob(new Blob(parts));
  const answer = await classify(image, { top_k: 1 });
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(answer));
});
server.listen(Number(port), '127.0.0.1', () => console.log('listening'));
