/** Files that are wrong in one way each, made by code: what malformed.test.ts loads. */
import type { ErrorCode } from '../../src/base/errors.js';
import { exifBlock, frameHeader, joinParts, jpegParts, replacing, segment } from '../helpers/jpeg-files.js';
import { bytesOf, chunk, IEND, idat, ihdr, png, SIGNATURE } from '../helpers/png-files.js';
import { type TfliteWriter, tfliteNetwork } from '../helpers/tflite-files.js';
import { concat, fixture, int, safetensors, split, utf8, zip } from '../helpers/weight-files.js';

export interface Malformed {
  name: string;
  /** What the folder of a sound model has in place of its own; null takes a file away. For a picture the one file. */
  files: Record<string, Uint8Array | null>;
  /** More than one where two things are wrong and either may be found first. */
  code: ErrorCode | readonly ErrorCode[];
  /** The file to blame, by its name; the only one of `files` unless given. */
  file?: string;
  tensor?: string;
  offset?: number;
  /** A picture to load, not a model. */
  picture?: boolean;
  /** A model that is this one file. */
  single?: boolean;
}

/** A sound model, for one thing at a time to be wrong with. */
export interface Sound {
  config: Record<string, unknown>;
  preprocessor: Record<string, unknown>;
  weights: Uint8Array;
}

const MODEL = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const BIN = 'pytorch_model.bin';
const CONFIG = 'config.json';
const PREPROCESSOR = 'preprocessor_config.json';
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));

type Header = Record<string, Record<string, unknown>>;

