/** onnxruntime-node, with sharp before it: native code throughout. sharp decodes a JPEG smaller where it can (shrink-on-load). */
import * as ort from 'onnxruntime-node';
import sharp from 'sharp';
import { CROP, geometry, labelsOf, planes } from './labels.mjs';

export async function open({ read, threads = 1 }) {
  if (threads !== null) sharp.concurrency(threads);
  const options =
    threads === null ? {} : { intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential' };
  const session = await ort.InferenceSession.create(await read('model.onnx'), options);
  const label = await labelsOf(read);
  return async (bytes) => {
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
  };
}
