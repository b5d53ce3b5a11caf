import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { env } from '../../src/base/env.js';
import { readPytorch } from '../../src/formats/pytorch.js';
import { readSafetensors } from '../../src/formats/safetensors.js';
import { toFloat32, toInt64 } from '../../src/formats/stored.js';
import { sharedFile } from '../helpers/shared.js';
import {
  concat,
  type ExpectedError,
  expectError,
  fixture,
  fuzzAsync,
  int,
  utf8,
  type ZipPart,
  zip,
} from '../helpers/weight-files.js';

const file = 'pytorch_model.bin';
const read = (bytes: Uint8Array) => readPytorch(bytes, { file });
const refuses = (name: string, bytes: () => Uint8Array, expected: ExpectedError) =>
  test(name, () => expectError(() => read(bytes()), { file, ...expected }));

// A pickle is written here opcode by opcode, by the letters of pickletools.
const op = (code: string, ...args: Uint8Array[]) => concat(Uint8Array.of(code.charCodeAt(0)), ...args);
const PROTO = Uint8Array.of(0x80, 2);
const STOP = op('.');
const text = (value: string) => op('X', int(utf8(value).length, 4), utf8(value));
const number = (value: number | bigint) =>
  typeof value === 'number' ? op('J', int(value, 4)) : concat(Uint8Array.of(0x8a, 9), int(value, 8), Uint8Array.of(0));
const tuple = (...items: Uint8Array[]) => op('(', ...items, op('t'));
const dict = (...items: Uint8Array[]) => op('}', op('('), ...items, op('u'));
const global = (module: string, name: string) => op('c', utf8(`${module}\n${name}\n`));
const call = (callee: Uint8Array, ...args: Uint8Array[]) => concat(callee, tuple(...args), op('R'));
const ORDERED_DICT = call(global('collections', 'OrderedDict'));

interface Storage {
  key?: string;
  type?: string;
  count?: number | bigint;
}
const persistent = ({ key = '0', type = 'FloatStorage', count = 4 }: Storage = {}) =>
  concat(tuple(text('storage'), global('torch', type), text(key), text('cpu'), number(count)), op('Q'));

interface View extends Storage {
  offset?: number | bigint;
  dims?: (number | bigint)[];
  strides?: (number | bigint)[];
}
const tensor = ({ offset = 0, dims = [4], strides = [1], ...storage }: View = {}) =>
  call(
    global('torch._utils', '_rebuild_tensor_v2'),
    persistent(storage),
    number(offset),
    tuple(...dims.map(number)),
    tuple(...strides.map(number)),
    Uint8Array.of(0x89),
    ORDERED_DICT,
  );

/** A torch zip of this pickle and one storage of the float32 0, 1, 2, 3. */
const DATA = new Uint8Array(Float32Array.of(0, 1, 2, 3).buffer);
const archive = (pickle: Uint8Array, parts: ZipPart[] = [{ name: 'm/data/0', data: DATA }], options = {}) =>
  zip([{ name: 'm/data.pkl', data: concat(PROTO, pickle, STOP) }, ...parts], options);
const one = (view: View, parts?: ZipPart[]) => archive(dict(text('t'), tensor(view)), parts);

