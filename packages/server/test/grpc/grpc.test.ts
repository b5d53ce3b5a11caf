/** The Open Inference Protocol over gRPC, by grpc-js's client. */
import { connect } from 'node:http2';
import { gzipSync } from 'node:zlib';
import * as grpc from '@grpc/grpc-js';
import * as loader from '@grpc/proto-loader';
import * as health from 'grpc-health-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelInferRequest, ModelInferResponse } from '../../src/grpc/messages.js';
import { loadPeers } from '../../src/grpc/peers.js';
import { type RunningServer, serve } from '../../src/serve.js';
import { bytesOf, unpackElements } from '../../src/v2/binary.js';
import { cat, checkLogits, floats, ofCat, pixelsOfCat, ROOT } from '../helpers/expected.js';

const TOKEN = 'a-token';
let server: RunningServer;
let client: grpc.Client;
let service: grpc.ServiceDefinition;
let pixels: Float32Array;

beforeAll(async () => {
  server = await serve({ port: 0, grpcPort: 0, workers: 1, queue: 2, token: TOKEN, bodyLimit: 4 * 1024 * 1024 });
  const path = new URL('packages/server/proto/grpc_service.proto', ROOT).pathname;
  const definition = grpc.loadPackageDefinition(
    await loader.load(path, { keepCase: true, longs: Number, defaults: true, oneofs: true }),
  ) as unknown as { inference: { GRPCInferenceService: grpc.ServiceClientConstructor } };
  const Client = definition.inference.GRPCInferenceService;
  service = Client.service;
  client = new Client(`127.0.0.1:${server.grpcPort}`, grpc.credentials.createInsecure());
  pixels = await pixelsOfCat();
});
afterAll(async () => {
  client.close();
  await server.close();
});

