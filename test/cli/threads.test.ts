/** Pictures prepared by other threads: the same results, the same errors, the same order, and an end. */
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { beforeEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import type * as Package from '../../src/entries/main-node.js';
import type * as Threads from '../../src/platforms/node/picture-threads.js';
import { cli, ROOT, temporaryFolder } from '../helpers/cli.js';
import { readGoldens } from '../helpers/goldens.js';
import { saveTinyClassifier, saveTinySegmenter, stripes, writeStripes } from '../helpers/tiny.js';

let folder: string;
let photos: string;
beforeEach(() => {
  folder = temporaryFolder();
  photos = `${folder}/photos`;
  mkdirSync(photos);
  for (let n = 0; n < 9; n++) writeStripes(photos, `${n}.png`, n, 30 + 5 * n, 40);
  writeFileSync(`${photos}/2.png`, 'no picture');
  writeFileSync(`${photos}/3.png`, stripes(3).subarray(0, 60));
  writeFileSync(`${photos}/6.png`, '');
});

const COUNTS = ['2', '64']; // auto is what all other tests of the command line run with

describe.each(COUNTS)('%s threads give what one gives', (threads) => {
  /** A run with that many threads and one with a single thread, which must be alike to the last letter. */
  async function both(args: readonly string[]) {
    const alone = await cli([...args, '--threads', '1'], { cwd: folder });
    expect(await cli([...args, '--threads', threads], { cwd: folder })).toEqual(alone);
    expect(alone.code).toBe(1); // for the broken ones
    return alone;
  }

  it('classify', async () => {
    await saveTinyClassifier(folder);
    const args = ['classify', 'photos', 'none.png', 'photos/1.png', '--model', '.', '--device', 'js', '--json'];
    const { stdout } = await both(args);
    expect(JSON.parse(stdout)).toHaveLength(11);
    await both([...args, '--batch-size', '4']);
    await both(args.slice(0, -1));
  });

  it('features', async () => {
    await saveTinyClassifier(folder);
    const { stdout } = await both(['features', 'photos', '--model', '.', '--device', 'js', '--out', 'f.safetensors']);
    expect(stdout).toContain('6 pictures');
    expect(readGoldens(`${folder}/f.safetensors`).get('features')!.dims[0]).toBe(6);
  });

  it('segment', async () => {
    await saveTinySegmenter(folder);
    await both(['segment', 'photos', '--model', '.', '--device', 'js', '--out', 'masks', '--ndjson']);
    await both(['segment', 'photos', '--model', '.', '--device', 'js', '--out', 'masks', '--whole-image']);
  });
});

it('--threads takes a number or auto', async () => {
  for (const wrong of ['0', '65', '1.5', 'all', '']) {
    const { code, stderr } = await cli(['classify', 'a.png', '--threads', wrong]);
    expect(code, wrong).toBe(2);
    expect(stderr).toContain('from 1 to 64');
  }
});

describe('threads themselves', () => {
  // Of the built package: a worker cannot load TypeScript.
  const load = <T>(file: string): Promise<T> => import(pathToFileURL(join(ROOT, 'dist', file)).href);

  it('give pictures and pixels, and errors of the class', async () => {
    const { PictureThreads } = await load<typeof Threads>('platforms/node/picture-threads.js');
    const { MobileNetError, MobileNetV2ImageProcessor, load_image } =
      await load<typeof Package>('entries/main-node.js');
    const processor = new MobileNetV2ImageProcessor({ size: 32, crop_size: 32 });
    const threads = new PictureThreads(2, pathToFileURL(join(ROOT, 'dist/cli/picture-worker.js')));
    threads.configure({ processor, options: { do_center_crop: false }, keepImage: true });
    const image = await load_image(`${photos}/8.png`);
    const prepared = await threads.prepare(`${photos}/8.png`);
    expect(prepared.pixel_values).toEqual((await processor(image, { do_center_crop: false })).pixel_values);
    expect(prepared.image).toEqual(image);
    const error = await threads.prepare(`${photos}/3.png`).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(MobileNetError);
    expect(error).toMatchObject({ code: 'IMAGE', file: `${photos}/3.png` });
    expect(error.stack).toContain('png');
    threads.close();
  });

  it('have their worker beside the bundle, which would do without it in silence', async () => {
    const limits = { ...env.limits };
    const worker = new Worker(join(ROOT, 'dist/bundle/picture-worker.js'), { workerData: { limits } });
    worker.postMessage({ processor: {}, options: {}, keepImage: false, network: null });
    worker.postMessage({ id: 7, file: `${photos}/none.png` });
    const [answer] = await once(worker, 'message');
    expect(answer).toMatchObject({ id: 7, error: { code: 'NOT_FOUND' } });
    await worker.terminate();
  });

  it('that die leave their pictures to the main thread', async () => {
    // Without a program every thread dies at once.
    const { PictureThreads } = await import('../../src/platforms/node/picture-threads.js');
    const { MobileNetV2ImageProcessor } = await import('../../src/entries/main-node.js');
    const threads = new PictureThreads(2, new URL('./none.js', import.meta.url));
    threads.configure({ processor: new MobileNetV2ImageProcessor(), options: {}, keepImage: false });
    const all = Array.from({ length: 9 }, (_, n) => threads.prepare(`${photos}/${n}.png`).catch(({ code }) => code));
    const settled = await Promise.all(all);
    expect(settled.map((one) => one.pixel_values?.dims.join() ?? one)).toEqual([
      ...['1,3,224,224', '1,3,224,224', 'UNSUPPORTED', 'IMAGE', '1,3,224,224', '1,3,224,224', 'IMAGE'],
      ...['1,3,224,224', '1,3,224,224'],
    ]);
    expect((await threads.prepare(`${photos}/0.png`)).image).toBeNull();
  });
});
