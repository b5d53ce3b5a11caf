/**
 * Requests that are nearly right: JSON in which one value is another, binary bodies whose headers lie, packed bodies that are cut,
 * names that every object has. Random bytes seldom get past the first check; these get to the last.
 */
import { deflateSync, gzipSync } from 'node:zlib';

/** What a value may be instead. Text that JSON.stringify cannot write stands for itself ({@link written}). */
const VALUES = [
  null,
  true,
  '',
  'x',
  '__proto__',
  'constructor',
  '\u0000',
  '\ud800',
  'https://example.com/cat.jpg',
  '/etc/passwd',
  'data:image/png;base64,',
  'data:,',
  'AAAA',
  'A'.repeat(70_000),
  '😀'.repeat(100),
  `a${'😀'.repeat(100)}`,
  0,
  -1,
  1.5,
  -0,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1e300,
  [],
  {},
  [[]],
  [null],
  [[[[[[[[[[]]]]]]]]]],
  Array.from({ length: 3000 }, () => 0),
  { b64: null },
  { __proto__: null, hasOwnProperty: 1, toString: 1, length: -1 },
];
/** Numbers that only text can say, and other text in place of a value. */
const TEXTS = [
  '1e999',
  '-1e999',
  '0.1e-999',
  '9'.repeat(400),
  '[[[[[['.repeat(500),
  '{"a":'.repeat(5000),
  'NaN',
  '\ufeff',
  '01',
];
const KEYS = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '',
  'length',
  'data',
  'inputs',
  'b64',
  'parameters',
];
const MARK = '\u0001text:';

const types = [
  'application/json',
  'application/json; charset=utf-16',
  'application/octet-stream',
  'image/jpeg',
  'text/plain',
  '',
  '/',
  'multipart/form-data',
  'multipart/form-data; boundary=',
];
const encodings = ['gzip', 'deflate', 'identity', 'br', 'gzip, gzip', 'x', ''];
const lengths = ['0', '1', '-1', '1e3', ' 7', '0x10', '4294967296', '99999999999999999999', 'x', ''];
const models = ['nothing', '__proto__', 'constructor', '%2e%2e', '%00', '%ff', 'a'.repeat(300), '..', ' ', '*', ':'];

/** JSON in which marked text is written as it is. */
const written = (value) =>
  JSON.stringify(value).replace(new RegExp(`"${JSON.stringify(MARK).slice(1, -1)}(\\d+)"`, 'g'), (_, i) => TEXTS[i]);

/** Paths to all values of a JSON value, deep ones too; of long lists the first few. */
function places(value, path = []) {
  const found = [path];
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return found;
  for (const key of Object.keys(value).slice(0, 8)) found.push(...places(value[key], [...path, key]));
  return found;
}

export const pick = (below, list) => list[below(list.length)];

/** A copy with one value changed, left out, doubled or called otherwise. */
export function changed(value, below) {
  const copy = structuredClone(value);
  const path = pick(below, places(copy));
  const other = below(5) === 0 ? MARK + below(TEXTS.length) : structuredClone(pick(below, VALUES));
  if (path.length === 0) return other;
  const holder = path.slice(0, -1).reduce((at, key) => at[key], copy);
  const key = path.at(-1);
  const set = (name, own) =>
    Object.defineProperty(holder, name, { value: own, enumerable: true, configurable: true, writable: true });
  switch (below(8)) {
    case 0:
      delete holder[key];
      break;
    case 1: {
      const own = holder[key];
      if (Array.isArray(holder)) break;
      delete holder[key];
      set(pick(below, KEYS), own);
      break;
    }
    case 2:
      if (Array.isArray(holder)) holder.push(...Array.from({ length: below(100) }, () => holder[key]));
      else set(pick(below, KEYS), other);
      break;
    case 3:
      holder[key] = [holder[key]];
      break;
    default:
      if (Array.isArray(holder)) holder[key] = other;
      else set(key, other);
  }
  return copy;
}