const withToken = (): grpc.Metadata => {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${TOKEN}`);
  return metadata;
};

/** Calls a method; a rejected promise has the status's code and details. */
function call<T = Record<string, unknown>>(
  method: string,
  request: object,
  metadata = withToken(),
  options: grpc.CallOptions = {},
): Promise<T> {
  const { path, requestSerialize, responseDeserialize } = service[method];
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, options, (error, answer) =>
      error ? reject(error) : resolve(answer as T),
    ),
  );
}

const picture = (more: Partial<ModelInferRequest> = {}) => ({
  model_name: 'mobilenet_v2',
  inputs: [{ name: 'image', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [cat] } }],
  ...more,
});
const tensor = { name: 'pixel_values', datatype: 'FP32', shape: [1, 3, 224, 224] };
const raw = (more: object = {}) => ({
  model_name: 'mobilenet_v2',
  inputs: [tensor],
  raw_input_contents: [Buffer.from(bytesOf(pixels))],
  ...more,
});

function checkAnswer(answer: ModelInferResponse): void {
  expect(answer.outputs[0]).toMatchObject({ name: 'logits', datatype: 'FP32', shape: [1, 1001] });
  checkLogits(floats(answer.raw_output_contents[0]));
}
const texts = (bytes: Uint8Array, count: number): string[] =>
  unpackElements(bytes, count, 'x').map((element) => Buffer.from(element).toString());

describe('what there is', () => {
  it.each<[string, object, object]>([
    ['ServerLive', {}, { live: true }],
    ['ServerReady', {}, { ready: true }],
    ['ModelReady', { name: 'mobilenet_v2', version: '1' }, { ready: true }],
    [
      'ServerMetadata',
      {},
      {
        name: 'mobilenet-v2',
        extensions: ['binary_tensor_data', 'classification', 'model_configuration', 'model_repository', 'statistics'],
      },
    ],
    [
      'ModelMetadata',
      { name: 'mobilenet_v2' },
      { versions: ['1'], inputs: [{ name: 'pixel_values', shape: [-1, 3, 224, 224] }] },
    ],
    ['ModelConfig', { name: 'mobilenet_v2' }, { config: { max_batch_size: 64, input: [{ dims: [3, 224, 224] }] } }],
    ['ModelStatistics', {}, { model_stats: [{ name: 'mobilenet_v2', version: '1' }] }],
    ['RepositoryIndex', {}, { models: [{ name: 'mobilenet_v2', state: 'READY' }] }],
  ])('%s', async (method, request, expected) => {
    expect(await call(method, request)).toMatchObject(expected);
  });

  it('not: a model, a version, a method', async () => {
    await expect(call('ModelReady', { name: 'x' })).rejects.toMatchObject({ code: grpc.status.NOT_FOUND });
    await expect(call('ModelConfig', { name: 'mobilenet_v2', version: '2' })).rejects.toMatchObject({
      code: grpc.status.NOT_FOUND,
      details: 'model mobilenet_v2: there is no version "2", there is "1"',
    });
    await expect(call('RepositoryModelLoad', {})).rejects.toMatchObject({ code: grpc.status.UNIMPLEMENTED });
  });

  it('health, for probes, which have no token', async () => {
    const check = health.service.Check;
    const ask = (name: string) =>
      new Promise((resolve, reject) =>
        client.makeUnaryRequest(
          check.path,
          check.requestSerialize,
          check.responseDeserialize,
          { service: name },
          (error, answer) => (error ? reject(error) : resolve(answer)),
        ),
      );
    expect(await ask('')).toMatchObject({ status: 'SERVING' });
    expect(await ask('inference.GRPCInferenceService')).toMatchObject({ status: 'SERVING' });
    await expect(ask('x')).rejects.toMatchObject({ code: grpc.status.NOT_FOUND });
  });
});

describe('ModelInfer', () => {
  it('takes a tensor as raw bytes, and gives its id back', async () => {
    const answer = await call<ModelInferResponse>('ModelInfer', raw({ id: '7', model_version: '1' }));
    expect(answer).toMatchObject({ model_name: 'mobilenet_v2', model_version: '1', id: '7' });
    checkAnswer(answer);
  });

  it('takes a tensor as numbers', async () => {
    const inputs = [{ ...tensor, contents: { fp32_contents: Array.from(pixels) } }];
    checkAnswer(await call<ModelInferResponse>('ModelInfer', { model_name: 'mobilenet_v2', inputs }));
  });

  it('takes a picture, and parameters', async () => {
    const answer = await call<ModelInferResponse>('ModelInfer', picture({ parameters: { top_k: { int64_param: 2 } } }));
    expect(answer.outputs.map(({ shape }) => shape)).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(texts(answer.raw_output_contents[0], 2)).toEqual(ofCat.slice(0, 2).map(({ label }) => label));
    expect(floats(answer.raw_output_contents[1])[0]).toBeCloseTo(ofCat[0].score, 5);
  });

  it('gives classes', async () => {
    const outputs = [{ name: 'logits', parameters: { classification: { int64_param: 1 } } }];
    const answer = await call<ModelInferResponse>('ModelInfer', raw({ outputs }));
    expect(texts(answer.raw_output_contents[0], 1)[0]).toMatch(/^13\.40\d+:286:Egyptian cat$/);
  });

  const code = grpc.status;
  it.each<[string, object, number, string]>([
    ['an unknown model', { model_name: 'x' }, code.NOT_FOUND, 'model: there is no "x"'],
    ['no inputs', { model_name: 'mobilenet_v2' }, code.INVALID_ARGUMENT, 'inputs: expected one tensor'],
    [
      'bytes for another input',
      { ...picture(), raw_input_contents: [Buffer.alloc(1), Buffer.alloc(1)] },
      code.INVALID_ARGUMENT,
      'raw_input_contents: expected one for each',
    ],
    [
      'no values',
      { model_name: 'mobilenet_v2', inputs: [tensor] },
      code.INVALID_ARGUMENT,
      'inputs[0]: expected 602112 bytes',
    ],
    [
      'another type',
      { model_name: 'mobilenet_v2', inputs: [{ ...tensor, datatype: 'INT64' }] },
      code.INVALID_ARGUMENT,
      'inputs[0].datatype: expected FP32',
    ],
    [
      'a size below zero',
      { model_name: 'mobilenet_v2', inputs: [{ ...tensor, shape: [-1] }] },
      code.INVALID_ARGUMENT,
      'inputs[0].shape',
    ],
    [
      'text',
      { ...picture(), inputs: [{ ...picture().inputs[0], contents: { bytes_contents: [Buffer.from('hello')] } }] },
      code.INVALID_ARGUMENT,
      'inputs[0][0]: image: expected a PNG or JPEG',
    ],
    [
      '65 pictures',
      { ...picture(), inputs: [{ ...picture().inputs[0], shape: [65] }] },
      code.RESOURCE_EXHAUSTED,
      'at most 64 pictures',
    ],
    [
      'more bytes than a message may have',
      { model_name: 'mobilenet_v2', inputs: [tensor], raw_input_contents: [Buffer.alloc(5 * 1024 * 1024)] },
      code.RESOURCE_EXHAUSTED,
      '',
    ],
  ])('refuses %s', async (_what, request, status, details) => {
    const error = await call('ModelInfer', request).then(
      () => undefined,
      (reason) => reason,
    );
    expect(error).toMatchObject({ code: status });
    expect(error.details).toContain(details);
  });

  it('refuses what is not a message, and says what in whole characters', async () => {
    const { path, responseDeserialize } = service.ModelInfer;
    const error = await new Promise((resolve) =>
      client.makeUnaryRequest(path, () => Buffer.from([15]), responseDeserialize, {}, withToken(), resolve),
    );
    expect(error).toMatchObject({ code: code.INVALID_ARGUMENT, details: expect.stringContaining('ModelInfer') });
    // Cut to 80 units of UTF-16, one of these two ends with half a character.
    for (const name of ['', 'a']) {
      const inputs = [{ ...tensor, name: name + '😀'.repeat(100) }];
      const cut = await call('ModelInfer', raw({ inputs })).catch((reason) => reason);
      expect(cut).toMatchObject({
        code: code.INVALID_ARGUMENT,
        details: expect.stringMatching(/got "a?😀+\ufffd?…$/u),
      });
    }
  });

  it('refuses what becomes more bytes than a message may have', async () => {
    const { path, requestSerialize } = service.ModelInfer;
    const bytes = requestSerialize({ ...raw(), raw_input_contents: [Buffer.alloc(40 * 1024 * 1024)] });
    expect(gzipSync(bytes).length).toBeLessThan(100_000);
    const packing = new grpc.Client(`127.0.0.1:${server.grpcPort}`, grpc.credentials.createInsecure(), {
      'grpc.default_compression_algorithm': 2,
    });
    const error = await new Promise((resolve) =>
      packing.makeUnaryRequest(
        path,
        () => bytes,
        (answer) => answer,
        {},
        withToken(),
        (reason) => resolve(reason),
      ),
    );
    packing.close();
    expect(error).toMatchObject({ code: code.RESOURCE_EXHAUSTED });
  });

  it('refuses who has no token', async () => {
    for (const metadata of [new grpc.Metadata(), grpc.Metadata.fromHttp2Headers({ authorization: 'Bearer another' })]) {
      await expect(call('ModelInfer', raw(), metadata)).rejects.toMatchObject({ code: code.UNAUTHENTICATED });
    }
  });

  /** Twelve pictures: half a second and more. */
  const slow = () => {
    const contents = { bytes_contents: Array(12).fill(cat) };
    return call('ModelInfer', picture({ inputs: [{ ...picture().inputs[0], shape: [12], contents }] as never }));
  };

  it('refuses more than may wait, and drops who goes away', async () => {
    const first = slow();
    await waitFor(() => server.pool.counts.running === 1);
    const { path, requestSerialize, responseDeserialize } = service.ModelInfer;
    const calls: grpc.ClientUnaryCall[] = [];
    const gone = [0, 1].map(
      () =>
        new Promise((resolve) =>
          calls.push(client.makeUnaryRequest(path, requestSerialize, responseDeserialize, raw(), withToken(), resolve)),
        ),
    );
    await waitFor(() => server.pool.counts.waiting === 2);
    await expect(call('ModelInfer', raw())).rejects.toMatchObject({ code: code.RESOURCE_EXHAUSTED });
    for (const one of calls) one.cancel();
    for (const one of gone) expect(await one).toMatchObject({ code: code.CANCELLED });
    await waitFor(() => server.pool.counts.waiting === 0);
    expect(server.pool.counts.running).toBe(1);
    await first;
  });

  it("drops what waits longer than its `timeout` lets it, with Triton's answer", async () => {
    const first = slow();
    await waitFor(() => server.pool.counts.running === 1);
    const late = (int64_param: number) => call('ModelInfer', raw({ parameters: { timeout: { int64_param } } }));
    await expect(late(20_000)).rejects.toMatchObject({ code: code.UNAVAILABLE, details: 'Request timeout expired' });
    expect(server.pool.counts).toMatchObject({ waiting: 0, running: 1 });
    // It ends before that.
    checkAnswer((await late(60_000_000)) as never);
    await first;
    const text = call('ModelInfer', raw({ parameters: { timeout: { string_param: '20000' } } }));
    await expect(text).rejects.toMatchObject({ code: code.INVALID_ARGUMENT });
  });

  it('drops who waits longer than its own deadline', async () => {
    const first = slow();
    await waitFor(() => server.pool.counts.running === 1);
    const late = call('ModelInfer', raw(), withToken(), { deadline: Date.now() + 200 });
    await expect(late).rejects.toMatchObject({ code: code.DEADLINE_EXCEEDED });
    await waitFor(() => server.pool.counts.waiting === 0);
    await first;
  });
});

/** Until something is so. */
async function waitFor(so: () => boolean): Promise<void> {
  while (!so()) await new Promise((resolve) => setTimeout(resolve, 5));
}

interface StreamAnswer {
  error_message: string;
  infer_response: ModelInferResponse | null;
}

/** A stream with all that came, and how it ended. */
function openStream(own: grpc.Client, metadata: grpc.Metadata) {
  const { path, requestSerialize, responseDeserialize } = service.ModelStreamInfer;
  const stream = own.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
  const answers: StreamAnswer[] = [];
  stream.on('data', (answer: StreamAnswer) => answers.push(answer));
  const status = new Promise<grpc.StatusObject>((resolve) => stream.on('status', resolve));
  stream.on('error', () => {});
  return { stream, answers, status };
}

describe('ModelStreamInfer', () => {
  it('answers in order, and goes on after what it refuses', async () => {
    const { stream, answers, status } = openStream(client, withToken());
    // More than may wait: the stream is read at the speed of its answers.
    for (let i = 0; i < 8; i++) stream.write(i === 3 ? { model_name: 'x', id: '3' } : raw({ id: String(i) }));
    stream.end();
    expect(await status).toMatchObject({ code: grpc.status.OK });
    expect(answers.map(({ infer_response }) => infer_response?.id)).toEqual([
      '0',
      '1',
      '2',
      undefined,
      '4',
      '5',
      '6',
      '7',
    ]);
    expect(answers[3]).toMatchObject({ error_message: 'model: there is no "x"' });
    checkAnswer(answers[7].infer_response!);
  });

  it('says why it ends where a message is refused while others are worked on', async () => {
    const { stream, answers, status } = openStream(client, withToken());
    stream.write(raw());
    await waitFor(() => answers.length === 1);
    stream.write(raw());
    stream.write(raw({ raw_input_contents: [Buffer.alloc(5 * 1024 * 1024)] }));
    expect(await status).toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
  });

  it('is refused without a token', async () => {
    const { status } = openStream(client, new grpc.Metadata());
    expect(await status).toMatchObject({ code: grpc.status.UNAUTHENTICATED });
  });

  it('drops what waits where the client goes away', async () => {
    const { stream, status } = openStream(client, withToken());
    for (let i = 0; i < 3; i++) stream.write(raw());
    await waitFor(() => server.pool.counts.running === 1);
    stream.cancel();
    expect(await status).toMatchObject({ code: grpc.status.CANCELLED });
    await waitFor(() => server.pool.counts.waiting === 0 && server.pool.counts.running === 0);
  });
});

it('counts calls beside those of HTTP', async () => {
  const metrics = await server.app.inject({ url: '/metrics', headers: { authorization: `Bearer ${TOKEN}` } });
  expect(metrics.body).toMatch(/mobilenet_requests_total\{route="grpc ModelInfer",code="0"\} [1-9]/);
  const stats = await server.app.inject({
    url: '/v2/models/mobilenet_v2/stats',
    headers: { authorization: `Bearer ${TOKEN}`, host: 'localhost' },
  });
  expect(stats.json().model_stats[0].inference_count).toBeGreaterThan(5);
});

describe('messages', () => {
  const tensorBytes = 3 * 224 * 224 * 4;

  it('are refused before they are read where others hold the memory, over HTTP, too', async () => {
    const own = await serve({ port: 0, grpcPort: 0, workers: 1, memory: 2 * tensorBytes });
    const guest = new grpc.Client(`127.0.0.1:${own.grpcPort}`, grpc.credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = service.ModelInfer;
    const ask = (request: object) =>
      new Promise<unknown>((resolve) =>
        guest.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
          resolve(error ?? answer),
        ),
      );
    const held = own.pool.run({
      kind: 'pictures',
      model: 'mobilenet_v2',
      task: 'classify',
      // Copies: bytes are given away.
      pictures: Array.from({ length: 12 }, () => new Uint8Array(cat)),
    });
    const first = ask(raw());
    await waitFor(() => own.pool.counts.waiting === 1);
    const refused = {
      code: grpc.status.RESOURCE_EXHAUSTED,
      details: expect.stringMatching(/^requests hold \d+ bytes/),
    };
    expect(await ask(raw())).toMatchObject(refused);
    expect((await fetch(`${own.url}/`, { method: 'POST', body: new Uint8Array(tensorBytes) })).status).toBe(429);
    const { stream, answers, status } = openStream(guest, new grpc.Metadata());
    stream.write(picture());
    stream.write(raw());
    expect(await status).toMatchObject(refused);
    expect(answers).toEqual([]);
    checkAnswer((await first) as ModelInferResponse);
    // Its memory is free again: as many in turn as there are.
    for (let i = 0; i < 4; i++) checkAnswer((await ask(raw())) as ModelInferResponse);
    await held;
    guest.close();
    await own.close();
  });

  it('must come in time; those that a stream may still send need not', async () => {
    const own = await serve({ port: 0, grpcPort: 0, workers: 1, requestTimeout: 300 });
    const session = connect(`http://127.0.0.1:${own.grpcPort}`);
    const send = (path: string, bytes: Uint8Array): Promise<Record<string, unknown>> => {
      const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
      const stream = session.request(headers);
      stream.write(bytes);
      return new Promise((resolve) => stream.on('response', resolve));
    };
    // A head that promises 1000 bytes, and three of them; nothing at all; a message, and no end of the call.
    const begun = Buffer.from([0, 0, 0, 3, 232, 1, 2, 3]);
    const late = { 'grpc-status': '4', 'grpc-message': 'the%20request%20came%20too%20slowly' };
    expect(await send(service.ModelInfer.path, begun)).toMatchObject(late);
    expect(await send(service.ModelInfer.path, Buffer.alloc(0))).toMatchObject(late);
    expect(await send(service.ModelInfer.path, Buffer.alloc(5))).toMatchObject(late);
    expect(await send(service.ModelStreamInfer.path, begun)).toMatchObject(late);
    session.destroy();
    const guest = new grpc.Client(`127.0.0.1:${own.grpcPort}`, grpc.credentials.createInsecure());
    const { stream, answers, status } = openStream(guest, new grpc.Metadata());
    for (let i = 0; i < 2; i++) {
      await new Promise((resolve) => setTimeout(resolve, 600));
      stream.write(raw());
    }
    stream.end();
    expect(await status).toMatchObject({ code: grpc.status.OK });
    expect(answers).toHaveLength(2);
    guest.close();
    await own.close();
  });
});