function safetensorsCases({ weights }: Sound): Malformed[] {
  const cases: Malformed[] = [];
  const add = (name: string, bytes: Uint8Array, code: Malformed['code'], place: Partial<Malformed> = {}) =>
    cases.push({ name: `safetensors: ${name}`, files: { [MODEL]: bytes }, code, ...place });
  const { header: text, data } = split(weights);
  const header: Header = JSON.parse(new TextDecoder().decode(text));
  const build = (changed: object | string, bytes = data) => {
    const own = utf8(typeof changed === 'string' ? changed : JSON.stringify(changed));
    return concat(int(own.length, 8), own, bytes);
  };
  const names = Object.keys(header).filter((name) => name !== '__metadata__');
  const first = names.reduce((a, b) =>
    (header[a].data_offsets as number[])[0] <= (header[b].data_offsets as number[])[0] ? a : b,
  );
  const last = names.reduce((a, b) =>
    (header[a].data_offsets as number[])[1] >= (header[b].data_offsets as number[])[1] ? a : b,
  );
  const withField = (tensor: string, field: string, value: string) =>
    build(JSON.stringify({ ...header, [tensor]: { ...header[tensor], [field]: '@@' } }).replace('"@@"', value));

  for (let size = 0; size < 8; size++) add(`${size} bytes`, weights.slice(0, size), 'TRUNCATED', { offset: 0 });
  for (const [name, length] of [
    ['2^64 − 1', 2n ** 64n - 1n],
    ['2^63', 2n ** 63n],
    ['2^53 + 1', 2n ** 53n + 1n],
    ['2^32', 2n ** 32n],
    ['a byte more than the file has', BigInt(weights.length - 7)],
  ] as const) {
    add(`a header of ${name} bytes`, concat(int(length, 8), weights.slice(8)), 'TRUNCATED', { offset: 0 });
  }
  for (const [name, content] of Object.entries({
    'an empty header': '',
    'a byte order mark': `\uFEFF${JSON.stringify(header)}`,
    'a leading space': ` ${JSON.stringify(header)}`,
    'an array': '[]',
    null: 'null',
    'a number': '1',
    'a string': '"x"',
    'a comma too many': '{"a":1,}',
    'single quotes': "{'a':1}",
    'a comment': '{/**/}',
    'NUL bytes at the end': `${JSON.stringify(header)}\0`,
    'two documents': '{}{}',
    'a thousand brackets': '{"a":'.repeat(1000),
    NaN: '{"a":NaN}',
    'a control character in a name': '{"a\n":1}',
    'half a surrogate pair': '{"\\udc00":1}',
  })) {
    add(name, build(content), 'BAD_HEADER');
  }
  add(
    'bad UTF-8',
    build('@').map((byte) => (byte === 0x40 ? 0xfe : byte)),
    'BAD_HEADER',
    { offset: 8 },
  );
  for (const value of ['null', '1', '"x"', '[]', '{}', 'true']) {
    add(`a tensor that is ${value}`, build({ ...header, [first]: JSON.parse(value) }), 'BAD_HEADER', { tensor: first });
  }
  for (const value of ['null', '7', '[]', '{}', 'true']) {
    add(`dtype ${value}`, withField(first, 'dtype', value), 'BAD_HEADER', { tensor: first });
  }
  for (const value of ['"f32"', '"FLOAT32"', '"F128"', '"__proto__"', '"constructor"', '""']) {
    add(`dtype ${value}`, withField(first, 'dtype', value), 'DTYPE', { tensor: first });
  }
  for (const value of ['null', '3', '"3"', '{}', 'true']) {
    add(`shape ${value}`, withField(first, 'shape', value), 'BAD_HEADER', { tensor: first });
  }
  for (const value of [
    '[-1]',
    '[1.5]',
    '[1e400]',
    '["1"]',
    '[null]',
    '[[1]]',
    '[9007199254740992]',
    '[1,2,3,4,5]',
    '[4294967296,4294967296]',
    '[4294967296,4294967296,0]',
    '[]',
    '[0]',
    '[4611686018427387905,4]',
    '[true]',
  ]) {
    add(`shape ${value}`, withField(last, 'shape', value), 'SHAPE', { tensor: last });
  }
  for (const value of ['null', '0', '{}', '"0,4"']) {
    add(`data_offsets ${value}`, withField(first, 'data_offsets', value), 'BAD_HEADER', { tensor: first });
  }
  for (const value of [
    '[]',
    '[0]',
    '[0,1,2]',
    '[-1,0]',
    '[0,1.5]',
    '[4,0]',
    '["0",4]',
    '[null,4]',
    '[0,1e400]',
    '[0,[4]]',
    '[9007199254740992,9007199254740996]',
  ]) {
    add(`data_offsets ${value}`, withField(first, 'data_offsets', value), 'LAYOUT', { tensor: first });
  }
  for (const field of ['dtype', 'shape', 'data_offsets']) {
    const { [field]: _gone, ...rest } = header[first];
    add(`no ${field}`, build({ ...header, [first]: rest }), 'BAD_HEADER', { tensor: first });
    const twice = JSON.stringify(header).replace(`"${field}":`, `"${field}":null,"${field}":`);
    add(`${field} twice`, build(twice), 'DUPLICATE_KEY');
  }
  const entry = JSON.stringify(header[first]);
  add('a tensor twice', build(`{"${first}":${entry},"${first}":${entry}}`), 'DUPLICATE_KEY', { tensor: first });
  add('a tensor twice, once escaped', build(`{"x":${entry},"\\u0078":${entry}}`), 'DUPLICATE_KEY', { tensor: 'x' });
  for (const value of ['1', 'null', '[]', '"x"', '{"a":1}', '{"a":null}', '{"a":{}}', '{"a":["b"]}']) {
    add(`__metadata__ ${value}`, build({ ...header, __metadata__: JSON.parse(value) }), 'BAD_HEADER');
  }
  for (const missing of [1, 2, 100, data.length - 1, data.length]) {
    add(`${missing} bytes of data too few`, build(header, data.slice(0, data.length - missing)), 'TRUNCATED');
  }
  for (const more of [1, 4, 4096]) {
    add(`${more} bytes of data too many`, build(header, concat(data, new Uint8Array(more))), 'LAYOUT', {
      tensor: last,
    });
  }
  const [begin, end] = header[last].data_offsets as number[];
  add(
    'a gap',
    build({ ...header, [last]: { ...header[last], data_offsets: [begin + 4, end + 4] } }, concat(data, int(0, 4))),
    'LAYOUT',
    { tensor: last },
  );
  add(
    'an overlap',
    build({ ...header, [last]: { ...header[last], data_offsets: [begin - 4, end - 4] } }, data.slice(0, -4)),
    'LAYOUT',
    { tensor: last },
  );

  // Sound files that are not this model's.
  const kinds: [string, (name: string) => boolean][] = [
    ['a convolution', (name) => name.endsWith('conv_stem.first_conv.convolution.weight')],
    ['a classifier', (name) => name === 'classifier.weight'],
    ['a bias', (name) => name === 'classifier.bias'],
    ['a variance', (name) => name.endsWith('layer.3.conv_3x3.normalization.running_var')],
    ['a gamma', (name) => name.endsWith('conv_1x1.normalization.weight')],
  ];
  const renamed = (from: string, to: string) =>
    Object.fromEntries(Object.entries(header).map(([name, own]) => [name === from ? to : name, own]));
  for (const [kind, is] of kinds) {
    const name = names.find(is)!;
    const own = header[name];
    const place = { tensor: name };
    const count = (own.shape as number[]).reduce((a, b) => a * b, 1);
    add(`${kind} of another name`, build(renamed(name, 'surprise')), 'WEIGHTS');
    add(
      `${kind} of a shape more`,
      build({ ...header, [name]: { ...own, shape: [...(own.shape as number[]), 1] } }),
      'SHAPE',
      place,
    );
    add(`${kind} flat`, build({ ...header, [name]: { ...own, shape: [1, count] } }), 'SHAPE', place);
    for (const dtype of ['I32', 'U32']) {
      add(`${kind} of ${dtype}`, build({ ...header, [name]: { ...own, dtype } }), 'DTYPE', place);
    }
    const [from] = own.data_offsets as number[];
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      const bytes = data.slice();
      new DataView(bytes.buffer).setFloat32(from, value, true);
      add(`${kind} with ${value}`, build(header, bytes), 'NONFINITE', {
        tensor: name,
        offset: 8 + JSON.stringify(header).length + from,
      });
    }
  }
  add('no tensor at all', safetensors({}), 'WEIGHTS');
  add(
    'a tensor of the name __proto__',
    build(`{"__proto__":${JSON.stringify(header[first])},${JSON.stringify(renamed(first, 'y')).slice(1)}`),
    ['LAYOUT', 'WEIGHTS'],
  );
  return cases;
}

