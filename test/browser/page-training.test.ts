/** Training in a page: in a worker with threads, stopped and gone on with, kept by the site and loaded again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pages } from '../../scripts/quotes.mjs';
import { Zip } from '../../src/formats/zip.js';
import { ROOT } from '../helpers/cli.js';
import type { Loopback } from '../helpers/loopback.js';
import { blocks } from '../helpers/pages.js';
import { findChromium } from './chromium.js';
import { serve } from './server.js';

const executablePath = findChromium();
/** Two bundles and a browser that starts, on a busy machine. */
const START_MS = 120_000;

const ENTRIES = join(ROOT, 'src/entries');
/** The worker and the page of docs/fine-tuning.md. */
const guide = pages().get('fine-tuning.md')!;
const [WORKER] = blocks(guide, 'js worker');
const [TEACH] = blocks(guide, 'js page');
const PAGE = "export * from './main-web.js'; export { PageTraining, Trainer } from './train.js';";
type Own = typeof import('../../src/entries/main.js') & typeof import('../../src/entries/train.js');

/** Of the sources: nothing has to be built. */
async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ENTRIES, loader: 'ts' },
    alias: { 'mobilenet-v2/train': join(ENTRIES, 'train.ts'), 'mobilenet-v2': join(ENTRIES, 'main-web.ts') },
    ...{ bundle: true, minify: true, keepNames: true, platform: 'browser', format: 'esm', write: false },
  });
  return outputFiles[0].text;
}

/** What the page's functions have in common. They travel as text. */
const HELPERS = `
  const own = await import('/dist/training-page.js');
  const { teach } = await import('/dist/teach.js');
  const start = (file = 'worker') => new own.PageTraining(new Worker('/dist/' + file + '.js', { type: 'module' }));
  /** Circles, squares and crosses, each of its own color, place and size. */
  function draw(n, side) {
    const canvas = new OffscreenCanvas(side, side);
    const context = canvas.getContext('2d');
    const part = (k) => ((n * 7919 * k + k * 104729) % 1000) / 1000;
    context.fillStyle = 'hsl(' + 360 * part(1) + ' 60% 85%)';
    context.fillRect(0, 0, side, side);
    context.strokeStyle = context.fillStyle = 'hsl(' + 360 * part(2) + ' 80% 30%)';
    const r = side * (0.2 + 0.1 * part(3));
    const [x, y] = [side * (0.4 + 0.2 * part(4)), side * (0.4 + 0.2 * part(5))];
    context.lineWidth = side / 12;
    context.beginPath();
    if (n % 3 === 0) context.arc(x, y, r, 0, 7);
    if (n % 3 === 1) context.rect(x - r, y - r, 2 * r, 2 * r);
    if (n % 3 === 2) for (const d of [-r, r]) { context.moveTo(x - d, y - r); context.lineTo(x + d, y + r); }
    n % 3 === 1 ? context.fill() : context.stroke();
    return canvas;
  }
  /** As a file, a bitmap, a frame's pixels, by turns. */
  async function add(training, count, side) {
    const drawn = Array.from({ length: count }, (_, n) => draw(n, side));
    const pictures = await Promise.all(drawn.map((canvas, n) =>
      n % 4 < 2 ? canvas.convertToBlob()
        : n % 4 === 2 ? createImageBitmap(canvas)
        : canvas.getContext('2d').getImageData(0, 0, side, side)));
    return Promise.all(pictures.map((picture, n) => training.add(['round', 'square/full', 'x'][n % 3], picture, 'drawing ' + n)));
  }
  /** An untrained network of 32×32 pixels, kept as opfs:tiny. */
  async function tiny() {
    const config = new own.MobileNetV2Config({
      ...{ depth_multiplier: 0.1, image_size: 32, finegrained_output: false, num_labels: 3 },
      ...{ initializer_range: 0.3, classifier_dropout_prob: 0.1 },
    });
    const model = new own.MobileNetV2ForImageClassification(config, { seed: 1, threads: 1 });
    await model.save_pretrained('tiny');
    model.dispose();
    const size = { size: { height: 32, width: 32 }, do_center_crop: false };
    await new own.MobileNetV2ImageProcessor(size).save_pretrained('tiny');
  }
  /**
   * The longest task of the page's thread in milliseconds, 0 for none above 50, and the longest time in which a timer was not
   * served: that one is the machine's too.
   */
  function watch() {
    let [last, unserved, task] = [performance.now(), 0, 0];
    const count = (entries) => {
      for (const { duration } of entries) task = Math.max(task, duration);
    };
    const observer = new PerformanceObserver((list) => count(list.getEntries()));
    observer.observe({ type: 'longtask' });
    const timer = setInterval(() => {
      const now = performance.now();
      unserved = Math.max(unserved, now - last);
      last = now;
    }, 4);
    return () => {
      clearInterval(timer);
      count(observer.takeRecords());
      observer.disconnect();
      return { task, unserved };
    };
  }
  const logitsOf = async (where) => {
    const model = await own.MobileNetV2ForImageClassification.from_pretrained(where, { threads: 1 });
    const side = model.config.image_size;
    const pixels = Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(i * 0.37));
    const { logits } = await model({ pixel_values: new own.Tensor('float32', pixels, [1, 3, side, side]) });
    model.dispose();
    return Array.from(logits.data);
  };
`;

