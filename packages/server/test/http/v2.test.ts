/** The Open Inference Protocol over HTTP, without a socket: what each kind of request gets, down to the bytes. */
import type { FastifyInstance } from 'fastify';
import { load_image } from 'mobilenet-v2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/http/app.js';
import { bytesOf, joinBody, packElements, unpackElements } from '../../src/v2/binary.js';
import { WorkerPool } from '../../src/workers/pool.js';
import { bytesAt, cat, checkLogits, dog, floats, ofCat, pixelsOfCat, python } from '../helpers/expected.js';

const INFER = '/v2/models/mobilenet_v2/infer';
const image = (...pictures: Buffer[]) => ({
  name: 'image',
  datatype: 'BYTES',
  shape: [pictures.length],
  data: pictures.map((picture) => picture.toString('base64')),
  parameters: { content_type: 'base64' },
});

let pool: WorkerPool;
let app: FastifyInstance;
let pixels: Float32Array;

beforeAll(async () => {
  pool = await WorkerPool.start({
    workers: 1,
    models: [
      { name: 'mobilenet_v2', task: 'classify' },
      { name: 'deeplab', task: 'segment' },
      { name: 'features', task: 'features' },
    ],
  });
  app = await buildApp({ pool });
  pixels = await pixelsOfCat();
});
afterAll(async () => {
  await app.close();
  await pool.close();
});

const post = (url: string, payload: object | Buffer, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url, payload, headers });

const tensor = { name: 'pixel_values', datatype: 'FP32', shape: [1, 3, 224, 224] };

/** A request of the binary extension. */
function binary(json: object, parts: Uint8Array[]): { payload: Buffer; headers: Record<string, string> } {
  const { body, header } = joinBody(json, parts);
  return { payload: Buffer.from(body), headers: { 'inference-header-content-length': String(header) } };
}

/** The JSON of a binary answer, and the bytes of each output. */
function taken(reply: { headers: Record<string, unknown>; rawPayload: Buffer }) {
  const header = Number(reply.headers['inference-header-content-length']);
  const json = JSON.parse(reply.rawPayload.toString('utf8', 0, header));
  let at = header;
  const bytes = json.outputs.map(({ parameters }: { parameters: { binary_data_size: number } }) => {
    at += parameters.binary_data_size;
    return reply.rawPayload.subarray(at - parameters.binary_data_size, at);
  });
  expect(at).toBe(reply.rawPayload.length);
  return { json, bytes: bytes as Buffer[] };
}

describe('what there is', () => {
  it.each<[string, object]>([
    [
      '/v2',
      {
        name: 'mobilenet-v2',
        version: '0.1.0',
        extensions: ['binary_tensor_data', 'classification', 'model_configuration', 'model_repository', 'statistics'],
      },
    ],
    [
      '/v2/',
      {
        name: 'mobilenet-v2',
        version: '0.1.0',
        extensions: ['binary_tensor_data', 'classification', 'model_configuration', 'model_repository', 'statistics'],
      },
    ],
    ['/v2/health/live', { live: true }],
    ['/v2/health/ready', { ready: true, live: true }],
    ['/v2/models', { models: ['mobilenet_v2', 'deeplab', 'features'] }],
    ['/v2/models/mobilenet_v2/ready', { name: 'mobilenet_v2', ready: true }],
    ['/v2/models/mobilenet_v2/versions/1/ready', { name: 'mobilenet_v2', ready: true }],
    [
      '/v2/models/mobilenet_v2/versions/1',
      {
        name: 'mobilenet_v2',
        versions: ['1'],
        platform: 'mobilenet-v2',
        inputs: [{ name: 'pixel_values', datatype: 'FP32', shape: [-1, 3, 224, 224] }],
        outputs: [{ name: 'logits', datatype: 'FP32', shape: [-1, 1001] }],
      },
    ],
    [
      '/v2/models/mobilenet_v2/config',
      {
        name: 'mobilenet_v2',
        platform: '',
        backend: 'mobilenet-v2',
        max_batch_size: 64,
        input: [{ name: 'pixel_values', data_type: 'TYPE_FP32', format: 'FORMAT_NCHW', dims: [3, 224, 224] }],
        output: [{ name: 'logits', data_type: 'TYPE_FP32', dims: [1001], label_filename: '' }],
        instance_group: [{ name: 'mobilenet_v2', kind: 'KIND_CPU', count: 1 }],
      },
    ],
  ])('GET %s', async (url, expected) => {
    const reply = await app.inject(url);
    expect([reply.statusCode, reply.json()]).toEqual([200, expected]);
  });

  it('POST /v2/repository/index, whatever the body', async () => {
    const entry = { version: '1', state: 'READY', reason: '' };
    const expected = ['mobilenet_v2', 'deeplab', 'features'].map((name) => ({ name, ...entry }));
    expect((await app.inject({ method: 'POST', url: '/v2/repository/index' })).json()).toEqual(expected);
    expect((await post('/v2/repository/index', { ready: true })).json()).toEqual(expected);
  });

  it('not: an unknown model or version', async () => {
    for (const url of ['/v2/models/x', '/v2/models/x/ready', '/v2/models/mobilenet_v2/versions/2/config']) {
      const reply = await app.inject(url);
      expect([reply.statusCode, Object.keys(reply.json())]).toEqual([404, ['error']]);
    }
    expect((await post('/v2/models/x/infer', {})).json()).toEqual({ error: 'model: there is no "x"' });
  });
});