function indexCases({ weights }: Sound): Malformed[] {
  const cases: Malformed[] = [];
  const shard = 'model-00001-of-00001.safetensors';
  const { header } = split(weights);
  const names = Object.keys(JSON.parse(new TextDecoder().decode(header))).filter((name) => name !== '__metadata__');
  const map = Object.fromEntries(names.map((name) => [name, shard]));
  const add = (name: string, index: unknown, code: Malformed['code'], place: Partial<Malformed> = {}) =>
    cases.push({
      name: `index: ${name}`,
      files: { [MODEL]: null, [INDEX]: typeof index === 'string' ? utf8(index) : json(index), [shard]: weights },
      code,
      file: INDEX,
      ...place,
    });
  for (const value of ['', 'x', '[]', 'null', '1', '"x"', '{', '{"weight_map":{}', '\uFEFF{}', '['.repeat(200)]) {
    add(`the text ${value.slice(0, 20)}`, value, 'BAD_HEADER');
  }
  for (const value of [null, 1, 'x', [], true]) {
    add(`weight_map ${JSON.stringify(value)}`, { weight_map: value }, 'BAD_HEADER', { tensor: 'weight_map' });
    if (value !== null)
      add(`metadata ${JSON.stringify(value)}`, { metadata: value, weight_map: map }, 'BAD_HEADER', {
        tensor: 'metadata',
      });
    add(
      `a shard ${JSON.stringify(value)}`,
      { weight_map: { ...map, [names[0]]: value === 'x' ? {} : value } },
      'BAD_HEADER',
      { tensor: `weight_map.${names[0]}` },
    );
  }
  add('no weight_map', {}, 'BAD_HEADER', { tensor: 'weight_map' });
  add('a tensor twice', `{"weight_map":{"a":"${shard}","a":"${shard}"}}`, 'DUPLICATE_KEY', { tensor: 'weight_map.a' });
  for (const path of [
    '../x.safetensors',
    '/etc/passwd',
    '..\\x.safetensors',
    'C:\\x.safetensors',
    'a/../../x.safetensors',
    '',
    '.',
    '..',
    './x.safetensors',
    'a//b.safetensors',
    'x.safetensors\0',
    'https://e.org/x.safetensors',
    'file:///x.safetensors',
    '%2e%2e/x.safetensors',
    '~/x.safetensors',
    'con.safetensors',
    'x.bin',
    'x',
    '.x.safetensors',
    'x\n.safetensors',
    '-x.safetensors',
  ]) {
    add(`the shard ${JSON.stringify(path)}`, { weight_map: { ...map, [names[0]]: path } }, 'PATH_ESCAPE', {
      tensor: names[0],
    });
  }
  add('a shard that is missing', { weight_map: { ...map, [names[0]]: 'other.safetensors' } }, 'SHARD', {
    file: 'other.safetensors',
    tensor: names[0],
  });
  add('a tensor that no shard has', { weight_map: { ...map, surprise: shard } }, 'SHARD', {
    file: shard,
    tensor: 'surprise',
  });
  const { [names[3]]: _left, ...less } = map;
  add('a tensor that it leaves out', { weight_map: less }, 'SHARD', { file: shard, tensor: names[3] });
  add('no tensor', { weight_map: {} }, 'WEIGHTS');
  cases.push({
    name: 'index: a damaged shard',
    files: { [MODEL]: null, [INDEX]: json({ weight_map: map }), [shard]: weights.slice(0, -1) },
    code: 'TRUNCATED',
    file: shard,
  });
  return cases;
}