describe('files that torch wrote', () => {
  const wrapped = ['wrapped', 'training', 'training_legacy', 'attributes', 'ema', 'both'];
  for (const name of ['zip', 'legacy', 'protocol4', 'dtypes', 'strided', 'shared', 'parameter', ...wrapped]) {
    test(`${name}: what the safetensors library wrote of the same tensors`, async () => {
      const got = (await read(fixture(`${name}.bin`))).tensors;
      const expected = readSafetensors(fixture(`${name}.safetensors`), { file: 'expected' }).tensors;
      expect([...got.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [key, { dtype, dims, bytes }] of expected) {
        expect(got.get(key)).toMatchObject({ name: key, dtype, dims, file });
        expect([...got.get(key)!.bytes]).toEqual([...bytes]);
      }
    });
  }
  test('a state dict has its order, its values and the places they came from', async () => {
    const bytes = fixture('zip.bin');
    const { tensors } = await read(bytes);
    expect([...tensors.keys()].slice(0, 3)).toEqual(['0.weight', '0.bias', '1.weight']);
    const bias = tensors.get('0.bias')!;
    expect(toFloat32(bias).tolist()).toEqual([1, 1.125, 1.25]);
    expect([...bytes.subarray(bias.offset, bias.offset + 12)]).toEqual([...bias.bytes]);
    expect(toInt64(tensors.get('1.num_batches_tracked')!).data[0]).toBe(6n);
  });
  test('of several state dicts the weights are taken before their average, and that is said', async () => {
    expect((await read(fixture('both.bin'))).notes).toEqual([
      'pytorch_model.bin: the file has 2 sets of weights; "checkpoint.model" was taken, "model_ema" left',
    ]);
    expect((await read(fixture('ema.bin'))).notes).toBeUndefined();
    expect((await read(fixture('training.bin'))).notes).toBeUndefined();
  });
  test('a state dict in a list', async () => {
    const { tensors } = await read(archive(tuple(number(3), dict(text('t'), tensor()))));
    expect([...tensors.keys()]).toEqual(['t']);
  });
  test('tensors that share a storage share it here', async () => {
    const { tensors } = await read(fixture('shared.bin'));
    expect(tensors.get('again')!.offset).toBe(tensors.get('all')!.offset);
    expect(tensors.get('last')!.offset).toBe(tensors.get('all')!.offset + 24);
    expect(tensors.get('last')!.bytes.buffer).toBe(tensors.get('first')!.bytes.buffer);
  });
});

describe('a pickle may name tensors and nothing else', () => {
  refuses('os.system, as torch pickled it', () => fixture('malicious.bin'), {
    code: 'PICKLE',
    says: ['"posix.system"', 'nothing was run', file],
  });
  for (const [module, name] of [
    ['os', 'system'],
    ['builtins', 'eval'],
    ['__builtin__', 'getattr'],
    ['torch', 'load'],
    ['torch.storage', '_load_from_bytes'],
    ['torch._utils', '_rebuild_device_tensor_from_numpy'],
    ['torch', 'FloatStorage.__class__'],
    ['collections', 'defaultdict'],
    ['argparse', 'Namespace'],
    ['numpy.core.multiarray', 'scalar'],
    ['builtins', 'bytes'],
    ['torch', 'nn.Linear'],
    ['torch.nn', 'FloatStorage'],
    ['collections', 'OrderedDict.__init__'],
    ['', ''],
    ['__proto__', 'constructor'],
    ['x'.repeat(5000), 'y'],
  ] as const) {
    refuses(`GLOBAL ${module.slice(0, 40)}.${name}`, () => archive(call(global(module, name))), {
      code: 'PICKLE',
      says: ['asks for'],
    });
  }
  refuses('STACK_GLOBAL os.system', () => archive(concat(text('os'), text('system'), Uint8Array.of(0x93))), {
    code: 'PICKLE',
    says: ['"os.system"'],
  });
  refuses('STACK_GLOBAL of numbers', () => archive(concat(number(1), number(2), Uint8Array.of(0x93))), {
    code: 'PICKLE',
  });
  for (const [name, code] of [
    ['INST', 'i'],
    ['OBJ', 'o'],
    ['NEWOBJ_EX', '\x92'],
    ['EXT1', '\x82'],
    ['PERSID', 'P'],
    ['STRING', 'S'],
    ['BYTEARRAY8', '\x96'],
    ['NEXT_BUFFER', '\x97'],
    ['zero', '\0'],
  ] as const) {
    refuses(`opcode ${name}`, () => archive(concat(text('os'), op(code))), { code: 'PICKLE', says: ['opcode'] });
  }
  const calls: [name: string, pickle: Uint8Array][] = [
    ['text by NEWOBJ', concat(text('os'), op(')'), op('\x81'))],
    [
      'a rebuilding of itself',
      call(
        global('torch._tensor', '_rebuild_from_type_v2'),
        global('torch._tensor', '_rebuild_from_type_v2'),
        global('torch', 'Tensor'),
        tuple(),
        dict(),
      ),
    ],
    ['Counter of a number', call(global('collections', 'Counter'), number(1))],
    [
      'a quantised tensor as a weight',
      dict(text('t'), tensor(), text('q'), call(global('torch._utils', '_rebuild_qtensor'))),
    ],
    ['a storage type', call(global('torch', 'FloatStorage'))],
    ['a dict', call(dict())],
    ['OrderedDict with arguments', call(global('collections', 'OrderedDict'), number(1))],
    ['_rebuild_tensor_v2 without arguments', call(global('torch._utils', '_rebuild_tensor_v2'))],
    [
      '_rebuild_tensor_v2 of no storage',
      call(global('torch._utils', '_rebuild_tensor_v2'), number(1), tuple(), tuple()),
    ],
    ['_rebuild_parameter of no tensor', call(global('torch._utils', '_rebuild_parameter'), text('x'))],
    ['a function whose arguments are no tuple', concat(global('collections', 'OrderedDict'), number(1), op('R'))],
    ['attributes of a tensor', concat(tensor(), dict(), op('b'))],
  ];
  for (const [name, pickle] of calls) refuses(`a call of ${name}`, () => archive(pickle), { code: 'PICKLE' });
});

describe('a pickle that is broken', () => {
  const cases: [name: string, pickle: Uint8Array, code: 'PICKLE' | 'TRUNCATED' | 'DUPLICATE_KEY' | 'LIMIT'][] = [
    ['nothing but STOP', new Uint8Array(), 'PICKLE'],
    ['pops below the stack', Uint8Array.of(0x85), 'PICKLE'],
    ['pops below a mark', concat(number(1), op('('), Uint8Array.of(0x85)), 'PICKLE'],
    ['no mark', op('t'), 'PICKLE'],
    ['a memo that was never set', op('h', int(3, 1)), 'PICKLE'],
    ['puts nothing into the memo', op('q', int(0, 1)), 'PICKLE'],
    ['appends to a dict', concat(dict(), number(1), op('a')), 'PICKLE'],
    ['sets an item of a list', concat(op(']'), number(1), number(1), op('s')), 'PICKLE'],
    ['a key without a value', op('}', op('('), text('a'), op('u')), 'PICKLE'],
    ['a dict as a key', dict(dict(), number(1)), 'PICKLE'],
    ['the same key twice', dict(text('a'), number(1), text('a'), number(2)), 'DUPLICATE_KEY'],
    ['text longer than the file', op('X', int(0xffffffff, 4)), 'TRUNCATED'],
    ['text that is not UTF-8', op('X', int(1, 4), Uint8Array.of(0xff)), 'PICKLE'],
    ['protocol 6', Uint8Array.of(0x80, 6), 'PICKLE'],
    ['a name without an end', op('c', utf8('os')), 'TRUNCATED'],
    ['a list that holds itself', concat(op(']'), op('q', int(0, 1)), op('h', int(0, 1)), op('a')), 'PICKLE'],
    ['a dict that holds itself', concat(op('}'), op('q', int(0, 1)), text('a'), op('h', int(0, 1)), op('s')), 'PICKLE'],
    ['a number', number(1), 'PICKLE'],
    ['a value that is not a tensor', dict(text('epoch'), number(3)), 'PICKLE'],
    ['a key that is not text', dict(number(3), tensor()), 'PICKLE'],
    ['a reference to no storage', concat(text('x'), op('Q')), 'PICKLE'],
    ['a reference to another kind', concat(tuple(text('module'), text('x')), op('Q')), 'PICKLE'],
    ['two million opcodes', new Uint8Array(2_000_000).fill(0x4e), 'LIMIT'],
    ['two million open marks', new Uint8Array(2_000_000).fill(0x28), 'LIMIT'],
    ['lists in lists, a million deep', new Uint8Array(1_000_001).fill(0x85).fill(0x4e, 0, 1), 'LIMIT'],
  ];
  for (const [name, pickle, code] of cases) refuses(name, () => archive(pickle), { code });
  refuses('no STOP', () => zip([{ name: 'm/data.pkl', data: concat(PROTO, dict()) }]), { code: 'TRUNCATED' });
  // A local zip header of 30 bytes, the name of 10, then PROTO with its version: the opcode to blame is at 42.
  refuses('the offset is that of the file', () => archive(op('X', int(1, 4), Uint8Array.of(0xff))), {
    code: 'PICKLE',
    offset: 42,
  });
  refuses('a dict without tensors is told by its keys', () => archive(dict(text('epoch'), number(3))), {
    code: 'PICKLE',
    says: ['"epoch"', 'without tensors'],
  });
  refuses('keys that are no names are not told', () => archive(dict(number(7), number(1), text('epoch'), number(3))), {
    code: 'PICKLE',
    says: ['by name ("epoch")'],
  });
  refuses('attributes of a list', () => archive(concat(op(']'), dict(), op('b'))), {
    code: 'PICKLE',
    says: ['attributes on a dict, got them on'],
  });
  test('its size is limited like a header', async () => {
    const before = env.limits.headerBytes;
    env.limits.headerBytes = 10;
    try {
      await expectError(() => read(fixture('zip.bin')), { code: 'LIMIT', file, says: ['env.limits.headerBytes'] });
    } finally {
      env.limits.headerBytes = before;
    }
  });
});

describe('a view must lie within its storage', () => {
  test('strides of 0, of dimensions of size 1, and empty views are read', async () => {
    const values = async (view: View) => toFloat32((await read(one(view))).tensors.get('t')!).tolist();
    expect(await values({ dims: [2, 2], strides: [1, 2] })).toEqual([
      [0, 2],
      [1, 3],
    ]);
    expect(await values({ dims: [2, 2], strides: [0, 1], offset: 2 })).toEqual([
      [2, 3],
      [2, 3],
    ]);
    expect(await values({ dims: [1, 4, 1], strides: [99, 1, 77] })).toEqual([[[0], [1], [2], [3]]]);
    expect(await values({ dims: [], strides: [], offset: 3 })).toBe(3);
    expect(await values({ dims: [0, 5], strides: [5, 1], offset: 99 })).toEqual([]);
  });
  const cases: [name: string, view: View, code: 'LAYOUT' | 'SHAPE' | 'LIMIT'][] = [
    ['too many elements', { dims: [5] }, 'LAYOUT'],
    ['offset past the end', { dims: [1], offset: 4 }, 'LAYOUT'],
    ['offset and elements past the end', { dims: [2], offset: 3 }, 'LAYOUT'],
    ['negative offset', { dims: [1], offset: -1 }, 'LAYOUT'],
    ['offset of 2^62', { dims: [1], offset: 2n ** 62n }, 'LAYOUT'],
    ['stride past the end', { dims: [2], strides: [4] }, 'LAYOUT'],
    ['stride of 2^62', { dims: [2], strides: [2n ** 62n] }, 'SHAPE'],
    ['negative stride', { dims: [2], strides: [-1], offset: 1 }, 'SHAPE'],
    ['negative size', { dims: [-1] }, 'SHAPE'],
    ['fewer strides than dims', { dims: [2, 2] }, 'SHAPE'],
    ['65 dimensions', { dims: new Array(65).fill(1), strides: new Array(65).fill(1) }, 'SHAPE'],
    ['2^31 elements of stride 0', { dims: [2 ** 31 - 1], strides: [0] }, 'LIMIT'],
    ['2^62 elements of stride 0', { dims: [2 ** 31 - 1, 2 ** 31 - 1], strides: [0, 0] }, 'SHAPE'],
  ];
  for (const [name, view, code] of cases) refuses(name, () => one(view), { code, tensor: 't', says: ['"t"'] });

  test('many views that each copy the storage stay within the size of the file', async () => {
    const names = Array.from({ length: 200 }, (_, i) => `t${i}`);
    const transposed = tensor({ dims: [32, 32], strides: [1, 32], count: 1024 });
    // The first is put into the memo, all others are references to it: two bytes and a name each.
    const items = names.flatMap((name, i) => [
      text(name),
      i === 0 ? concat(transposed, op('q', int(9, 1))) : op('h', int(9, 1)),
    ]);
    const bytes = archive(dict(...items), [{ name: 'm/data/0', data: new Uint8Array(4096) }]);
    await expectError(() => read(bytes), { code: 'LIMIT', file, says: ['.contiguous()'] });
  });
});

describe('quantized tensors', () => {
  const real = (value: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value);
    return op('G', bytes);
  };
  const PER_TENSOR = global('torch', 'per_tensor_affine');
  const PER_CHANNEL = global('torch', 'per_channel_affine');
  const quantized = (...scheme: Uint8Array[]) =>
    call(
      global('torch._utils', '_rebuild_qtensor'),
      persistent({ type: 'QInt8Storage' }),
      number(0),
      tuple(number(2), number(2)),
      tuple(number(2), number(1)),
      tuple(...scheme),
      Uint8Array.of(0x89),
      ORDERED_DICT,
    );
  const SCALES = new Uint8Array(Float64Array.of(0.5, 0.25).buffer);
  const ZEROS = new Uint8Array(BigInt64Array.of(0n, 3n).buffer);
  const parts = [
    { name: 'm/data/0', data: Uint8Array.of(1, 2, 254, 255) },
    { name: 'm/data/1', data: SCALES },
    { name: 'm/data/2', data: ZEROS },
  ];
  const scales = (view: View = {}) => tensor({ key: '1', type: 'DoubleStorage', count: 2, dims: [2], ...view });
  const zeros = (view: View = {}) => tensor({ key: '2', type: 'LongStorage', count: 2, dims: [2], ...view });
  const file = (...scheme: Uint8Array[]) => archive(dict(text('q'), quantized(...scheme)), parts);
  const quantizationOf = async (bytes: Uint8Array, name = 'q') => (await read(bytes)).tensors.get(name)!;

  test('with one scale, and with one for each channel', async () => {
    expect(await quantizationOf(file(PER_TENSOR, real(0.125), number(3)))).toMatchObject({
      dtype: 'I8',
      dims: [2, 2],
      quantization: { scales: [0.125], zeroPoints: [3], axis: null },
    });
    expect(await quantizationOf(file(PER_CHANNEL, scales(), zeros(), number(1)))).toMatchObject({
      quantization: { scales: [0.5, 0.25], zeroPoints: [0, 3], axis: 1 },
    });
  });

  test('of a linear layer lie in a tuple, whose type is not a tensor', async () => {
    const pair = tuple(quantized(PER_TENSOR, real(1), number(0)), tensor({ key: '3' }));
    const name = 'fc._packed_params';
    const items = [text(`${name}._packed_params`), pair, text(`${name}.dtype`), global('torch', 'qint8')];
    const bytes = archive(dict(text('t'), tensor({ key: '3' }), ...items), [
      ...parts,
      { name: 'm/data/3', data: DATA },
    ]);
    const { tensors } = await read(bytes);
    expect([...tensors.keys()]).toEqual(['t', `${name}._packed_params.0`, `${name}._packed_params.1`]);
  });

  const cases: [name: string, scheme: Uint8Array[], says: string][] = [
    ['of another scheme', [global('torch', 'per_channel_affine_float_qparams'), real(1), number(0)], 'float_qparams'],
    ['without a scheme', [], 'nothing'],
    ['with a scale of 0', [PER_TENSOR, real(0), number(0)], 'scales above 0'],
    ['with a scale that is not a number', [PER_TENSOR, real(Number.NaN), number(0)], 'scales above 0'],
    ['with a scale of text', [PER_TENSOR, text('1'), number(0)], 'scales above 0'],
    ['with half a zero point', [PER_TENSOR, real(1), real(0.5)], 'whole zero points'],
    ['with scales of more channels', [PER_CHANNEL, scales({ dims: [1] }), zeros(), number(0)], 'expected 2 scales'],
    [
      'with zero points in a matrix',
      [PER_CHANNEL, scales(), zeros({ dims: [1, 2], strides: [2, 1] }), number(0)],
      '[1,2]',
    ],
    ['with one scale in place of many', [PER_CHANNEL, real(1), zeros(), number(0)], 'expected 2 scales'],
    ['along a dimension that is not there', [PER_CHANNEL, scales(), zeros(), number(2)], 'dimension'],
    ['along a dimension before the first', [PER_CHANNEL, scales(), zeros(), number(-1)], 'dimension'],
  ];
  for (const [name, scheme, says] of cases) {
    refuses(name, () => file(...scheme), { code: 'QUANT', tensor: 'q', says: [says] });
  }
  refuses('with scales past their storage', () => file(PER_CHANNEL, scales({ offset: 1 }), zeros(), number(0)), {
    code: 'LAYOUT',
  });

  test('whose scales are read again and again cost no more than the file', async () => {
    const count = 4096;
    const shared = concat(
      call(
        global('torch._utils', '_rebuild_qtensor'),
        persistent({ type: 'QInt8Storage', count }),
        number(0),
        tuple(number(count)),
        tuple(number(1)),
        tuple(
          PER_CHANNEL,
          tensor({ key: '1', type: 'DoubleStorage', count, dims: [count] }),
          tensor({ key: '2', type: 'LongStorage', count, dims: [count] }),
          number(0),
        ),
        Uint8Array.of(0x89),
        ORDERED_DICT,
      ),
      op('q', int(9, 1)),
    );
    const items = Array.from({ length: 500 }, (_, i) => [text(`q${i}`), i === 0 ? shared : op('h', int(9, 1))]).flat();
    const bytes = archive(dict(...items), [
      { name: 'm/data/0', data: new Uint8Array(count) },
      { name: 'm/data/1', data: new Uint8Array(new Float64Array(count).fill(1).buffer) },
      { name: 'm/data/2', data: new Uint8Array(8 * count) },
    ]);
    await expectError(() => read(bytes), { code: 'LIMIT' });
  });

  test('fuzzed end in an error of ours, or in what is there', async () => {
    const bytes = file(PER_CHANNEL, scales(), zeros(), number(1));
    expect(await fuzzAsync(bytes, 2000, 11, read)).toBeGreaterThan(0);
  });
});