type Helpers = {
  own: Own;
  start(file?: string): InstanceType<Own['PageTraining']>;
  add(training: InstanceType<Own['PageTraining']>, count: number, side: number): Promise<number[]>;
  draw(n: number, side: number): OffscreenCanvas;
  watch(): () => { task: number; unserved: number };
  teach(
    pictures: Record<string, Blob[]>,
  ): ReturnType<typeof import('../../src/entries/main.js').pipeline<'image-classification'>>;
  tiny(): Promise<void>;
  logitsOf(where: string): Promise<number[]>;
};

/** Sixty pictures, the last layer of the network that ships. */
async function trainHead({ own, start, add, draw, watch }: Helpers) {
  const training = start();
  const counts = await add(training, 60, 160);
  const stopWatching = watch();
  const began = performance.now();
  const phases = new Set<string>();
  const args = { num_train_epochs: 12, learning_rate: 0.01, classifier_dropout_prob: 0.2 };
  const options = { model: '/weights/mobilenet_v2_1.0_224', saveTo: 'shapes', args };
  const result = await training.train(options, { progress_callback: ({ phase }) => phases.add(phase) });
  const seconds = (performance.now() - began) / 1000;
  const gap = stopWatching();
  training.dispose();
  const classify = await own.pipeline('image-classification', result.model);
  const [{ label }] = await classify(draw(1, 160), { top_k: 1 });
  const labels = Object.values(classify.model.config.id2label);
  classify.dispose();
  return { counts, result, seconds, gap, phases: [...phases], label, labels, isolated: crossOriginIsolated };
}