describe('a tensor', () => {
  it('comes and goes as JSON, flat or nested, with its id', async () => {
    const flat = Array.from(pixels);
    const rows = (from: number[], size: number) =>
      Array.from({ length: from.length / size }, (_, i) => from.slice(i * size, (i + 1) * size));
    const nested = [rows(rows(flat, 224) as never, 224)];
    for (const data of [flat, nested]) {
      const reply = await post(INFER, { id: '7', inputs: [{ ...tensor, data }], outputs: [{ name: 'logits' }] });
      expect(reply.statusCode, reply.body.slice(0, 300)).toBe(200);
      expect(reply.headers['content-type']).toMatch(/^application\/json/);
      const { outputs, ...rest } = reply.json();
      expect(rest).toEqual({ model_name: 'mobilenet_v2', model_version: '1', id: '7' });
      expect(outputs.map(({ data: _, ...head }: { data: unknown }) => head)).toEqual([
        { name: 'logits', datatype: 'FP32', shape: [1, 1001] },
      ]);
      checkLogits(outputs[0].data);
    }
  });

  const sized = { ...tensor, parameters: { binary_data_size: 602112 } };

  it.each([
    ['the output says so', { outputs: [{ name: 'logits', parameters: { binary_data: true } }] }],
    ['the request says so', { parameters: { binary_data_output: true } }],
  ])('comes and goes as bytes, where %s', async (_what, more) => {
    const { payload, headers } = binary({ inputs: [sized], ...more }, [bytesOf(pixels)]);
    const reply = await post('/v2/models/mobilenet_v2/versions/1/infer', payload, headers);
    expect(reply.headers['content-type']).toBe('application/octet-stream');
    const { json, bytes } = taken(reply);
    expect(json.outputs).toEqual([
      { name: 'logits', datatype: 'FP32', shape: [1, 1001], parameters: { binary_data_size: 4004 } },
    ]);
    checkLogits(floats(bytes[0]));
  });

  it('goes as JSON where an output says so against the request', async () => {
    const outputs = [{ name: 'logits', parameters: { binary_data: false } }];
    const { payload, headers } = binary({ inputs: [sized], outputs, parameters: { binary_data_output: true } }, [
      bytesOf(pixels),
    ]);
    const reply = await post(INFER, payload, headers);
    expect(reply.headers['inference-header-content-length']).toBeUndefined();
    checkLogits(reply.json().outputs[0].data);
  });

  it('may be two pictures', async () => {
    const twice = new Float32Array(pixels.length * 2);
    twice.set(pixels, pixels.length);
    const input = { ...tensor, shape: [2, 3, 224, 224], parameters: { binary_data_size: twice.byteLength } };
    const { payload, headers } = binary({ inputs: [input] }, [bytesOf(twice)]);
    const { outputs } = (await post(INFER, payload, headers)).json();
    expect(outputs[0].shape).toEqual([2, 1001]);
    checkLogits(outputs[0].data.slice(1001));
  });

  it('gives classes as texts: the classification extension', async () => {
    const outputs = [{ name: 'logits', parameters: { classification: 3 } }];
    const { payload, headers } = binary({ inputs: [sized], outputs }, [bytesOf(pixels)]);
    const [{ data, ...head }] = (await post(INFER, payload, headers)).json().outputs;
    expect(head).toEqual({ name: 'logits', datatype: 'BYTES', shape: [1, 3] });
    for (const [i, text] of data.entries()) {
      const [value, index, ...label] = text.split(':');
      expect([Number(index), label.join(':')]).toEqual([ofCat[i].index, ofCat[i].label]);
      expect(Number(value)).toBeCloseTo(ofCat[i].logit, 3);
    }
  });

  it('gives features of a classifier where they are asked for', async () => {
    const { payload, headers } = binary({ inputs: [sized], outputs: [{ name: 'pooler_output' }] }, [bytesOf(pixels)]);
    const [{ shape, data }] = (await post(INFER, payload, headers)).json().outputs;
    expect(shape).toEqual([1, 1280]);
    for (const [i, value] of python.features['cat.jpg'].entries()) expect(data[i]).toBeCloseTo(value, 3);
  });
});

