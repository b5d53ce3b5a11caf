/** TFLite files on an edge runtime: by URL, and as bytes that are there already. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import type { Folder } from '../../src/base/folder.js';
import * as edge from '../../src/entries/main-edge.js';
import * as node from '../../src/entries/main-node.js';
import { edgePlatform } from '../../src/platforms/edge.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { temporaryFolder } from '../helpers/cli.js';
import { listenInTest } from '../helpers/loopback.js';
import { tfliteNetwork } from '../helpers/tflite-files.js';
import { picture } from '../helpers/waves.js';
import { expectError } from '../helpers/weight-files.js';

beforeEach(() => {
  env.platform = edgePlatform;
});
afterEach(() => {
  env.platform = nodePlatform;
});

const { bytes } = tfliteNetwork({ dtype: 'uint8' });
const pixel_values = picture(3, [1, 3, 32, 32]);

async function logitsOf(where: string | Folder): Promise<Float32Array> {
  using model = await edge.MobileNetV2ForImageClassification.from_pretrained(where);
  return (await model({ pixel_values })).logits.data;
}

/** A file that the caller has. */
const own = (name: string, file = name): Folder => ({
  name,
  read: async (wanted) => (wanted === file ? bytes.slice() : undefined),
});

describe('a TFLite file on an edge runtime', () => {
  it('computes what it computes in Node, by URL and as bytes', async () => {
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/a/net.tflite' ? 200 : 404).end(bytes);
    });
    const { origin } = await listenInTest(server);
    const byUrl = await logitsOf(`${origin}/a/net.tflite`);
    const asBytes = await logitsOf(own('net.tflite'));
    await expectError(() => logitsOf(`${origin}/b/net.tflite`), { code: 'NOT_FOUND' });

    env.platform = nodePlatform;
    const path = join(temporaryFolder(), 'net.tflite');
    writeFileSync(path, bytes);
    using model = await node.MobileNetV2ForImageClassification.from_pretrained(path);
    const { logits } = await model({ pixel_values });
    expect(new Set(logits.data).size).toBeGreaterThan(2);
    expect(byUrl).toEqual(logits.data);
    expect(asBytes).toEqual(logits.data);
  });

  it('serves a pipeline, which asks for several of its files', async () => {
    const progress: string[] = [];
    const classify = await edge.pipeline('image-classification', own('models/net.tflite', 'net.tflite'), {
      progress_callback: (told) => void ('file' in told && progress.push(told.file)),
    });
    const image = new edge.RawImage(new Uint8ClampedArray(32 * 32 * 3).fill(90), 32, 32, 3);
    expect(await classify(image, { top_k: 1 })).toHaveLength(1);
    expect(progress).toContain('net.tflite');
  });

  it('a folder of such a name may still be a folder', async () => {
    await expectError(() => logitsOf(own('net.tflite', 'other.tflite')), {
      code: 'NOT_FOUND',
      file: 'net.tflite/config.json',
    });
  });
});