/** All of a small network, in one go, and stopped and gone on with. */
async function trainWhole({ own, start, add, logitsOf, tiny, watch }: Helpers) {
  await tiny();
  const args = { train: 'all', batch_norm: 'train', max_steps: 60, learning_rate: 0.003, logging_steps: 5 } as const;
  const options = { model: 'opfs:tiny', args, augmentation: { flip: 0.5 } };
  const whole = start();
  await add(whole, 60, 40);
  const stopWatching = watch();
  const began = performance.now();
  const rates: number[] = [];
  const losses: number[] = [];
  const progress_callback: NonNullable<NonNullable<Parameters<typeof whole.train>[1]>['progress_callback']> = (
    progress,
  ) => {
    if (progress.phase !== 'steps') return;
    rates.push(progress.picturesPerSecond);
    if (progress.logs.loss !== undefined) losses.push(progress.logs.loss);
  };
  const result = await whole.train({ ...options, saveTo: 'whole' }, { progress_callback });
  const seconds = (performance.now() - began) / 1000;
  whole.dispose();
  // Another worker each time, as after the page was closed.
  const first = start();
  await add(first, 60, 40);
  const abort = new AbortController();
  let stoppedAt = 0;
  const stopped = await first
    .train(
      { ...options, saveTo: 'again' },
      {
        signal: abort.signal,
        progress_callback({ phase, done }) {
          if (phase !== 'steps' || done < 2) return;
          stoppedAt ||= done;
          abort.abort();
        },
      },
    )
    .then(
      () => 'not at all',
      (error) => (error === abort.signal.reason ? 'by the signal' : String(error)),
    );
  first.dispose();
  const second = start();
  await add(second, 60, 40);
  let wentOnFrom = Number.POSITIVE_INFINITY;
  await second.train(
    { ...options, saveTo: 'again', resume: true },
    {
      progress_callback({ phase, done }) {
        if (phase === 'steps') wentOnFrom = Math.min(wentOnFrom, done);
      },
    },
  );
  second.dispose();
  const gap = stopWatching();
  const logits = { before: await logitsOf('opfs:tiny'), whole: await logitsOf('opfs:whole') };
  const again = await logitsOf('opfs:again');
  const left = await own.env.platform.folderStore!().then((store) => store.list('again/training'));
  const rate = Math.max(...rates);
  return { result, seconds, gap, rate, losses, stopped, stoppedAt, wentOnFrom, ...logits, again, left };
}

/** A thousand frames of a camera, each handed over as it comes; more pixels than may be kept. */
async function trainMany({ own, start, draw, tiny }: Helpers) {
  await tiny();
  const [width, height] = [160, 120];
  const training = start();
  const began = performance.now();
  for (let n = 0; n < 1000; n++) {
    const context = new OffscreenCanvas(width, height).getContext('2d')!;
    context.drawImage(draw(n, height), 0, 0);
    await training.add(['round', 'square/full', 'x'][n % 3], context.getImageData(0, 0, width, height));
  }
  const added = performance.now();
  const options = { model: 'opfs:tiny', saveTo: 'many', memoryBytes: 1_000_000, args: { num_train_epochs: 1 } };
  const { global_step } = await training.train(options);
  const [addSeconds, trainSeconds] = [(added - began) / 1000, (performance.now() - added) / 1000];
  const model = await own.MobileNetV2ForImageClassification.from_pretrained('opfs:many');
  const { num_labels } = model.config;
  model.dispose();
  training.dispose();
  return { global_step, addSeconds, trainSeconds, num_labels };
}

/** What goes wrong is said, and by its code. */
async function refuse({ own, start, add }: Helpers) {
  const training = start();
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'none',
      (error) => `${error instanceof own.MobileNetError} ${error.code}: ${error.message}`,
    );
  const options = { model: 'opfs:nowhere', saveTo: 'x' };
  const found = [await codeOf(training.train(options))];
  await add(training, 6, 40);
  found.push(await codeOf(training.train(options)));
  found.push(await codeOf(training.train({ ...options, saveTo: '../x', model: '/weights/mobilenet_v2_1.0_224' })));
  training.dispose();
  found.push(await codeOf(own.pipeline('image-classification', 'opfs:nowhere')));
  return found;
}

/** What is looked for is seen: a thread that is held. */
async function hold({ watch }: Helpers) {
  const pause = () => new Promise((resolve) => setTimeout(resolve, 100));
  const stopWatching = watch();
  await pause();
  for (const end = performance.now() + 120; performance.now() < end; );
  await pause();
  return stopWatching();
}

