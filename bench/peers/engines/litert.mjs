import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';
import { channelsLast } from '../layout.mjs';

/** In pages only: it loads its glue by a script element. */
export async function open({ assets, read, threads, dims, pixels }) {
  // Both have relaxed SIMD where the browser has it.
  await loadLiteRt(`${assets}/@litertjs/core/wasm/`, { threads: threads > 1 });
  const model = await loadAndCompile(await read('model.tflite'), {
    accelerator: 'wasm',
    cpuOptions: { numThreads: threads },
  });
  const [, channels, height, width] = dims;
  const x = new Tensor(channelsLast(pixels, channels), [1, height, width, channels]);
  return {
    layout: 'nhwc',
    async run() {
      const [logits] = await model.run(x);
      const values = logits.toTypedArray(); // a copy
      logits.delete();
      return values;
    },
  };
}