describe('storages', () => {
  refuses('missing', () => one({}, []), { code: 'LAYOUT', says: ['no such zip entry'] });
  refuses('shorter than said', () => one({}, [{ name: 'm/data/0', data: DATA.subarray(4) }]), { code: 'LAYOUT' });
  refuses('longer than said', () => one({ count: 3 }), { code: 'LAYOUT' });
  refuses('larger than the file', () => one({ count: 1_000_000 }), { code: 'LAYOUT' });
  refuses('2^62 elements', () => one({ count: 2n ** 62n }), { code: 'LAYOUT' });
  refuses('negative count', () => one({ count: -1 }), { code: 'LAYOUT' });
  refuses('an unknown type', () => one({ type: 'ComplexDoubleStorage' }), {
    code: 'PICKLE',
    says: ['ComplexDoubleStorage'],
  });
  const two = (first: View, second: View) => archive(dict(text('a'), tensor(first), text('b'), tensor(second)));
  refuses('the same with two types', () => two({}, { type: 'IntStorage' }), { code: 'LAYOUT', says: ['F32', 'I32'] });
  refuses('the same with two counts', () => two({}, { count: 3, dims: [3] }), { code: 'LAYOUT' });
  refuses(
    'big-endian',
    () =>
      one({}, [
        { name: 'm/data/0', data: DATA },
        { name: 'm/byteorder', data: utf8('big') },
      ]),
    {
      code: 'UNSUPPORTED',
      says: ['little-endian'],
    },
  );
});

