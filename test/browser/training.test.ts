/** A training in a real browser: its checkpoints lie in the page's own file system, and it goes on from them to the bit. */
import { describe, expect, it } from 'vitest';
import { reportOf } from './report.js';
import { AS_SAFARI, findWebKit, openInWebKit } from './webkit.js';
import { bundle, bundled, inChromium, wholePage } from './whole-page.js';

const webkit = findWebKit();

/** In the page: it travels as text. */
async function train(own: typeof import('../../src/entries/main.js') & typeof import('../../src/entries/train.js')) {
  const { env, get_last_checkpoint, MobileNetV2Config, MobileNetV2ForImageClassification, Trainer } = own;
  const id2label = { 0: 'a', 1: 'b', 2: 'c' };
  const train_dataset = {
    ...{ length: 12, dims: [3, 32, 32] as const, id2label, targets: Int32Array.from({ length: 12 }, (_, i) => i % 3) },
    item: async (i: number) => ({
      pixel_values: Float32Array.from({ length: 3072 }, (_, k) => Math.sin(k * (i + 1))),
      label: i % 3,
    }),
  };
  const make = () => {
    const small = { depth_multiplier: 0.1, image_size: 32, finegrained_output: false, initializer_range: 0.2 };
    const config = new MobileNetV2Config({ ...small, id2label, classifier_dropout_prob: 0.1 });
    const args = {
      ...{ output_dir: 'runs/one', num_train_epochs: 2, batch_norm: 'train' as const, per_device_train_batch_size: 6 },
      ...{ learning_rate: 1e-3, save_steps: 1, save_total_limit: 2 },
    };
    return new Trainer({ model: new MobileNetV2ForImageClassification(config, { threads: 1 }), args, train_dataset });
  };
  const whole = make();
  await whole.train();
  const store = await env.platform.folderStore!();
  const [folders, last] = [await store.list('runs/one'), await get_last_checkpoint('runs/one')];
  const again = make();
  await again.train({ resume_from_checkpoint: 'runs/one/checkpoint-3' });
  const state = again.model.state_dict();
  const isSame = [...whole.model.state_dict()].every(([name, { data }]) => `${data}` === `${state.get(name)?.data}`);
  // As a page leaves it that is closed while a folder is written.
  const root = await navigator.storage.getDirectory();
  const run = await (await root.getDirectoryHandle('runs')).getDirectoryHandle('one');
  await (await run.getDirectoryHandle('checkpoint-9', { create: true })).getFileHandle('config.json', { create: true });
  await store.remove('runs/one/checkpoint-3');
  const nothing = [await store.list('nowhere'), (await store.read('runs/one/checkpoint-4', 'none')) === undefined];
  return { folders, last, isSame, left: await store.list('runs/one'), nothing };
}

/** What the training leaves. */
const KEPT = {
  folders: ['checkpoint-3', 'checkpoint-4'],
  last: 'runs/one/checkpoint-4',
  isSame: true,
  left: ['checkpoint-4'],
  nothing: [[], true],
};

const CONTENTS = "export * from 'mobilenet-v2'; export * from 'mobilenet-v2/train';";

describe.skipIf(inChromium === undefined)('in Chromium', () => {
  const whole = wholePage(inChromium, () => bundled(CONTENTS));
  const evaluate = <T>(expression: string) => whole.browser.evaluate<T>(`${whole.server.origin}/plain`, expression);

  it('a training keeps its checkpoints, and goes on from one', async () => {
    const found = await evaluate(`(async () => (${train})(await import('/dist/bundle.js')))()`);
    expect(found).toEqual(KEPT);
  });

  it('as in Safari before 26, where no file has a stream: in a worker, and in the page it says so', async () => {
    const without = 'delete FileSystemFileHandle.prototype.createWritable;';
    const bundle = `${whole.server.origin}/dist/bundle.js`;
    const program = `${without}
      import(${JSON.stringify(bundle)}).then(${train}).then(postMessage, (error) => postMessage(String(error)));`;
    const inWorker = `new Promise((resolve, reject) => {
      const blob = new Blob([${JSON.stringify(program)}], { type: 'text/javascript' });
      const worker = new Worker(URL.createObjectURL(blob), { type: 'module' });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    })`;
    expect(await evaluate(inWorker)).toEqual(KEPT);
    const inPage = `${without} import(${JSON.stringify(bundle)}).then(${train}).catch(({ code, message }) => ({ code, message }))`;
    const refused = await evaluate(inPage);
    expect(refused).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('in a worker') });
  });
});

describe.skipIf(webkit === undefined)('in WebKitGTK, set up as Safari', () => {
  // It gives workers no handles for files that are written without a stream, as Safari does.
  it('a training in a worker keeps its checkpoints, and goes on from one', async () => {
    const post = "(result) => fetch('/', { method: 'POST', body: JSON.stringify(result) })";
    const program = `import('/bundle.js').then(${train}).catch(String).then(${post});`;
    const files = new Map([
      ['/', "<!doctype html><script>new Worker('/worker.js', { type: 'module' })</script>"],
      ['/worker.js', program],
      ['/bundle.js', await bundle(CONTENTS)],
    ]);
    const found = await reportOf(openInWebKit(webkit!, AS_SAFARI), '/', (path) => {
      if (!files.has(path)) throw new Error(`no ${path}`);
      return files.get(path)!;
    });
    expect(found).toEqual(KEPT);
  });
});