/** Values that no field takes, but for those that its own type lets through. */
const WRONG = [null, 'x', [], {}, true, -1, 0.5, 1e308, '1', [1, 2, 3], [null]];

function jsonCases(
  file: string,
  sound: Record<string, unknown>,
  fields: Record<string, readonly unknown[]>,
): Malformed[] {
  const cases: Malformed[] = [];
  const add = (name: string, content: unknown, place: Partial<Malformed> = {}) =>
    cases.push({
      name: `${file}: ${name}`,
      files: { [file]: typeof content === 'string' ? utf8(content) : json(content) },
      code: 'CONFIG',
      ...place,
    });
  for (const [field, values] of Object.entries(fields)) {
    for (const value of values)
      add(`${field} ${JSON.stringify(value)}`, { ...sound, [field]: value }, { tensor: field });
  }
  const text = JSON.stringify(sound);
  for (const content of [
    '',
    'x',
    'null',
    '[]',
    '1',
    '"x"',
    `${text},`,
    `${text}${text}`,
    text.slice(0, -1),
    `\uFEFF${text}`,
    `{"a":${'['.repeat(65)}`,
    '{"a":01}',
    '{"a":.5}',
    '{"a":"\\x"}',
    "{'a':1}",
  ]) {
    add(`the text ${content.slice(0, 12)}… of ${content.length}`, content);
  }
  add('a field twice', text.replace('{', '{"a":1,"a":2,'), { code: 'DUPLICATE_KEY', tensor: 'a' });
  add('a field twice, once escaped', text.replace('{', '{"a":1,"\\u0061":2,'), { code: 'DUPLICATE_KEY', tensor: 'a' });
  add('10 MB and a byte', `{"a":"${'x'.repeat(10 * 1024 * 1024 - 7)}"}`);
  cases.push({
    name: `${file}: bytes that are not UTF-8`,
    files: { [file]: Uint8Array.of(0x7b, 0xff, 0x7d) },
    code: 'CONFIG',
  });
  return cases;
}

const besides = (...taken: unknown[]): unknown[] =>
  WRONG.filter((value) => !taken.some((own) => JSON.stringify(own) === JSON.stringify(value)));

const configCases = ({ config }: Sound): Malformed[] => [
  ...jsonCases(CONFIG, config, {
    depth_multiplier: [0, -1, 1e9, ...besides(0.5, -1)],
    image_size: [0, 1e6, [224], ...besides()],
    output_stride: [7, 0, 64, ...besides()],
    num_channels: [0, ...besides()],
    depth_divisible_by: [0, ...besides()],
    min_depth: [0, ...besides()],
    expand_ratio: [0, ...besides(0.5)],
    first_layer_is_expansion: besides(true),
    tf_padding: besides(true),
    num_labels: [1e5 + 1, 1e6, 1e12, ...besides(true)].filter((value) => value !== null),
    hidden_act: [1, ...besides('x', '1')],
    layer_norm_eps: besides(0.5),
    id2label: ['x', [], { 1: 'a', 2: 'b' }, { 0: 'a', 2: 'b' }, { x: 'a' }, { '-1': 'a' }, { '0.5': 'a' }, true, 7],
    // Ids that name no class, such as -100, are kept as transformers keeps them.
    label2id: ['x', [], true, 7, { a: {} }, { a: [{}] }],
    problem_type: ['x', 1, [], {}],
    semantic_loss_ignore_index: besides(-1),
  }),
  ...['vit', 'mobilenet_v1', 'MOBILENET_V2', '', 1, {}].map(
    (model_type): Malformed => ({
      name: `config.json: model_type ${JSON.stringify(model_type)}`,
      files: { [CONFIG]: json({ ...config, model_type }) },
      code: 'UNSUPPORTED',
      tensor: 'model_type',
    }),
  ),
  {
    name: 'config.json: an activation that is none',
    files: { [CONFIG]: json({ ...config, hidden_act: 'x' }) },
    code: 'UNSUPPORTED',
    file: '',
  },
  { name: 'config.json: there is none', files: { [CONFIG]: null }, code: 'NOT_FOUND' },
  {
    name: 'config.json: another width than the weights',
    files: { [CONFIG]: json({ ...config, depth_multiplier: 0.5 }) },
    code: 'WEIGHTS',
    file: MODEL,
  },
  {
    name: 'config.json: more classes than the weights',
    files: { [CONFIG]: json({ ...config, id2label: undefined, label2id: undefined, num_labels: 9 }) },
    code: 'WEIGHTS',
    file: MODEL,
  },
  {
    name: 'config.json: counts that differ',
    files: { [CONFIG]: json({ ...config, num_labels: 9 }) },
    code: 'CONFIG',
    tensor: 'id2label',
  },
];