describe('a picture', () => {
  it('is classified from base64, with as many labels as are asked for', async () => {
    const reply = await post(INFER, { inputs: [image(cat)], parameters: { top_k: 3 } });
    const [labels, scores] = reply.json().outputs;
    expect(labels).toEqual({
      name: 'labels',
      datatype: 'BYTES',
      shape: [1, 3],
      data: ofCat.slice(0, 3).map(({ label }) => label),
    });
    expect(scores).toMatchObject({ name: 'scores', datatype: 'FP32', shape: [1, 3] });
    for (const [i, score] of scores.data.entries()) expect(score).toBeCloseTo(ofCat[i].score, 5);
  });

  it.each([[[2]], [[2, 1]]])('comes as bytes, two of them with shape %j', async (shape) => {
    const elements = packElements([dog, cat]);
    const input = { name: 'image', datatype: 'BYTES', shape, parameters: { binary_data_size: elements.length } };
    const { payload, headers } = binary({ inputs: [input], parameters: { binary_data_output: true } }, [elements]);
    const { json, bytes } = taken(await post(INFER, payload, headers));
    expect(json.outputs.map((output: { shape: number[] }) => output.shape)).toEqual([
      [2, 5],
      [2, 5],
    ]);
    const labels = unpackElements(bytes[0], 10, 'labels').map((label) => Buffer.from(label).toString());
    expect(labels.slice(5)).toEqual(ofCat.map(({ label }) => label));
    expect(floats(bytes[1])[5]).toBeCloseTo(ofCat[0].score, 5);
  });

  it('is the whole body, with a header of 0 bytes', async () => {
    const { json, bytes } = taken(await post(INFER, cat, { 'inference-header-content-length': '0' }));
    expect(json.outputs.map(({ name }: { name: string }) => name)).toEqual(['labels', 'scores']);
    expect(floats(bytes[1])[0]).toBeCloseTo(ofCat[0].score, 5);
  });

  it('gives what the network makes of it, beside labels', async () => {
    const outputs = [{ name: 'logits' }, { name: 'labels' }];
    const [logits, labels] = (await post(INFER, { inputs: [image(cat)], outputs })).json().outputs;
    checkLogits(logits.data);
    expect(labels.data[0]).toBe(ofCat[0].label);
  });

  it('gives a mask of class numbers and the names of these', async () => {
    const [mask, labels] = (await post('/v2/models/deeplab/infer', { inputs: [image(dog)] })).json().outputs;
    expect(mask).toMatchObject({ name: 'mask', datatype: 'BYTES', shape: [1], parameters: { content_type: 'base64' } });
    expect(labels.data[12]).toBe('dog');
    const found = await load_image(Buffer.from(mask.data[0], 'base64'), { indices: true });
    const expected = await load_image(bytesAt('packages/server/test/clients/expected/dog-classes.png'));
    expect([found.width, found.height]).toEqual([expected.width, expected.height]);
    const one = (picture: typeof found, i: number) => picture.data[i * picture.channels];
    let wrong = 0;
    for (let i = 0; i < found.width * found.height; i++) if (one(found, i) !== one(expected, i)) wrong++;
    expect(wrong / (found.width * found.height)).toBeLessThan(0.002);
  });

  it('gives features', async () => {
    const outputs = (await post('/v2/models/features/infer', { inputs: [image(cat)] })).json().outputs;
    expect(outputs).toMatchObject([{ name: 'pooler_output', shape: [1, 1280] }]);
    for (const [i, value] of python.features['cat.jpg'].entries()) expect(outputs[0].data[i]).toBeCloseTo(value, 3);
  });
});

