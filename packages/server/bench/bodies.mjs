/** Requests of every protocol, as they should be and damaged at random. A seed gives the same ones again. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { deflateSync, gzipSync } from 'node:zlib';

const example = (name) => readFile(fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url)));
const MODEL = 'mobilenet_v2';

/** Whole numbers below a limit, always the same ones for a seed (xorshift). */
export function random(seed) {
  let state = Math.imul(seed, 2654435761) >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
}

/** JSON first, then bytes: the binary extension of protocol v2. */
function binary(json, bytes) {
  const head = Buffer.from(JSON.stringify(json));
  return { headers: { 'Inference-Header-Content-Length': head.length }, body: Buffer.concat([head, bytes]) };
}

function form(picture) {
  const head = '--x\r\nContent-Disposition: form-data; name="a"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n';
  const body = Buffer.concat([Buffer.from(head), picture, Buffer.from('\r\n--x--\r\n')]);
  return { headers: { 'Content-Type': 'multipart/form-data; boundary=x' }, body };
}

const json = (value) => ({ headers: { 'Content-Type': 'application/json' }, body: Buffer.from(JSON.stringify(value)) });

/** @returns `{ path, headers, body }` of good requests, one for each way to send a picture or a tensor */
export async function goodRequests() {
  const [dog, husky] = [await example('dog.jpg'), await example('husky.png')];
  const b64 = dog.toString('base64');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(dog.length);
  const element = Buffer.concat([length, dog]);
  const infer = `/v2/models/${MODEL}/infer`;
  const tensor = { name: 'pixel_values', shape: [1, 3, 224, 224], datatype: 'FP32' };
  const pictures = { name: 'image', shape: [1], datatype: 'BYTES' };
  const size = (bytes) => ({ parameters: { binary_data_size: bytes.length } });
  const pixels = Buffer.from(new Float32Array(3 * 224 * 224).fill(0.25).buffer);
  const inBase64 = { ...pictures, data: [b64], parameters: { content_type: 'base64' } };
  const v2json = json({ id: '7', inputs: [inBase64], parameters: { top_k: 2 } });
  const zipped = { ...v2json.headers, 'Content-Encoding': 'gzip' };
  return [
    { path: '/', headers: { 'Content-Type': 'image/jpeg' }, body: dog },
    { path: '/', headers: {}, body: husky },
    { path: '/', ...json({ inputs: b64, parameters: { top_k: 2 } }) },
    { path: '/invocations', headers: { 'Content-Type': 'image/jpeg' }, body: dog },
    { path: '/classify', ...form(dog) },
    { path: '/features', ...form(dog) },
    { path: infer, ...v2json },
    { path: infer, headers: zipped, body: gzipSync(v2json.body) },
    { path: infer, headers: { ...zipped, 'Content-Encoding': 'deflate' }, body: deflateSync(v2json.body) },
    { path: infer, ...binary({ inputs: [{ ...pictures, ...size(element) }] }, element) },
    { path: infer, ...binary({ inputs: [{ ...tensor, ...size(pixels) }] }, pixels) },
    { path: infer, headers: { 'Inference-Header-Content-Length': 0 }, body: dog },
    { path: infer, ...json({ inputs: [{ ...tensor, data: Array(3 * 224 * 224).fill(0.5) }] }) },
    { path: `/v1/models/${MODEL}:predict`, ...json({ instances: [{ b64 }] }) },
    { path: `/v1/models/${MODEL}:predict`, ...json({ inputs: { image: [{ b64 }] } }) },
  ];
}

const WORDS = [
  ...[
    'null',
    '-1',
    '1e999',
    '99999999999',
    '0',
    '[]',
    '{}',
    '""',
    'NaN',
    '[[[[[[[[',
    '{"a":',
    '"b64"',
    '"inputs"',
    '"data"',
  ],
  ...[
    '"__proto__"',
    '"shape":[1,3,99999,99999]',
    '"shape":[]',
    '"INT64"',
    '"BYTES"',
    '"http://127.0.0.1/"',
    '"/etc/passwd"',
  ],
  ...['\0', '\ufffd', '\r\n--x\r\n', 'ÿØÿà', '\x89PNG\r\n\x1a\n', 'RIFF\0\0\0\0WEBP'],
].map((word) => Buffer.from(word, 'latin1'));
const HEADERS = [
  [
    'Content-Type',
    ['application/json', 'image/png', 'multipart/form-data; boundary=x', 'multipart/form-data', 'text/plain', ''],
  ],
  ['Content-Encoding', ['gzip', 'deflate', 'br', 'zstd', 'identity', 'x']],
  ['Inference-Header-Content-Length', ['0', '1', '100', '-1', 'x', '99999999999999999999', '1e3']],
];

/** The bytes with one thing changed. */
function damage(bytes, below) {
  const at = below(bytes.length + 1);
  const length = 1 + below(1 << below(12));
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at);
  switch (below(6)) {
    case 0:
      return before;
    case 1:
      return Buffer.concat([before, after.subarray(length)]);
    case 2:
      return Buffer.concat([before, bytes.subarray(0, length), after]);
    case 3:
      return Buffer.concat([before, WORDS[below(WORDS.length)], after]);
    case 4:
      return Buffer.concat([before, Buffer.from(Array.from({ length: length % 64 }, () => below(256))), after]);
    default: {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[below(copy.length)] = below(256);
      return copy;
    }
  }
}

/** A request that is wrong somewhere, mostly. */
export function randomRequest(good, below) {
  let { path, headers, body } = good[below(good.length)];
  // Where JSON is, the middle of a picture in it hardly matters: the beginning is hit more often.
  for (let changes = below(4); changes >= 0; changes--) {
    const part = below(2) === 0 ? body.length : Math.min(body.length, 300);
    body = Buffer.concat([damage(body.subarray(0, part), below), body.subarray(part)]);
  }
  if (below(8) === 0) {
    const [name, values] = HEADERS[below(HEADERS.length)];
    headers = { ...headers, [name]: values[below(values.length)] };
  }
  if (below(8) === 0) path = good[below(good.length)].path;
  if (below(16) === 0) body = gzipSync(body);
  return { path, headers, body };
}
