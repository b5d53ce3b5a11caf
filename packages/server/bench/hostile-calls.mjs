/**
 * Calls of gRPC that are nearly right, over plain HTTP/2, so that everything in them can be wrong: fields of messages, their
 * bytes, the frames around them, headers; and connections that do not speak HTTP/2, or stop to.
 */
import { connect as connectSocket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { deflateSync, gzipSync } from 'node:zlib';
import { loadSync } from '@grpc/proto-loader';
import { changed, damaged, pick } from './hostile.mjs';

const PROTO = fileURLToPath(new URL('../proto/grpc_service.proto', import.meta.url));
const SERVICE = 'inference.GRPCInferenceService';
const methods = loadSync(PROTO, { keepCase: true, longs: Number })[SERVICE];

const timeouts = ['1H', '100S', '1m', '0m', '1n', '99999999H', 'x', '-1S', '1', ''];
const encodings = ['gzip', 'deflate', 'identity', 'br', 'x', ''];
const types = ['application/grpc', 'application/grpc+proto', 'application/json', 'text/html', ''];
const unknown = ['/', '/x', `/${SERVICE}/`, `/${SERVICE}/Nothing`, `/${SERVICE}/__proto__`, '/a/b/c'];

/** Requests that are right: `[method, message]`. */
function rightOnes({ classifier, segmenter, picture, side }) {
  const pixels = new Float32Array(3 * side * side).fill(0.5);
  const raw = Buffer.from(pixels.buffer);
  const tensor = { name: 'pixel_values', datatype: 'FP32', shape: [1, 3, side, side] };
  const image = { name: 'image', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [picture] } };
  const length = Buffer.alloc(4);
  length.writeUInt32LE(picture.length);
  const element = Buffer.concat([length, picture]);
  const infer = (message, model_name = classifier) => ['ModelInfer', { model_name, ...message }];
  const outputs = [{ name: 'logits', parameters: { classification: { int64_param: 2 } } }];
  const named = { name: classifier, version: '1' };
  return [
    infer({ id: '7', inputs: [tensor], raw_input_contents: [raw] }),
    infer({ model_version: '1', inputs: [tensor], raw_input_contents: [raw], outputs }),
    infer({ inputs: [{ ...tensor, contents: { fp32_contents: Array.from(pixels) } }] }),
    infer({ inputs: [image], parameters: { top_k: { int64_param: 2 }, timeout: { int64_param: 60_000_000 } } }),
    infer({ inputs: [{ ...image, contents: undefined }], raw_input_contents: [element] }),
    infer({ inputs: [image] }, segmenter),
    infer({ inputs: [tensor], raw_input_contents: [raw] }, segmenter),
    ['ModelReady', named],
    ['ModelMetadata', named],
    ['ModelConfig', named],
    ['ModelStatistics', named],
    ['RepositoryIndex', { ready: true }],
    ['ServerMetadata', {}],
  ];
}

/** The bytes of a message with up to two fields changed. */
function messageOf([method, message], below) {
  let value = message;
  for (let times = below(3); times > 0 && typeof value === 'object' && value !== null; times--) {
    value = changed(value, below);
  }
  try {
    return methods[method].requestSerialize(value);
  } catch {
    // No message can say this.
    return Buffer.from(Array.from({ length: below(300) }, () => below(256)));
  }
}

/** A message in its frame, whose flag and length may lie. */
function frame(message, encoding, below) {
  const packed = encoding === 'gzip' ? gzipSync(message) : encoding === 'deflate' ? deflateSync(message) : message;
  const head = Buffer.alloc(5);
  head[0] = below(20) === 0 ? below(256) : Number(encoding !== undefined);
  const lie = below(20) === 0 ? pick(below, [0, 1, packed.length + 1, 70_000_000, 2 ** 32 - 1]) : packed.length;
  head.writeUInt32BE(lie, 1);
  return Buffer.concat([head, packed]);
}

/**
 * @param what names of two models that are served, the bytes of a picture, and the side of a picture for the tensor
 * @returns a function from random whole numbers (`below(limit)`) to `{ path, headers, body }`
 */