describe('the end', () => {
  it('answers what was accepted, in calls and in streams, and takes no more', async () => {
    const own = await serve({ port: 0, grpcPort: 0, workers: 1 });
    const guest = new grpc.Client(`127.0.0.1:${own.grpcPort}`, grpc.credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = service.ModelInfer;
    const unary = () =>
      new Promise<unknown>((resolve) =>
        guest.makeUnaryRequest(path, requestSerialize, responseDeserialize, raw(), (error, answer) =>
          resolve(error ?? answer),
        ),
      );
    const { stream, answers, status } = openStream(guest, new grpc.Metadata());
    stream.write(raw({ id: 'a' }));
    stream.write(raw({ id: 'b' }));
    const pending = unary();
    await waitFor(() => own.pool.counts.running + own.pool.counts.waiting === 3);
    const closed = own.close();
    checkAnswer((await pending) as ModelInferResponse);
    expect(await status).toMatchObject({ code: grpc.status.OK });
    expect(answers.map(({ infer_response }) => infer_response?.id)).toEqual(['a', 'b']);
    await closed;
    expect(await unary()).toMatchObject({ code: grpc.status.UNAVAILABLE });
    guest.close();
  });

  it('does not wait for who watches its health for ever', async () => {
    const own = await serve({ port: 0, grpcPort: 0, workers: 1 });
    const guest = new grpc.Client(`127.0.0.1:${own.grpcPort}`, grpc.credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = health.service.Watch;
    const heard: { status: string }[] = [];
    const watch = guest.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: '' });
    watch.on('data', (answer) => heard.push(answer as { status: string }));
    watch.on('error', () => {});
    await waitFor(() => heard.length === 1);
    await own.close();
    guest.close();
    expect(heard.map(({ status }) => status)).toEqual(['SERVING', 'NOT_SERVING']);
  });
});

describe('without its packages', () => {
  const missing = (name: string) =>
    name === 'grpc-health-check'
      ? Promise.reject(Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' }))
      : import(name);

  it('says which to install', async () => {
    await expect(loadPeers(missing)).rejects.toThrow(
      '--grpc-port: expected the packages @grpc/grpc-js, @grpc/proto-loader, grpc-health-check; npm install @grpc/grpc-js',
    );
  });

  it('lets another fault through', async () => {
    await expect(loadPeers(() => Promise.reject(new TypeError('broken')))).rejects.toThrow('broken');
  });
});