describe('zip', () => {
  const pickle = concat(PROTO, dict(text('t'), tensor()), STOP);
  const parts = (change: Partial<ZipPart> = {}): ZipPart[] => [
    { name: 'm/data.pkl', data: pickle },
    { name: 'm/data/0', data: DATA, ...change },
  ];
  const values = async (bytes: Uint8Array) => toFloat32((await read(bytes)).tensors.get('t')!).tolist();

  test('plain', async () => expect(await values(zip(parts()))).toEqual([0, 1, 2, 3]));
  test('ZIP64 records and fields', async () =>
    expect(await values(zip(parts(), { zip64: true }))).toEqual([0, 1, 2, 3]));
  test('a comment', async () => {
    const bytes = concat(zip(parts()), utf8('hello'));
    bytes[bytes.length - 7] = 5;
    expect(await values(bytes)).toEqual([0, 1, 2, 3]);
  });
  refuses('cut short', () => zip(parts()).subarray(0, -1), { code: 'TRUNCATED' });
  refuses('only the magic', () => utf8('PK'), { code: 'TRUNCATED' });
  refuses('compressed', () => zip(parts({ method: 8 })), { code: 'UNSUPPORTED', says: ['m/data/0', 'method 8'] });
  refuses('encrypted', () => zip(parts({ flags: 1 })), { code: 'UNSUPPORTED', says: ['encryption'] });
  refuses('wrong checksum', () => zip(parts({ crc: 1 })), { code: 'IO', says: ['m/data/0', 'checksum'] });
  refuses('another name inside', () => zip(parts({ localName: 'm/data/1' })), { code: 'LAYOUT', says: ['m/data/1'] });
  refuses('a size past the file', () => zip(parts({ size: 0x7fffffff })), { code: 'LAYOUT' });
  refuses('the same name twice', () => zip([...parts(), ...parts()]), { code: 'DUPLICATE_KEY', says: ['m/data.pkl'] });
  refuses('fewer entries than there are', () => zip(parts(), { count: 1 }), { code: 'LAYOUT' });
  refuses('more entries than there are', () => zip(parts(), { count: 3 }), { code: 'LAYOUT' });
  refuses('ZIP64: more entries than there are', () => zip(parts(), { count: 3, zip64: true }), { code: 'LAYOUT' });
  refuses('no data.pkl', () => zip(parts().slice(1)), { code: 'UNSUPPORTED', says: ['data.pkl'] });
  refuses('no entries', () => zip([]), { code: 'UNSUPPORTED' });
  refuses(
    'a name that is not UTF-8',
    () => {
      const bytes = zip([{ name: 'name', data: DATA }]);
      bytes[bytes.length - 23] = 0xff;
      return bytes;
    },
    { code: 'BAD_HEADER' },
  );
});