const preprocessorCases = ({ preprocessor }: Sound): Malformed[] => [
  ...jsonCases(PREPROCESSOR, preprocessor, {
    do_resize: besides(null, true),
    do_center_crop: besides(null, true),
    do_rescale: besides(null, true),
    do_normalize: besides(null, true),
    do_reduce_labels: besides(null, true),
    rescale_factor: besides(null, -1, 0.5, 1e308),
    image_mean: [[0.5, 0.5], ...besides(null, -1, 0.5, 1e308, [1, 2, 3])],
    image_std: [0, [1, 0, 1], [0.5, 0.5], 1e-300, ...besides(null, -1, 0.5, 1e308, [1, 2, 3])],
    resample: [6, 9, 'nearestest', ...besides(null)],
    size: [
      0,
      { shortest_edge: 0 },
      { shortest_edge: 1.5 },
      { height: 1 },
      { longest_edge: 5 },
      { shortest_edge: 1e12 },
      ...besides(null),
    ],
    crop_size: [
      0,
      { height: 224 },
      { shortest_edge: 224 },
      { height: 224, width: -1 },
      { height: '1', width: 1 },
      ...besides(null),
    ],
    input_data_format: ['HWC', ...besides(null)],
  }),
  { name: 'preprocessor_config.json: there is none', files: { [PREPROCESSOR]: null }, code: 'NOT_FOUND' },
];

function pytorchCases(): Malformed[] {
  const cases: Malformed[] = [];
  const add = (name: string, bytes: Uint8Array, code: Malformed['code'], place: Partial<Malformed> = {}) =>
    cases.push({
      name: `pytorch_model.bin: ${name}`,
      files: { [MODEL]: null, [BIN]: bytes },
      code,
      file: BIN,
      ...place,
    });
  const whole = fixture('zip.bin');
  for (const size of [0, 1, 4, 30, 100, whole.length >> 1, whole.length - 22, whole.length - 1]) {
    add(`the first ${size} bytes of a zip`, whole.slice(0, size), ['TRUNCATED', 'PICKLE', 'BAD_HEADER']);
  }
  const legacy = fixture('legacy.bin');
  for (const size of [10, 20, 100, legacy.length >> 1, legacy.length - 1]) {
    add(`the first ${size} bytes of an old file`, legacy.slice(0, size), ['TRUNCATED', 'PICKLE', 'LAYOUT']);
  }
  add('a program', fixture('malicious.bin'), 'PICKLE');
  add('the weights of another model', whole, 'WEIGHTS');
  add('text', utf8('hello'), ['TRUNCATED', 'PICKLE', 'BAD_HEADER']);
  add('a safetensors file', safetensors({}), ['TRUNCATED', 'PICKLE', 'BAD_HEADER']);
  const pickled = (...opcodes: (number | Uint8Array)[]) =>
    zip([
      {
        name: 'm/data.pkl',
        data: concat(...opcodes.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : part))),
      },
    ]);
  const global = (name: string) => utf8(`c${name.replace('.', '\n')}\n`);
  for (const name of [
    'os.system',
    'posix.system',
    'builtins.eval',
    'builtins.exec',
    'subprocess.Popen',
    'torch.load',
    'numpy.load',
    'nt.system',
    '__main__.x',
    'collections.defaultdict',
    'argparse.Namespace',
    'torch.nn.Linear',
    'functools.partial',
  ]) {
    add(`asks for ${name}`, pickled(0x80, 2, global(name), utf8(')R.')), 'PICKLE');
  }
  for (const [name, bytes] of Object.entries({
    'no STOP': pickled(0x80, 2, 0x7d),
    'an empty pickle': pickled(),
    'STOP alone': pickled(0x2e),
    'protocol 9': pickled(0x80, 9, 0x2e),
    'a number': pickled(0x80, 2, 0x4b, 7, 0x2e),
    'a list': pickled(0x80, 2, 0x5d, 0x2e),
    'an unknown opcode': pickled(0x80, 2, 0xff),
    'a text longer than the file': pickled(0x80, 2, 0x58, int(0x7fffffff, 4)),
    'a mark that is missing': pickled(0x80, 2, 0x74, 0x2e),
    'a memo that was never set': pickled(0x80, 2, 0x68, 9, 0x2e),
    'a call of a number': pickled(0x80, 2, 0x4b, 1, 0x29, 0x52, 0x2e),
    'a reference to no storage': pickled(0x80, 2, 0x4b, 1, 0x51, 0x2e),
  })) {
    add(name, bytes, ['PICKLE', 'TRUNCATED']);
  }
  const data = concat(Uint8Array.of(0x80, 2, 0x7d, 0x2e));
  for (const [name, change, code] of [
    ['compressed', { method: 8 }, 'UNSUPPORTED'],
    ['encrypted', { flags: 1 }, 'UNSUPPORTED'],
    ['a wrong checksum', { crc: 7 }, 'IO'],
    ['a size past the end', { size: 0x7fffffff }, 'LIMIT'],
    ['two names for one entry', { localName: 'm/other.pkl' }, 'LAYOUT'],
  ] as const) {
    add(`zip: ${name}`, zip([{ name: 'm/data.pkl', data, ...change }]), code);
  }
  add('zip: no pickle', zip([{ name: 'm/data/0', data }]), 'UNSUPPORTED');
  add(
    'zip: a pickle twice',
    zip([
      { name: 'm/data.pkl', data },
      { name: 'm/data.pkl', data },
    ]),
    'DUPLICATE_KEY',
  );
  add('zip: more entries than there are', zip([{ name: 'm/data.pkl', data }], { count: 5 }), ['LAYOUT', 'TRUNCATED']);
  return cases;
}

