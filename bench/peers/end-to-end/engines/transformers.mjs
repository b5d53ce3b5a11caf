/** transformers.js. In pages it decodes and resizes with a canvas; for Node see transformers-node.mjs. */
import { env, pipeline, RawImage } from '@huggingface/transformers';

export async function open({ folder, assets, network, threads = 1 }) {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = folder === undefined ? '/networks/' : folder.replace(/[^/]+$/, '');
  if (folder === undefined) {
    env.backends.onnx.wasm.numThreads = 1;
    env.backends.onnx.wasm.wasmPaths = `${assets}/@huggingface/transformers/node_modules/onnxruntime-web/dist/`;
    env.useBrowserCache = false;
  }
  const classify = await pipeline('image-classification', network, {
    device: folder === undefined ? 'wasm' : 'cpu',
    dtype: 'fp32',
    session_options: threads === null ? {} : { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  return async (bytes) => (await classify(await RawImage.fromBlob(new Blob([bytes])), { top_k: 1 }))[0];
}