describe('is refused', () => {
  const good = { ...tensor, parameters: { binary_data_size: 602112 } };
  const zeros = new Uint8Array(602112);
  const tooLarge = Float32Array.of(Number.NaN);

  it.each<[string, object, Uint8Array[], number, string]>([
    [
      'a byte less',
      { inputs: [good] },
      [zeros.subarray(1)],
      400,
      'inputs[0].parameters.binary_data_size: expected at most 602111 bytes',
    ],
    [
      'a byte more',
      { inputs: [good] },
      [zeros, zeros.subarray(0, 1)],
      400,
      'body: expected 602112 bytes after the JSON',
    ],
    [
      "a size that is not the shape's",
      { inputs: [{ ...good, parameters: { binary_data_size: 4 } }] },
      [zeros.subarray(0, 4)],
      400,
      'inputs[0]: expected 602112 bytes',
    ],
    ['data twice', { inputs: [{ ...good, data: [1] }] }, [zeros], 400, 'inputs[0]: expected either data or'],
    ['no data', { inputs: [tensor] }, [], 400, 'inputs[0].data: expected values'],
    [
      'another size of picture',
      { inputs: [{ ...good, shape: [1, 3, 112, 448] }] },
      [zeros],
      400,
      'inputs[0].shape: expected [N,3,224,224]',
    ],
    [
      'no picture',
      { inputs: [{ ...good, shape: [0, 3, 224, 224], parameters: { binary_data_size: 0 } }] },
      [],
      400,
      'inputs[0].shape: expected',
    ],
    [
      'too many pictures',
      { inputs: [{ ...image(), shape: [65], data: [''] }] },
      [],
      413,
      'inputs[0].shape: expected at most 64 pictures',
    ],
    [
      'another type',
      { inputs: [{ ...good, datatype: 'FP64' }] },
      [zeros],
      400,
      'inputs[0].datatype: expected FP32, got "FP64"',
    ],
    [
      'NaN',
      { inputs: [good] },
      [zeros.subarray(4), bytesOf(tooLarge)],
      400,
      'inputs[0][150527]: expected a finite float32, got NaN',
    ],
    [
      'an unknown output',
      { inputs: [good], outputs: [{ name: 'mask' }] },
      [zeros],
      400,
      'outputs[0].name: expected one of logits, pooler_output',
    ],
    [
      'classes of a map',
      { inputs: [good], outputs: [{ name: 'last_hidden_state', parameters: { classification: 1 } }] },
      [zeros],
      400,
      'outputs[0].parameters.classification: expected it',
    ],
    [
      'no classes',
      { inputs: [good], outputs: [{ name: 'logits', parameters: { classification: 0 } }] },
      [zeros],
      400,
      'outputs[0].parameters.classification: expected a whole number ≥ 1',
    ],
    [
      'no labels',
      { inputs: [image(cat)], parameters: { top_k: 0 } },
      [],
      400,
      'request.parameters.top_k: expected a whole number ≥ 1, got 0',
    ],
    [
      'a URL',
      { inputs: [{ ...image(cat), data: ['http://localhost/cat.jpg'] }] },
      [],
      400,
      'inputs[0].data[0]: expected a picture as base64',
    ],
    [
      'text',
      { inputs: [image(Buffer.from('hello'))] },
      [],
      415,
      'inputs[0][0]: image: expected a PNG or JPEG picture, got text',
    ],
    ['half a picture', { inputs: [image(cat, cat.subarray(0, 300))] }, [], 400, 'inputs[0][1]: image: '],
  ])('%s', async (_what, json, parts, status, message) => {
    const { payload, headers } = binary(json, parts);
    const reply = await post(INFER, payload, headers);
    expect(reply.json()).toEqual({ error: expect.stringContaining(message) });
    expect(reply.statusCode).toBe(status);
  });

  it.each<[string, Buffer, string]>([
    ['no JSON', Buffer.from('{"inputs":'), 'body: expected JSON in UTF-8'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'body: expected JSON in UTF-8'],
    ['many brackets', Buffer.from('['.repeat(100_000)), 'body: expected JSON in UTF-8'],
    [
      'nested deeper than its shape',
      Buffer.from(JSON.stringify({ inputs: [{ ...tensor, data: [[[[[1]]]]] }] })),
      'inputs[0].data[0]: expected an array of 3',
    ],
    [
      'text among numbers',
      Buffer.from(JSON.stringify({ inputs: [{ ...tensor, data: Array(150528).fill('1') }] })),
      'inputs[0].data[0]: expected a number, got "1"',
    ],
    [
      'bytes without the header',
      Buffer.from(JSON.stringify({ inputs: [good] })),
      'Inference-Header-Content-Length: expected it',
    ],
    ['nothing', Buffer.alloc(0), 'body: expected'],
  ])('a body of %s', async (_what, payload, message) => {
    const reply = await post(INFER, payload);
    expect([reply.statusCode, reply.json()]).toEqual([400, { error: expect.stringContaining(message) }]);
  });

  it('a header that is longer than the body', async () => {
    const reply = await post(INFER, cat, { 'inference-header-content-length': String(cat.length + 1) });
    expect([reply.statusCode, reply.json().error]).toEqual([
      400,
      expect.stringContaining('Inference-Header-Content-Length'),
    ]);
  });
});