const LEGAL = [
  '0 1',
  '0 2',
  '0 4',
  '0 8',
  '0 16',
  '2 8',
  '2 16',
  '3 1',
  '3 2',
  '3 4',
  '3 8',
  '4 8',
  '4 16',
  '6 8',
  '6 16',
];

function pngCases(): Malformed[] {
  const cases: Malformed[] = [];
  const add = (name: string, bytes: Uint8Array, code: Malformed['code'] = 'IMAGE') =>
    cases.push({ name: `PNG: ${name}`, files: { 'bad.png': bytes }, code, picture: true });
  const rows = idat([0, 1]);
  for (const colourType of [0, 1, 2, 3, 4, 5, 6, 7, 255]) {
    for (const depth of [0, 1, 2, 3, 4, 8, 16, 32]) {
      if (LEGAL.includes(`${colourType} ${depth}`)) continue;
      add(
        `${depth} bits of colour type ${colourType}`,
        png(ihdr({ depth, colourType }), chunk('PLTE', [1, 2, 3]), rows, IEND),
      );
    }
  }
  for (const [field, values] of Object.entries({
    compression: [1, 255],
    filter: [1, 64],
    interlace: [2, 255],
    width: [0, 2 ** 31, 2 ** 32 - 1],
    height: [0, 2 ** 31, 2 ** 32 - 1],
  })) {
    for (const value of values) add(`${field} ${value}`, png(ihdr({ [field]: value }), rows, IEND), ['IMAGE', 'LIMIT']);
  }
  const parts = { IHDR: ihdr(), tEXt: chunk('tEXt', [65]), IDAT: rows, IEND };
  for (const [type, own] of Object.entries(parts)) {
    const changed = (bytes: Uint8Array[]) =>
      png(...Object.entries(parts).flatMap(([name, part]) => (name === type ? bytes : [part])));
    const content = own.subarray(8, -4);
    add(`${type} with a wrong CRC`, changed([chunk(type, content, { crc: 1 })]));
    add(`${type} that says 2^31`, changed([chunk(type, content, { length: 2 ** 31 })]));
    add(`${type} that says a byte more`, changed([chunk(type, content, { length: content.length + 1 })]));
    if (type === 'tEXt') continue;
    add(`no ${type}`, changed([]));
    if (type !== 'IDAT') add(`${type} twice`, changed([own, own]));
    add(
      `${type} cut in the middle`,
      png(...Object.values(parts)).subarray(
        0,
        8 +
          Object.values(parts)
            .slice(0, Object.keys(parts).indexOf(type))
            .reduce((n, p) => n + p.length, 0) +
          6,
      ),
    );
  }
  add('a row too few', png(ihdr({ height: 2 }), rows, IEND));
  add('a row too many', png(ihdr(), idat([0, 1, 0, 1]), IEND));
  add('row filter 5', png(ihdr(), idat([5, 1]), IEND));
  add('no zlib stream', png(ihdr(), chunk('IDAT', [1, 2, 3]), IEND));
  add('a palette picture without a palette', png(ihdr({ colourType: 3 }), rows, IEND));
  add('an index beyond the palette', png(ihdr({ colourType: 3 }), chunk('PLTE', [1, 2, 3]), rows, IEND));
  add(
    '30000×30000 pixels in 69 bytes',
    png(ihdr({ width: 30_000, height: 30_000 }), chunk('IDAT', [0x78, 0x9c, 3, 0]), IEND),
    'LIMIT',
  );
  add('an unknown chunk that matters', png(ihdr(), chunk('ABCD'), rows, IEND), 'UNSUPPORTED');
  add('the signature alone', SIGNATURE);
  add('bytes after the end', bytesOf(png(ihdr(), rows, IEND), [1]));
  return cases;
}

