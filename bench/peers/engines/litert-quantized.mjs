/** LiteRT.js on a file of TensorFlow's own: bytes in, bytes out: probabilities or a map of logits. */
import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';

export async function open({ assets, read, threads, dims }) {
  await loadLiteRt(`${assets}/@litertjs/core/wasm/`, { threads: threads > 1 });
  const model = await loadAndCompile(await read('model.tflite'), {
    accelerator: 'wasm',
    cpuOptions: { numThreads: threads },
  });
  const [, channels, height, width] = dims;
  const x = new Tensor(await read('bytes.bin'), [1, height, width, channels]);
  return {
    layout: 'nhwc',
    async run() {
      const [answer] = await model.run(x);
      const values = answer.toTypedArray(); // a copy
      answer.delete();
      return values;
    },
  };
}
