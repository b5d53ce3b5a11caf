/**
 * A classifier as a Cloudflare Worker: `curl --data-binary @husky.png https://…` answers with labels. The folder model/
 * beside this file is a checkpoint; a weights file becomes part of the Worker as a data module (docs/deploy.md).
 */
import { MobileNetError, pipeline } from 'mobilenet-v2';
import wasmModule from 'mobilenet-v2/kernels.wasm';
import config from './model/config.json';
import weights from './model/model.safetensors';
import preprocessor from './model/preprocessor_config.json';

const json = (value) => new TextEncoder().encode(JSON.stringify(value));
/** A Folder is anything that gives the bytes of a file by its name: from a module, from R2, from KV. */
const model = {
  name: 'model',
  async read(file) {
    if (file === 'config.json') return json(config);
    if (file === 'preprocessor_config.json') return json(preprocessor);
    if (file === 'model.safetensors') return new Uint8Array(weights);
    return undefined;
  },
};

let classify; // kept from request to request, as long as the runtime keeps this Worker

export default {
  async fetch(request) {
    classify ??= await pipeline('image-classification', model, { wasmModule });
    try {
      return Response.json(await classify(new Uint8Array(await request.arrayBuffer()), { top_k: 3 }));
    } catch (error) {
      if (!(error instanceof MobileNetError)) throw error;
      return Response.json({ code: error.code, message: error.message }, { status: 400 });
    }
  },
};