function jpegCases(): Malformed[] {
  const cases: Malformed[] = [];
  const add = (name: string, bytes: Uint8Array, code: Malformed['code'] = ['IMAGE', 'UNSUPPORTED']) =>
    cases.push({ name: `JPEG: ${name}`, files: { 'bad.jpg': bytes }, code, picture: true });
  const components = [
    { id: 1, value: 90 },
    { id: 2, value: 100 },
    { id: 3, value: 200 },
  ];
  for (const [kind, parts] of Object.entries({
    baseline: jpegParts({ components }),
    progressive: jpegParts({ components, progressive: true }),
  })) {
    for (const name of ['DQT', 'SOF', 'DHT', 'SOS', 'EOI']) {
      add(`${kind} without ${name}`, replacing(parts, name, []));
      const { bytes } = parts.find((part) => part.name === name)!;
      if (name === 'EOI') continue;
      add(`${kind}, ${name} of 0 bytes`, replacing(parts, name, bytesOf(bytes.subarray(0, 2), [0, 0])));
      add(
        `${kind}, ${name} of 65535 bytes`,
        replacing(parts, name, bytesOf(bytes.subarray(0, 2), [255, 255], bytes.subarray(4))),
      );
      add(`${kind}, ${name} a byte short`, replacing(parts, name, segment(bytes[1], bytes.subarray(4, -1))));
      add(`${kind}, ${name} a byte long`, replacing(parts, name, segment(bytes[1], bytesOf(bytes.subarray(4), [0]))));
      if (name === 'SOF') add(`${kind}, SOF twice`, replacing(parts, name, bytesOf(bytes, bytes)));
    }
    const whole = joinParts(parts);
    for (const part of [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
      add(`${kind}, the first ${part * 100} %`, whole.subarray(0, Math.max(4, Math.floor(whole.length * part))));
    add(`${kind}, two starts`, bytesOf([0xff, 0xd8], whole));
    add(
      `${kind}, 9999×9999`,
      replacing(
        parts,
        'SOF',
        segment(kind === 'baseline' ? 0xc0 : 0xc2, frameHeader({ width: 9999, height: 9999, components })),
      ),
      'LIMIT',
    );
    for (const count of [0, 2, 5, 255]) {
      const sof = frameHeader({ components }).slice();
      sof[5] = count;
      add(`${kind}, ${count} components`, replacing(parts, 'SOF', segment(kind === 'baseline' ? 0xc0 : 0xc2, sof)));
    }
  }
  for (const marker of [0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf]) {
    add(
      `frame 0x${marker.toString(16)}`,
      replacing(jpegParts(), 'SOF', segment(marker, frameHeader({}))),
      'UNSUPPORTED',
    );
  }
  for (const [name, content] of [
    ['zeros', new Uint8Array(65)],
    ['slot 4', bytesOf([4], new Uint8Array(64).fill(1))],
    ['16 bits of zeros', bytesOf([0x10], new Uint8Array(128))],
  ] as const) {
    add(`quantisation of ${name}`, replacing(jpegParts(), 'DQT', segment(0xdb, content)));
  }
  add(
    'EXIF that is cut, after no picture',
    bytesOf([0xff, 0xd8], segment(0xe1, bytesOf(utf8('Exif\0\0'), exifBlock(6).subarray(0, 9))), [0xff, 0xd9]),
  );
  const others = {
    GIF: 'GIF89a',
    WebP: 'RIFF\x24\0\0\0WEBPVP8 ',
    BMP: 'BM\0\0\0\0\0\0\0\0',
    TIFF: 'II*\0\x08\0\0\0',
    text: 'hello, this is no picture',
    HTML: '<!doctype html>',
    nothing: '',
  };
  for (const [name, content] of Object.entries(others))
    add(`${name} under its name`, Buffer.from(content, 'latin1'), ['UNSUPPORTED', 'IMAGE']);
  return cases;
}

/** Rows T1 to T4 of the acceptance list. test/formats/tflite.test.ts has more of each. */
function tfliteCases(): Malformed[] {
  const cases: Malformed[] = [];
  const add = (name: string, bytes: Uint8Array, code: ErrorCode, place: Partial<Malformed> = {}) =>
    cases.push({ name: `TFLite: ${name}`, files: { 'net.tflite': bytes }, code, single: true, ...place });
  const { bytes, tables } = tfliteNetwork({ dtype: 'uint8' });
  for (let size = 0; size < 8; size++) add(`${size} bytes`, bytes.slice(0, size), 'BAD_HEADER', { offset: 4 });
  add('8 bytes', bytes.slice(0, 8), 'FLATBUFFER');
  for (let part = 1; part < 16; part++) {
    add(`${part} of 16 parts of its tables`, bytes.slice(0, Math.floor((tables * part) / 16)), 'FLATBUFFER');
  }
  add('cut in its data', bytes.slice(0, -20), 'FLATBUFFER');
  const root = new DataView(bytes.buffer).getUint32(0, true);
  for (const [name, at, value] of [
    ['a root outside', 0, 0xffffff00],
    ['a root that leads to itself', 0, 0],
    ['a vtable before the file', root, 0x7fffffff],
    ['a vtable after the file', root, 0x80000001],
  ] as const) {
    const damaged = bytes.slice();
    new DataView(damaged.buffer).setUint32(at, value, true);
    add(name, damaged, 'FLATBUFFER');
  }
  const change = (name: string, code: ErrorCode, how: (writer: TfliteWriter) => void, place: Partial<Malformed> = {}) =>
    add(name, tfliteNetwork({ dtype: 'uint8', change: how }).bytes, code, place);
  const first = (writer: TfliteWriter) => writer.operators[0];
  change('an input that is not there', 'FLATBUFFER', (w) => first(w).inputs.push(9999));
  change('an output that is not there', 'FLATBUFFER', (w) => first(w).outputs.splice(0, 1, -1));
  change('a circle of operators', 'FLATBUFFER', (w) => first(w).inputs.splice(0, 1, w.operators[5].outputs[0]));
  change('a value written twice', 'FLATBUFFER', (w) => w.operators.push({ ...first(w) }));
  const quant = (name: string, tensor: number, fields: object) =>
    change(name, 'QUANT', (w) => Object.assign(w.tensors[tensor], fields, { name: 't' }), { tensor: 't' });
  // 0 is the picture, 1 the weights of the first layer, 2 its bias.
  for (const scale of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    quant(`a scale of ${scale}`, 0, { scales: [scale] });
  quant('a zero point of 256', 0, { zeroPoints: [256] });
  quant('a zero point of −1', 1, { zeroPoints: [-1] });
  quant('two scales for eight channels', 1, { scales: [1, 1], zeroPoints: [0, 0] });
  quant('two zero points for one scale', 1, { zeroPoints: [0, 0] });
  quant('a bias at a scale of its own', 2, { scales: [0.7] });
  change('an operator that is not known', 'UNSUPPORTED', (w) =>
    Object.assign(first(w), { op: 117, options: undefined }),
  );
  change('a later version of an operator', 'UNSUPPORTED', (w) => Object.assign(first(w), { version: 99 }));
  change('pictures of open size', 'UNSUPPORTED', (w) => Object.assign(w.tensors[0], { signature: [1, -1, -1, 3] }));
  return cases;
}

export function malformed(sound: Sound): Malformed[] {
  return [
    ...safetensorsCases(sound),
    ...indexCases(sound),
    ...configCases(sound),
    ...preprocessorCases(sound),
    ...pytorchCases(),
    ...tfliteCases(),
    ...pngCases(),
    ...jpegCases(),
  ];
}

/** Damage that no pixel depends on, or that every decoder shows in the same way. */
export const TAKEN: ReadonlySet<string> = new Set([
  'PNG: tEXt with a wrong CRC',
  'PNG: IDAT that says 2^31',
  'PNG: IEND with a wrong CRC',
  'PNG: IEND that says 2^31',
  'PNG: IEND that says a byte more',
  'PNG: no IEND',
  'PNG: IEND twice',
  'PNG: IEND cut in the middle',
  'PNG: a row too many',
  'PNG: an index beyond the palette',
  'PNG: bytes after the end',
  'JPEG: baseline without DHT',
  'JPEG: quantisation of zeros',
  'JPEG: quantisation of 16 bits of zeros',
]);
