import * as ort from 'onnxruntime-web';
import { openOnnx } from './onnxruntime.mjs';

export function open(options) {
  ort.env.wasm.numThreads = options.threads;
  if (options.assets) ort.env.wasm.wasmPaths = `${options.assets}/onnxruntime-web/dist/`;
  return openOnnx(ort, options);
}
