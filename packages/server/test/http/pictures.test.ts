/** Routes that take pictures as bytes or in JSON: Hugging Face's, SageMaker's, Vertex AI's, KServe v1 and TensorFlow Serving. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stripes } from '../../../../test/helpers/tiny.js';
import { buildApp } from '../../src/http/app.js';
import { type PoolOptions, WorkerPool } from '../../src/workers/pool.js';
import { dog, python } from '../helpers/expected.js';
import { tinyModels } from '../helpers/tiny.js';

const picture = stripes(1);
const b64 = picture.toString('base64');
const JSON_TYPE = { 'content-type': 'application/json' };

const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
let pool: WorkerPool;
let app: FastifyInstance;

beforeAll(async () => {
  const [tiny, segmenter] = await tinyModels(folder);
  const features = { ...tiny, name: 'features', task: 'features' } as const;
  const models = [tiny, segmenter, features, { name: 'mobilenet_v2', task: 'classify' } as const];
  pool = await WorkerPool.start({ workers: 1, models });
  const vertex = '/v1/endpoints/7/deployedModels/8';
  app = await buildApp({ pool, aliases: { [vertex]: '/health', [`${vertex}:predict`]: '/v1/models/tiny:predict' } });
});
afterAll(async () => {
  await app.close();
  await pool.close();
  rmSync(folder, { recursive: true });
});

async function post(url: string, payload: Uint8Array | string | object, headers: Record<string, string> = {}) {
  const json = typeof payload === 'object' && !(payload instanceof Uint8Array);
  const body = json ? JSON.stringify(payload) : payload;
  const options = { method: 'POST' as const, url, headers: json ? { ...JSON_TYPE, ...headers } : headers };
  const reply = await app.inject({ ...options, payload: typeof body === 'string' ? body : Buffer.from(body) });
  expect(reply.headers['content-type'] ?? '').toMatch(/^application\/json/);
  return { status: reply.statusCode, body: reply.json(), headers: reply.headers };
}

const best = { label: expect.stringMatching(/^(ant|bee|cat)$/), score: expect.any(Number) };

describe("Hugging Face's routes", () => {
  it('give the labels and scores that Python gives', async () => {
    for (const payload of [dog, { inputs: dog.toString('base64') }]) {
      const { status, body } = await post('/models/mobilenet_v2', payload);
      expect(status).toBe(200);
      expect(body).toEqual(
        python.labels['dog.jpg'].map(({ label, score }) => ({ label, score: expect.closeTo(score, 5) })),
      );
    }
  });

  it('take bytes of any type and of none, JSON with base64, URL-safe base64, lines of base64 and a data: URL', async () => {
    const { body: expected } = await post('/', picture);
    expect(expected).toEqual([best, best, best]);
    for (const type of ['image/png', 'image/jpeg', 'application/x-www-form-urlencoded', 'text/plain; charset=utf-8']) {
      expect((await post('/', picture, { 'content-type': type })).body, type).toEqual(expected);
    }
    const safe = b64.replaceAll('+', '-').replaceAll('/', '_');
    const lines = b64.replace(/.{76}/g, '$&\n');
    for (const inputs of [b64, safe, lines, `data:image/png;base64,${b64}`]) {
      expect((await post('/', { inputs })).body).toEqual(expected);
    }
    // No type at all, as Python's urllib sends it when told so.
    expect((await post('/', JSON.stringify({ inputs: b64 }))).body).toEqual(expected);
    expect((await post('/', { inputs: [b64, b64] })).body).toEqual([expected, expected]);
  });

  it('take parameters, of which null is none', async () => {
    const { body: expected } = await post('/', picture);
    const of = async (parameters: unknown) => (await post('/', { inputs: b64, parameters })).body;
    expect(await of({ top_k: 1 })).toEqual(expected.slice(0, 1));
    expect(await of({ top_k: 1000 })).toEqual(expected);
    expect(await of({ top_k: null, threshold: null })).toEqual(expected);
    expect(await of(null)).toEqual(expected);
    const logits = await of({ function_to_apply: 'none' });
    const sigmoid = await of({ function_to_apply: 'sigmoid' });
    for (const [i, { label, score }] of logits.entries()) {
      expect(sigmoid[i]).toEqual({ label, score: expect.closeTo(1 / (1 + Math.exp(-score)), 6) });
    }
    expect(await of({ function_to_apply: 'softmax' })).toEqual(expected);
    const { score } = expected[1];
    expect(await of({ threshold: score })).toEqual(expected.slice(0, 2));
  });

  it('answer masks without a score, and features', async () => {
    const { body: masks } = await post('/models/segmenter', picture);
    expect(masks.map((mask: object) => Object.keys(mask))).toEqual(masks.map(() => ['label', 'mask']));
    expect(masks.length).toBeGreaterThan(1);
    let covered = 0;
    for (const { mask } of masks) {
      const png = PNG.sync.read(Buffer.from(mask, 'base64'));
      expect([png.width, png.height]).toEqual([32, 32]);
      for (let at = 0; at < png.data.length; at += 4) covered += png.data[at] / 255;
    }
    expect(covered).toBe(32 * 32);
    const { body: features } = await post('/models/features', { inputs: b64 });
    expect([features.length, features[0].length]).toEqual([1, 128]);
    for (const payload of [picture, { inputs: b64 }]) {
      expect((await post('/models/owner/tiny/pipeline/feature-extraction', payload)).body).toEqual(features);
    }
  });

  it.each<[string, number, string, unknown]>([
    ['nothing', 400, 'empty', ''],
    ['text', 415, 'PNG or JPEG', 'hello'],
    ['a PNG that is cut', 400, 'image', picture.subarray(0, 60)],
    ['a URL', 400, 'not fetched', { inputs: 'http://127.0.0.1/cat.jpg' }],
    ['a path', 400, 'base64', { inputs: '../cat.jpg' }],
    ['a file: URL', 400, 'not fetched', { inputs: 'FILE:///etc/passwd' }],
    ['a data: URL without base64', 400, 'base64', { inputs: 'data:image/png,%89PNG' }],
    // A pattern that goes back and forth would take days.
    ['a million line breaks', 400, 'base64', { inputs: `${'\n'.repeat(1_000_000)}!` }],
    ['no inputs', 400, 'inputs: expected a picture in base64, got undefined', { parameters: {} }],
    ['a number', 400, 'got a number', { inputs: 3 }],
    ['no pictures', 400, 'at least', { inputs: [] }],
    ['too many pictures', 413, 'at most 64', { inputs: Array.from({ length: 65 }, () => b64) }],
    ['one of two that is none', 415, 'inputs[1]: ', { inputs: [b64, 'aGVsbG8='] }],
    ['an unknown key', 400, '"input" is unknown', { input: b64 }],
    ['an unknown parameter', 400, '"topk" is unknown', { inputs: b64, parameters: { topk: 2 } }],
    ['a top_k of 0', 400, 'top_k', { inputs: b64, parameters: { top_k: 0 } }],
    ['a top_k of text', 400, 'top_k', { inputs: b64, parameters: { top_k: '2' } }],
    ['a threshold of 2', 400, 'threshold', { inputs: b64, parameters: { threshold: 2 } }],
    ['another function', 400, 'function_to_apply', { inputs: b64, parameters: { function_to_apply: 'relu' } }],
    ['parameters that are a list', 400, 'got a list', { inputs: b64, parameters: [2] }],
    ['a prototype', 400, '"__proto__" is unknown', '{"__proto__":{"inputs":"AAAA"}}'],
    ['JSON that is cut', 400, 'not JSON', '{"inputs":'],
    ['JSON that is no UTF-8', 400, 'not JSON', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['JSON that is nested', 413, 'values', `{"inputs":${'['.repeat(20_000)}`],
  ])('refuse %s', async (_what, expected, word, payload) => {
    const { status, body } = await post('/', payload as string);
    expect([status, body]).toEqual([expected, { error: expect.stringContaining(word) }]);
  });

  it('refuse a list that is said to be JSON, a model and a task that are not there', async () => {
    expect((await post('/', '[1]', JSON_TYPE)).body.error).toContain('expected an object, got a list');
    for (const path of ['nothing', 'tiny/pipeline/image-to-text', 'tiny/pipeline/constructor', '', '__proto__']) {
      expect((await post(`/models/${path}`, picture)).status, path).toBe(404);
    }
    expect((await post('/models/segmenter/pipeline/image-classification', picture)).status).toBe(400);
  });
});

describe('KServe v1 and TensorFlow Serving', () => {
  it('answer in rows and in columns, as they are asked', async () => {
    const { body: labels } = await post('/', picture);
    const classes = labels.map(({ label }: { label: string }) => label);
    const scores = labels.map(({ score }: { score: number }) => score);
    const row = { classes, scores };
    const forms = [{ b64 }, { image_bytes: { b64 } }, { image: { b64 } }, { image: b64 }, b64];
    for (const version of ['', '/versions/1', '/versions/0']) {
      const { status, body } = await post(`/v1/models/tiny${version}:predict`, { instances: forms });
      expect([status, body]).toEqual([200, { predictions: forms.map(() => row) }]);
    }
    const expected = { outputs: { classes: [classes, classes], scores: [scores, scores] } };
    for (const inputs of [{ image: [{ b64 }, { b64 }] }, { image_bytes: [b64, { b64 }] }, [{ b64 }, { b64 }]]) {
      const { body } = await post('/v1/models/tiny:predict', { inputs, signature_name: 'serving_default' });
      expect(body).toEqual(expected);
    }
    const { body } = await post('/v1/models/tiny:predict', { instances: [{ b64 }], parameters: { top_k: 1 } });
    expect(body).toEqual({ predictions: [{ classes: classes.slice(0, 1), scores: scores.slice(0, 1) }] });
  });

  it('write masks as bytes are written, and features as the only output', async () => {
    const { body: masks } = await post('/models/segmenter', picture);
    const { body } = await post('/v1/models/segmenter:predict', { instances: [{ b64 }] });
    const expected = {
      classes: masks.map(({ label }: { label: string }) => label),
      masks: masks.map(({ mask }: { mask: string }) => ({ b64: mask })),
    };
    expect(body).toEqual({ predictions: [expected] });
    const { body: features } = await post('/models/features', picture);
    const row = await post('/v1/models/features:predict', { instances: [{ b64 }, { b64 }] });
    expect(row.body).toEqual({ predictions: [features[0], features[0]] });
    const column = await post('/v1/models/features:predict', { inputs: { image: [{ b64 }] } });
    expect(column.body).toEqual({ outputs: features });
  });

  it('say what is there', async () => {
    const get = async (url: string) => {
      const reply = await app.inject({ url });
      return [reply.statusCode, reply.json()];
    };
    expect(await get('/')).toEqual([200, { status: 'alive' }]);
    expect(await get('/v1/models')).toEqual([200, { models: ['tiny', 'segmenter', 'features', 'mobilenet_v2'] }]);
    const available = { version: '1', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } };
    for (const path of ['/v1/models/tiny', '/v1/models/tiny/versions/1', '/v1/models/tiny/versions/0']) {
      expect(await get(path)).toEqual([200, { name: 'tiny', ready: true, model_version_status: [available] }]);
    }
    const [, { modelSpec, metadata }] = await get('/v1/models/segmenter/versions/1/metadata');
    expect(modelSpec).toMatchObject({ name: 'segmenter', version: '1' });
    const { inputs, outputs } = metadata.signature_def.signatureDef.serving_default;
    const [text, dim] = [{ dtype: 'DT_STRING' }, (...sizes: string[]) => sizes.map((size) => ({ size, name: '' }))];
    expect(inputs).toMatchObject({ image: { ...text, tensorShape: { dim: dim('-1') } } });
    expect(Object.keys(outputs)).toEqual(['classes', 'masks']);
    for (const path of ['/v1/models/nothing', '/v1/models/tiny/versions/2', '/v1/models/tiny/versions/2/metadata']) {
      expect(await get(path)).toEqual([404, { error: expect.any(String) }]);
    }
  });

  it.each<[string, number, string, unknown]>([
    ['neither form', 400, 'either', {}],
    ['both forms', 400, 'either', { instances: [{ b64 }], inputs: [{ b64 }] }],
    ['no list', 400, 'instances: expected a list of pictures, got an object', { instances: { b64 } }],
    ['no pictures', 400, 'instances: ', { instances: [] }],
    ['an unknown input', 400, '"pixels" is unknown', { instances: [{ pixels: [1] }] }],
    ['two inputs', 400, 'expected one of', { instances: [{ image: b64, image_bytes: b64 }] }],
    ['an input without name', 400, 'expected one of', { instances: [{}] }],
    ['more beside the bytes', 400, '"other" is unknown', { instances: [{ b64, other: 1 }] }],
    ['a URL', 400, 'instances[0].b64: URLs are not fetched', { instances: [{ b64: 'https://a.example/' }] }],
    ['numbers', 400, 'got a list', { instances: [[1, 2, 3]] }],
    ['null', 400, 'got null', { instances: [null] }],
    ['a tensor', 413, '/v2/models', { instances: [Array.from({ length: 20_000 }, () => 0)] }],
    ['what is no picture', 415, 'inputs.image[1]: ', { inputs: { image: [b64, 'aGVsbG8='] } }],
    ['another signature', 400, 'serving_default', { instances: [{ b64 }], signature_name: 'predict' }],
  ])('refuse %s', async (_what, expected, word, payload) => {
    const { status, body } = await post('/v1/models/tiny:predict', payload as object);
    expect([status, body]).toEqual([expected, { error: expect.stringContaining(word) }]);
  });

  it('have no other verb, model or version', async () => {
    for (const path of ['tiny:classify', 'tiny:explain', 'nothing:predict', 'tiny/versions/2:predict', 'tiny']) {
      expect((await post(`/v1/models/${path}`, { instances: [{ b64 }] })).status, path).toBe(404);
    }
  });
});

describe('clouds', () => {
  it('SageMaker: bytes, JSON of both kinds, one of several models', async () => {
    expect((await app.inject({ url: '/ping' })).statusCode).toBe(200);
    const { body: labels } = await post('/', picture);
    for (const payload of [picture, { inputs: b64 }])
      expect((await post('/invocations', payload)).body).toEqual(labels);
    expect((await post('/invocations', { inputs: [b64] })).body).toEqual([labels]);
    const row = { instances: [{ b64 }] };
    const { body: predicted } = await post('/v1/models/tiny:predict', row);
    expect((await post('/invocations', row)).body).toEqual(predicted);
    const columns = { inputs: { image: [{ b64 }] } };
    expect((await post('/invocations', columns)).body).toEqual((await post('/v1/models/tiny:predict', columns)).body);
    const other = { 'x-amzn-sagemaker-target-model': 'segmenter' };
    expect((await post('/invocations', picture, other)).body).toEqual((await post('/models/segmenter', picture)).body);
    expect((await post('/invocations', picture, { 'x-amzn-sagemaker-target-model': 'no' })).status).toBe(404);
  });

  it('Vertex AI: the paths that it wants, colons and all', async () => {
    expect((await app.inject({ url: '/v1/endpoints/7/deployedModels/8' })).json()).toEqual({ status: 'ok' });
    const row = { instances: [{ b64 }], parameters: { top_k: 2 } };
    const { status, body } = await post('/v1/endpoints/7/deployedModels/8:predict', row);
    expect([status, body]).toEqual([200, (await post('/v1/models/tiny:predict', row)).body]);
    expect((await post('/v1/endpoints/7/deployedModels/8predict', row)).status).toBe(404);
  });
});

describe('a full queue', () => {
  it('is 429 where the client asks again at once after 503, and 503 elsewhere', async () => {
    const full = await WorkerPool.start({ workers: 1, queue: 0 });
    const own = await buildApp({ pool: full });
    const first = own.inject({ method: 'POST', url: '/', payload: dog });
    await new Promise((resolve) => setImmediate(resolve));
    const ask = (url: string, payload: Buffer | string) => own.inject({ method: 'POST', url, payload });
    const replies = await Promise.all([
      ask('/', dog),
      ask('/models/mobilenet_v2', dog),
      ask('/v1/models/mobilenet_v2:predict', '{"instances":[]}'),
      ask('/invocations', dog),
    ]);
    expect(replies.map(({ statusCode }) => statusCode)).toEqual([429, 429, 503, 503]);
    for (const reply of replies) {
      expect(reply.headers['retry-after']).toBe('1');
      expect(reply.json()).toEqual({ error: expect.any(String) });
    }
    expect((await first).statusCode).toBe(200);
    await own.close();
    await full.close();
  });
});

describe('over a socket', () => {
  const listen = async (options: PoolOptions) => {
    const own = await WorkerPool.start({ workers: 1, ...options });
    const server = await buildApp({ pool: own });
    const url = `${await server.listen({ port: 0 })}/`;
    const close = async () => {
      await server.close();
      await own.close();
    };
    return { own, url, close };
  };

  it('requests that wait for a worker are answered in their turn', async () => {
    const { url, close } = await listen({});
    const forms = [dog, JSON.stringify({ inputs: dog.toString('base64') })];
    const asked = Array.from({ length: 8 }, (_, i) => fetch(url, { method: 'POST', body: forms[i % 2] }));
    const replies = await Promise.all(asked);
    expect(replies.map(({ status }) => status)).toEqual(asked.map(() => 200));
    const bodies = await Promise.all(replies.map((reply) => reply.json()));
    for (const body of bodies) expect(body).toEqual(bodies[0]);
    await close();
  });

  it('one whose sender went away leaves the queue', async () => {
    const { own, url, close } = await listen({});
    const kinds: unknown[] = [];
    const run = own.run.bind(own);
    own.run = (job, options) =>
      run(job, options).catch((error) => {
        kinds.push(error.kind);
        throw error;
      });
    const first = fetch(url, { method: 'POST', body: dog });
    const controller = new AbortController();
    const { signal } = controller;
    const given = Array.from({ length: 8 }, () =>
      fetch(url, { method: 'POST', body: dog, signal }).catch(() => 'gone'),
    );
    while (own.counts.waiting < 2) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    expect(await Promise.all(given)).toContain('gone');
    expect((await first).status).toBe(200);
    await close();
    expect(kinds.length).toBeGreaterThan(0);
    expect(new Set(kinds)).toEqual(new Set(['CANCELLED']));
  });
});
