/** tfjs in Node without native code. tfjs knows three channels of int32, so bytes are spread. */
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { openTfjs } from './tfjs.mjs';

const isPng = (bytes) => bytes[0] === 0x89;

export async function open(options) {
  const classify = await openTfjs(options);
  return async (bytes) => {
    const picture = isPng(bytes)
      ? PNG.sync.read(Buffer.from(bytes))
      : jpeg.decode(bytes, { useTArray: true, formatAsRGBA: true, maxMemoryUsageInMB: 2048 });
    const { width, height, data } = picture;
    return classify((tf) => {
      const values = new Int32Array(width * height * 3);
      for (let from = 0, to = 0; to < values.length; from += 4) {
        for (let c = 0; c < 3; c++) values[to++] = data[from + c];
      }
      return tf.tensor3d(values, [height, width, 3], 'int32');
    });
  };
}