export function hostileCalls(what) {
  const right = rightOnes(what);
  return (below) => {
    const own = pick(below, right);
    const message = messageOf(own, below);
    const encoding = below(6) === 0 ? pick(below, encodings) : undefined;
    const streamed = own[0] === 'ModelInfer' && below(4) === 0;
    const frames = Array.from({ length: streamed ? 1 + below(4) : 1 + Number(below(30) === 0) }, () =>
      frame(below(6) === 0 ? damaged(message, below) : message, encoding, below),
    );
    const body = Buffer.concat(frames);
    const headers = { 'content-type': below(30) === 0 ? pick(below, types) : 'application/grpc', te: 'trailers' };
    if (encoding !== undefined) headers['grpc-encoding'] = encoding;
    if (below(10) === 0) headers['grpc-timeout'] = pick(below, timeouts);
    if (below(30) === 0) headers['x-bin'] = 'A'.repeat(below(5000));
    const path = below(30) === 0 ? pick(below, unknown) : `/${SERVICE}/${streamed ? 'ModelStreamInfer' : own[0]}`;
    return { path, headers, body: below(15) === 0 ? damaged(body, below) : body };
  };
}

/**
 * Makes a call.
 * @param session of node:http2, connected
 * @returns `{ status, body }`: the number of gRPC's status and its message; the reason in their place where no status came
 */
export function call(session, { path, headers, body }, patience = 30_000) {
  return new Promise((resolve) => {
    const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
    let last = {};
    const keep = (given) => (last = { ...last, ...given });
    stream.on('response', keep);
    stream.on('trailers', keep);
    stream.on('error', (error) => keep({ error: error.code }));
    stream.setTimeout(patience, () => {
      keep({ error: 'NO ANSWER' });
      stream.close();
    });
    stream.on('close', () => {
      const status = last['grpc-status'];
      const other = last.error ?? `HTTP ${last[':status']}`;
      const message = decodeURI(last['grpc-message'] ?? '');
      resolve({ status: status === undefined ? other : Number(status), body: Buffer.from(message) });
    });
    stream.resume();
    stream.end(body);
  });
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** A frame of HTTP/2 of any kind, with any flags, for one of the first streams. */
function anyFrame(below) {
  const payload = Buffer.from(Array.from({ length: below(60) }, () => below(256)));
  const head = Buffer.from([
    0,
    0,
    payload.length + (below(8) === 0 ? below(100) : 0),
    below(12),
    below(256),
    0,
    0,
    0,
    below(6),
  ]);
  return Buffer.concat([head, payload]);
}

/** Bytes on a connection of their own, which is cut when the server ends it, or after some time. */
export function garbage(port, below) {
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const frames = Array.from({ length: below(20) }, () => anyFrame(below));
  const bytes = pick(below, [
    Buffer.from(Array.from({ length: below(2000) }, () => below(256))),
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    damaged(PREFACE, below),
    Buffer.concat([PREFACE, settings, ...frames]),
    Buffer.concat([PREFACE, ...frames]),
  ]);
  return new Promise((resolve) => {
    const socket = connectSocket(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.on('close', resolve);
    socket.resume();
    socket.write(bytes);
    socket.setTimeout(100, () => socket.destroy());
    if (below(2) === 0) socket.end();
  });
}

/** What only grpc-js itself says, before the server hears of the call: gRPC has this status for it. */
const BY_GRPC = [/^Failed to decompress message$/, /^Invalid grpc-timeout value/];
const INTERNAL = 13;
const UNKNOWN = 2;

/** Whether an answer says whose fault it was, and that it was not the server's. */
export function wrongCall({ status, body }, { headers, path }) {
  const text = body.toString();
  const refused = status === 'HTTP 415' && !String(headers['content-type']).startsWith('application/grpc');
  if (refused || (status === INTERNAL && BY_GRPC.some((pattern) => pattern.test(text)))) return;
  if (typeof status === 'string') return `${path}: no answer: ${status}`;
  if (status === INTERNAL || status === UNKNOWN) return `${path}: ${status} ${text}`;
  if (status > 0 && text === '') return `${path}: ${status} without a message`;
}