describe('legacy format', () => {
  const MAGIC = concat(PROTO, Uint8Array.of(0x8a, 10), int(0xa86a20f9469cfc6cn, 8), int(0x1950, 2), STOP);
  const SYSTEM = dict(text('little_endian'), Uint8Array.of(0x88));
  interface Legacy {
    magic?: Uint8Array;
    version?: number;
    system?: Uint8Array;
    keys?: Uint8Array;
    count?: number | bigint;
    data?: Uint8Array;
  }
  const legacy = ({ magic = MAGIC, version = 1001, system = SYSTEM, keys, count = 4, data = DATA }: Legacy = {}) =>
    concat(
      magic,
      concat(PROTO, number(version), STOP),
      concat(PROTO, system, STOP),
      concat(PROTO, dict(text('t'), tensor()), STOP),
      concat(PROTO, keys ?? concat(op(']'), text('0'), op('a')), STOP),
      int(count, 8),
      data,
    );

  test('as it should be', async () =>
    expect(toFloat32((await read(legacy())).tensors.get('t')!).tolist()).toEqual([0, 1, 2, 3]));
  refuses('empty file', () => new Uint8Array(), { code: 'BAD_HEADER', offset: 0 });
  refuses('text', () => utf8('version https://git-lfs.github.com/spec/v1'), { code: 'BAD_HEADER', offset: 0 });
  refuses('another pickle', () => concat(PROTO, number(1), STOP), { code: 'BAD_HEADER' });
  refuses('another magic number', () => legacy({ magic: concat(PROTO, number(1n), STOP) }), { code: 'BAD_HEADER' });
  refuses('another version', () => legacy({ version: 1002 }), { code: 'UNSUPPORTED', says: ['1001', '1002'] });
  refuses('big-endian', () => legacy({ system: dict(text('little_endian'), Uint8Array.of(0x89)) }), {
    code: 'UNSUPPORTED',
    says: ['little-endian'],
  });
  refuses('system that is not a dict', () => legacy({ system: number(1) }), { code: 'UNSUPPORTED' });
  refuses('keys that are no list', () => legacy({ keys: number(1) }), { code: 'BAD_HEADER' });
  refuses('a key that nobody uses', () => legacy({ keys: tuple(text('7')) }), { code: 'LAYOUT', says: ['"7"'] });
  refuses('a key twice', () => legacy({ keys: tuple(text('0'), text('0')) }), { code: 'LAYOUT' });
  refuses('a key that is a number', () => legacy({ keys: tuple(number(0)) }), { code: 'LAYOUT' });
  refuses('a storage without data', () => legacy({ keys: op(')'), data: new Uint8Array(), count: 0 }), {
    code: 'LAYOUT',
  });
  refuses('another count', () => legacy({ count: 5 }), { code: 'LAYOUT', says: ['4', '5'] });
  refuses('a count of 2^64 - 1', () => legacy({ count: -1n }), { code: 'LAYOUT' });
  refuses('trailing bytes', () => concat(legacy(), DATA), { code: 'LAYOUT', says: ['16 more'] });
  refuses('os.system', () => legacy({ system: call(global('os', 'system'), text('x')) }), {
    code: 'PICKLE',
    says: ['"os.system"'],
  });
  test('cut at every byte', async () => {
    const whole = fixture('legacy.bin');
    for (let size = 1; size < whole.length; size++) {
      await expect(read(whole.subarray(0, size))).rejects.toMatchObject({ code: 'TRUNCATED', file });
    }
  });
});

