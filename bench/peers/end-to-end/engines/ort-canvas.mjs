/** onnxruntime-web, with the page's own decoder and canvas before it. */
import * as ort from 'onnxruntime-web';
import { cropOf } from './canvas.mjs';
import { CROP, labelsOf, planes } from './labels.mjs';

export async function open({ read, assets }) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = `${assets}/onnxruntime-web/dist/`;
  const session = await ort.InferenceSession.create(await read('model.onnx'));
  const label = await labelsOf(read);
  return async (bytes) => {
    const { data } = await cropOf(bytes);
    const pixel_values = new ort.Tensor('float32', planes(data, 4), [1, 3, CROP, CROP]);
    return label((await session.run({ pixel_values })).logits.data);
  };
}