/** A trainer in the page itself: the store as it is in Node, and logits to the bit. */
async function keep({ own }: Helpers) {
  const store = await own.env.platform.folderStore!();
  const bytes = (...values: number[]) => Uint8Array.from(values);
  await store.write(
    'runs/checkpoint-1',
    new Map([
      ['a', bytes(1)],
      ['b', bytes(2, 3)],
    ]),
  );
  await store.write('runs/checkpoint-1', new Map([['a', bytes(4)]]));
  await store.write('runs/checkpoint-2', new Map([['a', bytes(5)]]));
  await own.env.platform.writeFolder!('runs/model', new Map([['a', bytes(6)]]));
  const listed = await store.list('runs');
  const read = [await store.read('runs/checkpoint-1', 'a'), await store.read('opfs:runs/checkpoint-1', 'b')];
  await store.remove('runs/checkpoint-1');
  await store.remove('runs/checkpoint-9');
  const after = await store.list('runs');
  const config = new own.MobileNetV2Config({ depth_multiplier: 0.1, image_size: 32, num_labels: 3 });
  const model = new own.MobileNetV2ForImageClassification(config, { seed: 4, threads: 1 });
  const trainer = new own.Trainer({
    model,
    args: { train: 'head', max_steps: 3, save_steps: 1, output_dir: 'runs/head', classifier_dropout_prob: 0 },
    train_dataset: {
      ...{
        length: 6,
        dims: [3, 32, 32],
        id2label: { 0: 'a', 1: 'b', 2: 'c' },
        targets: Int32Array.of(0, 1, 2, 0, 1, 2),
      },
      item: async (n) => ({ pixel_values: new Float32Array(3072).fill(n / 6), label: n % 3 }),
    },
  });
  await trainer.train();
  await trainer.save_model('runs/trained');
  const checkpoints = await store.list('runs/head');
  const loaded = await own.MobileNetV2ForImageClassification.from_pretrained('opfs:runs/trained', { threads: 1 });
  const pixel_values = new own.Tensor('float32', new Float32Array(3072).fill(0.3), [1, 3, 32, 32]);
  const logits = [];
  for (const each of [model, loaded]) logits.push(Array.from((await each({ pixel_values })).logits.data));
  return {
    listed,
    read: read.map((each) => each && Array.from(each)),
    after,
    checkpoints,
    logits,
    files: store !== null,
  };
}

/** Said, and no bound: on a busy machine a thread may wait for longer than any task takes. */
const held = ({ task, unserved }: { task: number; unserved: number }): string =>
  `the page's longest task ${task === 0 ? 'below 50' : task.toFixed(0)} ms, its timer late by ${unserved.toFixed(0)} ms at most`;

