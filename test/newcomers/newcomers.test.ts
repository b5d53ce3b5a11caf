/**
 * Programs of newcomers, in processes of their own: what people wrote for another library, with another import. They ask a
 * hub on this computer for models by the names that the examples have; it gives them the checkpoints that ship.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RawImage } from '../../src/entries/main-node.js';
import { ROOT, temporaryFolder } from '../helpers/cli.js';
import { listenInTest } from '../helpers/loopback.js';
import { CLASSIFIER, SEGMENTER } from '../helpers/models.js';
import { startHub } from '../hub/server.mjs';

const filesOf = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file))]));

/** Lines that a program prints. */
async function run(program: string, ...args: string[]): Promise<string[]> {
  const repos = {
    'google/mobilenet_v2_1.0_224': filesOf(CLASSIFIER),
    'google/deeplabv3_mobilenet_v2_1.0_513': filesOf(SEGMENTER),
  };
  const hub = await startHub({ repos });
  onTestFinished(() => hub.close());
  const own = Object.entries(process.env).filter(([name]) => !/^(HF|HUGGING|TRANSFORMERS|XDG)_/.test(name));
  const env = { ...Object.fromEntries(own), HF_ENDPOINT: hub.endpoint, HF_HOME: temporaryFolder() };
  const child = spawn(process.execPath, [join(ROOT, 'test/newcomers', program), ...args], { cwd: ROOT, env });
  const texts = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      texts[stream] += text;
    });
  }
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(texts.stderr).toBe('');
  expect(code).toBe(0);
  return texts.stdout.trimEnd().split('\n');
}

/** The pictures of examples/ behind a URL. */
async function servePictures(): Promise<string> {
  const server = createServer((request, response) => {
    response.end(readFileSync(join(ROOT, 'examples', request.url!)));
  });
  return (await listenInTest(server)).origin;
}

const LABEL = 'malamute, malemute, Alaskan malamute';

describe('newcomers', () => {
  it("Hugging Face's examples for MobileNetV2", async () => {
    expect(await run('transformers.mjs', join(ROOT, 'examples/husky.png'))).toEqual([
      `pipeline: ${LABEL}`,
      `The predicted class label is: ${LABEL}`,
      'config: mobilenet_v2 1 2223872',
      'last_hidden_states: [ 1, 1280, 7, 7 ]',
      `classification: ${LABEL}`,
      'logits: [ 1, 21, 33, 33 ]',
      "segmentation: [ 370, 270 ] int64 [ 'background', 'dog' ]",
    ]);
  });

  it('an application for transformers.js', async () => {
    const [pictures, folder] = [await servePictures(), temporaryFolder()];
    const size = readFileSync(join(CLASSIFIER, 'model.safetensors')).length;
    const lines = await run('transformers-js.mjs', `${pictures}/husky.png`, `${pictures}/dog.jpg`, folder);
    expect(lines).toEqual([
      'progress: done download initiate progress progress_total ready',
      `weights: ${size} of ${size}, 100 %`,
      `classifier: 3 ${LABEL}`,
      `several: ${LABEL} | ${LABEL}`,
      `topk: ${LABEL} true`,
      `row: [ 1001 ] ${LABEL}`,
      'by hand: [ 1, 3, 224, 224 ] true 1',
      expect.stringMatching(/^features: \[ 2, 1280 \] 0\.\d\d$/),
      lines[7].replace(/^features: \[ 2, 1280 \]/, 'normalized:'),
      expect.stringMatching(/^segments: background, (.*, )?dog/),
      'thumbnail: [ 64, 88 ]',
      expect.stringMatching(/^share: [3-7]\d %$/),
    ]);
    const cutout = readFileSync(join(folder, 'cutout.png'));
    expect([cutout.readUInt32BE(16), cutout.readUInt32BE(20), cutout[25]]).toEqual([270, 370, 6]); // RGB and alpha
    expect((await RawImage.read(join(folder, 'thumbnail.jpg'))).size).toEqual([64, 88]);
  });
});