/** What is right, by protocol: `{ path, json, headers?, tail? }`, the tail being the bytes after the JSON of a binary body. */
function rightOnes({ classifier, segmenter, picture, side }) {
  const b64 = picture.toString('base64');
  const count = 3 * side * side;
  const pixels = Buffer.from(new Float32Array(count).fill(0.5).buffer);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(picture.length);
  const element = Buffer.concat([size, picture]);
  const infer = `/v2/models/${classifier}/infer`;
  const tensor = { name: 'pixel_values', shape: [1, 3, side, side], datatype: 'FP32' };
  const image = { name: 'image', shape: [1], datatype: 'BYTES' };
  const binary = (input, bytes, more = {}) => ({
    path: infer,
    json: { inputs: [{ ...input, parameters: { binary_data_size: bytes.length } }], ...more },
    tail: bytes,
  });
  const data = Array.from({ length: count }, (_, i) => i % 2);
  return [
    { path: '/', json: { inputs: b64, parameters: { top_k: 2, threshold: 0 } } },
    { path: `/models/${segmenter}`, json: { inputs: b64 } },
    { path: '/', json: { inputs: [b64, `data:image/png;base64,${b64}`] } },
    { path: '/invocations', json: { instances: [{ b64 }] } },
    { path: '/invocations', json: { inputs: b64 } },
    {
      path: `/v1/models/${classifier}:predict`,
      json: { instances: [{ image_bytes: { b64 } }, { b64 }], parameters: { top_k: 1 } },
    },
    {
      path: `/v1/models/${classifier}/versions/1:predict`,
      json: { inputs: { image: [{ b64 }] }, signature_name: 'serving_default' },
    },
    { path: `/v1/models/${segmenter}:predict`, json: { instances: [b64] } },
    { path: infer, json: { id: '7', inputs: [{ ...tensor, data }], outputs: [{ name: 'logits' }], parameters: {} } },
    {
      path: infer,
      json: { inputs: [{ ...image, data: [b64], parameters: { content_type: 'base64' } }], parameters: { top_k: 2 } },
    },
    binary(tensor, pixels, { outputs: [{ name: 'logits', parameters: { classification: 2, binary_data: true } }] }),
    binary(tensor, pixels, { parameters: { binary_data_output: true } }),
    binary(image, element, { parameters: { top_k: 2 } }),
    { path: `/v2/models/${segmenter}/versions/1/infer`, json: { inputs: [{ ...tensor, data }] } },
    { path: '/v2/repository/index', json: { ready: true } },
    { path: '/', bytes: picture },
    { path: `/models/${segmenter}`, bytes: picture },
    { path: '/invocations', bytes: picture },
    { path: infer, bytes: picture, headers: { 'inference-header-content-length': '0' } },
    ...['classify', 'segment', 'features'].map((task) => ({ path: `/${task}`, form: picture })),
  ];
}

function form(picture, below) {
  const name = pick(below, ['a.png', '', '../a.png', '__proto__', 'x'.repeat(3000), 'ü"\\']);
  const head = `--b\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(head.repeat(1 + below(2))),
    picture,
    Buffer.from(below(4) === 0 ? '' : '\r\n--b--\r\n'),
  ]);
}

/** Bytes cut, changed or doubled in one place. */
export function damaged(bytes, below) {
  const at = below(bytes.length + 1);
  const kind = below(4);
  if (kind === 0) return bytes.subarray(0, at);
  if (kind === 1) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(at + 1))]);
  if (kind === 2) return Buffer.concat([bytes, Buffer.alloc(below(5000), below(256))]);
  const copy = Buffer.from(bytes);
  for (let i = 1 + below(8); i > 0 && copy.length > 0; i--) copy[below(copy.length)] = below(256);
  return copy;
}

/** The parts of a request as bytes and headers, JSON changed up to twice. */
function assembled(right, below) {
  const headers = { ...right.headers };
  if (right.form)
    return { headers: { 'content-type': 'multipart/form-data; boundary=b' }, body: form(right.form, below) };
  if (right.bytes) return { headers: { 'content-type': pick(below, types), ...headers }, body: right.bytes };
  let json = right.json;
  for (let times = below(3); times > 0 && typeof json === 'object' && json !== null; times--)
    json = changed(json, below);
  const text = Buffer.from(written(json));
  if (right.tail === undefined) return { headers: { 'content-type': 'application/json', ...headers }, body: text };
  const lie = below(6) === 0;
  headers['inference-header-content-length'] = lie
    ? pick(below, [...lengths, String(below(text.length * 2))])
    : String(text.length);
  return { headers, body: Buffer.concat([text, below(6) === 0 ? damaged(right.tail, below) : right.tail]) };
}

/** Packed, and maybe cut or said to be packed otherwise. */
function packed({ headers, body }, below) {
  const kind = below(10);
  if (kind > 2) return { headers, body };
  const bytes = kind === 0 ? gzipSync(body) : kind === 1 ? deflateSync(body) : body;
  const said = kind === 2 || below(4) === 0 ? pick(below, encodings) : ['gzip', 'deflate'][kind];
  return { headers: { ...headers, 'content-encoding': said }, body: below(3) === 0 ? damaged(bytes, below) : bytes };
}

/**
 * @param what names of two models that are served, the bytes of a picture, and the side of a picture for the tensor
 * @returns a function from random whole numbers (`below(limit)`) to `{ path, headers, body }`
 */
export function hostileRequests(what) {
  const right = rightOnes(what);
  return (below) => {
    const own = pick(below, right);
    const { headers, body } = packed(assembled(own, below), below);
    let path = own.path;
    if (below(20) === 0) path = path.replace(what.classifier, pick(below, models));
    if (below(20) === 0) path = pick(below, right).path;
    if (below(20) === 0) path += `?top_k=${pick(below, lengths).trim()}&model=${encodeURIComponent(pick(below, KEYS))}`;
    if (below(20) === 0) headers['content-type'] = pick(below, types);
    return { path, headers, body: below(10) === 0 ? damaged(body, below) : body };
  };
}