describe.skipIf(executablePath === undefined)('training in Chromium', () => {
  let browser: Browser;
  let server: Loopback;
  let page: Page;

  beforeAll(async () => {
    const files = new Map([
      ['/dist/training-page.js', await bundle(PAGE)],
      ['/dist/worker.js', await bundle(WORKER)],
      // As from a CDN: the files of the package as they are.
      [
        '/dist/plain.js',
        WORKER.replace(
          /'(mobilenet-v2)(\/train)?'/g,
          (_, __, train) => `'/dist/entries/${train ? 'train' : 'main-web'}.js'`,
        ),
      ],
      ['/dist/teach.js', await bundle(TEACH)],
    ]);
    server = await serve(files);
    browser = await chromium.launch({ executablePath: executablePath! });
    page = await browser.newPage();
    await page.goto(`${server.origin}/isolated`);
  }, START_MS);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  const run = async <T>(work: (helpers: Helpers) => Promise<T>): Promise<T> =>
    (await page.evaluate(
      `(async () => { ${HELPERS} return (${work})({ own, start, add, draw, teach, tiny, watch, logitsOf }); })()`,
    )) as T;

  it('what is kept: checkpoints, models, and the same logits', async () => {
    const found = await run(keep);
    expect(found.listed).toEqual(['checkpoint-1', 'checkpoint-2']);
    expect(found.read).toEqual([[4], undefined]);
    expect(found.after).toEqual(['checkpoint-2']);
    expect(found.checkpoints).toEqual(['checkpoint-1', 'checkpoint-2', 'checkpoint-3']);
    expect(found.logits[1]).toEqual(found.logits[0]);
  });

  it('a page that computes by itself is seen to be held', async () => {
    const { task, unserved } = await run(hold);
    expect(task).toBeGreaterThan(100);
    expect(unserved).toBeGreaterThan(100);
  });

  it('the head, on sixty drawings', async () => {
    const { result, seconds, gap, ...found } = await run(trainHead);
    console.log(`a head on 60 pictures: ${seconds.toFixed(1)} s; ${held(gap)}`);
    expect(found.isolated).toBe(true);
    expect(Math.max(...found.counts)).toBe(60);
    expect(found.phases).toEqual(expect.arrayContaining(['pictures', 'features', 'steps']));
    expect(found.labels).toEqual(['round', 'square/full', 'x']);
    expect(result.metrics.eval_accuracy).toBeGreaterThan(0.7);
    expect(result.problems).toEqual([]);
    expect(found.label).toBe('square/full');
  });

  it('the page of docs/fine-tuning.md', async () => {
    const found = await run(async ({ draw, teach }) => {
      const files = (kind: number) => Promise.all([0, 3, 6, 9, 12, 15].map((n) => draw(n + kind, 160).convertToBlob()));
      const classify = await teach({ round: await files(0), square: await files(1) });
      const [{ label }] = await classify(draw(19, 160), { top_k: 1 });
      classify.dispose();
      return label;
    });
    expect(found).toBe('square');
  });

  it('a worker without a bundler', async () => {
    const steps = await run(async ({ start, add, tiny }) => {
      await tiny();
      const training = start('plain');
      await add(training, 12, 40);
      const { global_step } = await training.train({ model: 'opfs:tiny', saveTo: 'plain', args: { max_steps: 2 } });
      training.dispose();
      return global_step;
    });
    expect(steps).toBe(2);
  });

  it('a whole network; stopped, it goes on to the same bits', async () => {
    const found = await run(trainWhole);
    console.log(
      `a small network, 60 steps: ${found.seconds.toFixed(1)} s, ${found.rate.toFixed(0)} pictures/s; ${held(found.gap)}`,
    );
    expect(found.result.global_step).toBe(60);
    expect(found.losses.at(-1)).toBeLessThan(found.losses[0]);
    expect(found.stopped).toBe('by the signal');
    expect(found.stoppedAt).toBeGreaterThan(0);
    expect(found.wentOnFrom).toBeGreaterThanOrEqual(found.stoppedAt);
    expect(found.wentOnFrom).toBeLessThan(60);
    expect(found.whole).not.toEqual(found.before);
    expect(found.again).toEqual(found.whole);
    expect(found.left).toEqual([]);
  });

  it('a model is downloaded as a ZIP file', async () => {
    const download = page.waitForEvent('download');
    await run(async ({ start, tiny }) => {
      await tiny();
      const training = start();
      await training.download('opfs:tiny');
      training.dispose();
    });
    const file = await download;
    expect(file.suggestedFilename()).toBe('tiny.zip');
    const path = await file.path();
    const zip = new Zip(new Uint8Array(readFileSync(path)), 'tiny.zip');
    const names = ['config.json', 'preprocessor_config.json', 'model.safetensors'];
    expect([...zip.entries.keys()]).toEqual(names.map((name) => `tiny/${name}`));
    for (const entry of zip.entries.values()) await zip.read(entry); // throws for a wrong checksum
    const { bytes } = await zip.read(zip.entries.get('tiny/config.json')!);
    expect(JSON.parse(Buffer.from(bytes).toString())).toMatchObject({ image_size: 32, depth_multiplier: 0.1 });
  });

  it('a thousand frames, more than may be kept as pixels', async () => {
    const found = await run(trainMany);
    console.log(
      `1000 frames: ${found.addSeconds.toFixed(1)} s to hand over, ${found.trainSeconds.toFixed(1)} s to train`,
    );
    expect(found.global_step).toBeGreaterThan(50);
    expect(found.num_labels).toBe(3);
  });

  it('says what is wrong', async () => {
    const found = await run(refuse);
    expect(found[0]).toMatch(/^true ARG: train: expected pictures of two classes/);
    expect(found[1]).toMatch(/^true NOT_FOUND: opfs:nowhere/);
    expect(found[2]).toMatch(/^true ARG: .*path/);
    expect(found[3]).toMatch(/^true NOT_FOUND: opfs:nowhere/);
  });
});