describe('statistics', () => {
  it('count pictures and calls, what failed, and times', async () => {
    const stats = async () => (await app.inject('/v2/models/deeplab/stats')).json().model_stats[0];
    const before = await stats();
    await post('/v2/models/deeplab/infer', { inputs: [image(dog)] });
    await post('/v2/models/deeplab/infer', { inputs: [] });
    const after = await stats();
    expect(after.inference_count - before.inference_count).toBe(1);
    expect(after.execution_count - before.execution_count).toBe(1);
    expect(after.last_inference).toBeGreaterThan(before.last_inference);
    const { success, fail, queue, compute_infer, cache_hit } = after.inference_stats;
    expect([success.count, fail.count]).toEqual([
      before.inference_stats.success.count + 1,
      before.inference_stats.fail.count + 1,
    ]);
    expect(compute_infer.ns).toBeGreaterThan(before.inference_stats.compute_infer.ns);
    expect(success.ns).toBeGreaterThanOrEqual(compute_infer.ns + queue.ns);
    expect(cache_hit).toEqual({ count: 0, ns: 0 });
  });
});

describe("Triton's timeout", () => {
  it('drops what waits longer for a worker, from JSON and from binary bodies', async () => {
    // Copies: bytes are given away.
    const pictures = Array.from({ length: 12 }, () => new Uint8Array(cat));
    const busy = pool.run({ kind: 'pictures', model: 'mobilenet_v2', task: 'classify', pictures });
    const late = { inputs: [image(cat)], parameters: { timeout: 20_000 } };
    const size = { parameters: { binary_data_size: bytesOf(pixels).length } };
    const { payload, headers } = binary({ ...late, inputs: [{ ...tensor, ...size }] }, [bytesOf(pixels)]);
    const patient = post(INFER, { ...late, parameters: { timeout: 60_000_000 } });
    const replies = await Promise.all([post(INFER, late), post(INFER, payload, headers)]);
    expect(pool.counts.running).toBe(1);
    for (const reply of replies) {
      expect([reply.statusCode, reply.json()]).toEqual([503, { error: 'Request timeout expired' }]);
    }
    expect((await patient).statusCode).toBe(200);
    await busy;
  });

  it.each([-1, 1.5, '20', true])('cannot be %j', async (timeout) => {
    const reply = await post(INFER, { inputs: [image(cat)], parameters: { timeout } });
    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toContain('request.parameters.timeout: expected a whole number ≥ 0');
  });
});