describe('damaged at random', () => {
  const readAll = async (bytes: Uint8Array) => {
    for (const stored of (await read(bytes)).tensors.values()) if (stored.dtype === 'F32') toFloat32(stored);
  };
  test('20,000 zips', () => fuzzAsync(fixture('zip.bin'), 20_000, 4, readAll));
  test('20,000 legacy files', () => fuzzAsync(fixture('legacy.bin'), 20_000, 5, readAll));
  test('20,000 pickles in good zips', () => {
    const pickle = concat(PROTO, dict(text('t'), tensor(), text('u'), tensor({ dims: [2, 2], strides: [1, 2] })), STOP);
    const parts = [{ name: 'm/data/0', data: DATA }];
    return fuzzAsync(pickle, 20_000, 6, (data) => readAll(zip([{ name: 'm/data.pkl', data }, ...parts])));
  });
});

describe('real checkpoint', () => {
  const full = sharedFile('weights/deeplabv3_mobilenet_v2_1.0_513/pytorch_model.bin');
  test.skipIf(full === undefined)('deeplabv3_mobilenet_v2_1.0_513', async () => {
    const { tensors } = await read(new Uint8Array(readFileSync(full!)));
    expect(tensors.size).toBe(332);
    expect([...tensors.values()].reduce((n, t) => n + t.dims.reduce((a, b) => a * b, 1), 0)).toBe(2_561_420);
    // Printed by torch 2.13.0: name, dims, first three elements, last element, sum in float64.
    for (const [name, dims, first, last, sum] of [
      [
        'mobilenet_v2.conv_stem.first_conv.convolution.weight',
        [32, 3, 3, 3],
        [0.2759890854358673, 0.2597544193267822, 0.2759890854358673],
        -0.06355417519807816,
        5.2469458458945155,
      ],
      [
        'mobilenet_v2.layer.4.conv_3x3.normalization.running_var',
        [192],
        [0.5875098705291748, 1.8778663873672485, 0.16362151503562927],
        0.36249443888664246,
        340.7366476804018,
      ],
      [
        'segmentation_head.classifier.convolution.weight',
        [21, 256, 1, 1],
        [0.08819136023521423, 0.13228704035282135, 0.38483503460884094],
        0.20845231413841248,
        209.50659847538918,
      ],
    ] as const) {
      const { dims: gotDims, data } = toFloat32(tensors.get(name)!);
      expect(gotDims).toEqual(dims);
      expect([...data.subarray(0, 3)]).toEqual(first);
      expect(data.at(-1)).toBe(last);
      expect(data.reduce((a, b) => a + b, 0)).toBeCloseTo(sum, 9);
    }
  });
});
