import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { env } from '../../src/base/env.js';
import { checkFinite } from '../../src/formats/load.js';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.js';
import { DTYPES, type StoredTensor, storedBytes, toFloat32, toInt64 } from '../../src/formats/stored.js';
import { bfloat16ToFloat32, float16ToFloat32 } from '../../src/tensor/half.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { sharedFile } from '../helpers/shared.js';
import {
  concat,
  type ExpectedError,
  expectError,
  fixture,
  fuzz,
  int,
  safetensors,
  split,
  utf8,
} from '../helpers/weight-files.js';

const file = 'model.safetensors';
const read = (bytes: Uint8Array) => readSafetensors(bytes, { file });
const refuses = (name: string, bytes: () => Uint8Array, expected: ExpectedError) =>
  test(name, () => expectError(() => read(bytes()), { file, ...expected }));

/** An entry of unsigned bytes from `begin` to `end`. */
const u8 = (begin: number, end: number) => ({ dtype: 'U8', shape: [end - begin], data_offsets: [begin, end] });
/** A file with one tensor `t` whose header has these fields, as JSON text. */
const one = (dtype: string, shape: string, offsets: string, dataBytes = 0) =>
  safetensors(`{"t":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`, dataBytes);

describe('S1: shorter than a header length', () => {
  for (let size = 0; size < 8; size++) {
    refuses(`${size} bytes`, () => new Uint8Array(size), { code: 'TRUNCATED', offset: 0, says: [`${size} bytes`] });
  }
});

describe('S2: a header length that cannot be, refused before anything is allocated', () => {
  refuses('2^64 - 1', () => concat(int(-1, 8), utf8('{}')), { code: 'TRUNCATED', offset: 0 });
  refuses('2^63', () => concat(int(2n ** 63n, 8), utf8('{}')), { code: 'TRUNCATED', offset: 0 });
  refuses('2^53 + 1', () => concat(int(2n ** 53n + 1n, 8), utf8('{}')), { code: 'TRUNCATED', offset: 0 });
  refuses('one more than the file has', () => concat(int(3, 8), utf8('{}')), { code: 'TRUNCATED', offset: 0 });
  refuses('above the limit, though the file has it', () => concat(int(25_000_001, 8), new Uint8Array(25_000_001)), {
    code: 'LIMIT',
    offset: 0,
    says: ['25000000', 'env.limits.headerBytes'],
  });
  test('the limit can be changed', async () => {
    const before = env.limits.headerBytes;
    env.limits.headerBytes = 1;
    try {
      await expectError(() => read(safetensors('{}')), { code: 'LIMIT', file, offset: 0 });
    } finally {
      env.limits.headerBytes = before;
    }
  });
});

describe('S3: a header that is not one', () => {
  const cases: [name: string, header: string | Uint8Array, offset: number][] = [
    ['empty', '', 8],
    ['byte order mark', '\uFEFF{}', 8],
    ['leading space', ' {}', 8],
    ['array', '[]', 8],
    ['string', '"a"', 8],
    ['number', '1', 8],
    ['null', 'null', 8],
    ['text', 'hello', 8],
    ['zeros', '\0\0', 8],
    ['bad UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), 8],
    ['cut JSON', '{"a":', 13],
    ['something after the object', '{}x', 10],
    ['NUL padding', '{}\0', 10],
    ['deep nesting', `{"a":${'['.repeat(5000)}`, 8 + 5 + 63],
    ['lone surrogate in a name', '{"\\ud800":1}', 9],
  ];
  for (const [name, header, offset] of cases) {
    const text = typeof header === 'string' ? utf8(header) : header;
    refuses(name, () => concat(int(text.length, 8), text), { code: 'BAD_HEADER', offset });
  }
  const entries: [name: string, entry: string][] = [
    ['null entry', 'null'],
    ['array entry', '["U8",[1],[0,1]]'],
    ['number entry', '1'],
    ['empty entry', '{}'],
    ['no dtype', '{"shape":[1],"data_offsets":[0,1]}'],
    ['dtype null', '{"dtype":null,"shape":[1],"data_offsets":[0,1]}'],
    ['no shape', '{"dtype":"U8","data_offsets":[0,1]}'],
    ['shape a number', '{"dtype":"U8","shape":1,"data_offsets":[0,1]}'],
    ['shape an object', '{"dtype":"U8","shape":{"length":1,"0":1},"data_offsets":[0,1]}'],
    ['no data_offsets', '{"dtype":"U8","shape":[1]}'],
    ['data_offsets an object', '{"dtype":"U8","shape":[1],"data_offsets":{"0":0,"1":1}}'],
    ['hostile constructor', '{"constructor":{"name":{}},"dtype":{"constructor":{"name":{}}}}'],
  ];
  for (const [name, entry] of entries) {
    refuses(name, () => safetensors(`{"t":${entry}}`, 1), { code: 'BAD_HEADER', tensor: 't' });
  }
});

describe('S4: duplicate names', () => {
  const entry = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
  refuses('the same twice', () => safetensors(`{"a":${entry},"a":${entry}}`, 1), {
    code: 'DUPLICATE_KEY',
    tensor: 'a',
  });
  refuses('spelled with an escape', () => safetensors(`{"a":${entry},"\\u0061":${entry}}`, 1), {
    code: 'DUPLICATE_KEY',
    tensor: 'a',
  });
  refuses('inside an entry', () => safetensors('{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), {
    code: 'DUPLICATE_KEY',
    tensor: 'a.dtype',
    offset: 27,
  });
  refuses('inside the metadata', () => safetensors('{"__metadata__":{"x":"1","x":"2"}}'), {
    code: 'DUPLICATE_KEY',
    tensor: '__metadata__.x',
  });
});

describe('S5: layout', () => {
  const dataStart = (header: object) => 8 + JSON.stringify(header).length;
  const cases: [name: string, header: Record<string, object>, dataBytes: number, tensor: string, says: string[]][] = [
    ['gap', { a: u8(0, 4), b: u8(6, 8) }, 8, 'b', ['"a"', '"b"', 'gap']],
    ['gap at the start', { a: u8(2, 4) }, 4, 'a', ['"a"', 'header', 'gap']],
    ['overlap', { a: u8(0, 4), b: u8(3, 8) }, 8, 'b', ['"a"', '"b"', 'overlaps']],
    ['same range twice', { a: u8(0, 4), b: u8(0, 4) }, 4, 'b', ['"a"', '"b"', 'overlaps']],
    ['one inside another', { a: u8(0, 8), b: u8(2, 4) }, 8, 'b', ['"a"', '"b"', 'overlaps']],
    ['empty tensor inside another', { a: u8(0, 8), b: u8(4, 4) }, 8, 'b', ['"a"', '"b"', 'overlaps']],
    ['header order does not hide a gap', { b: u8(6, 8), a: u8(0, 4) }, 8, 'b', ['"a"', '"b"', 'gap']],
  ];
  for (const [name, header, dataBytes, tensor, says] of cases) {
    const { data_offsets: offsets } = header[tensor] as { data_offsets: number[] };
    const offset = dataStart(header) + offsets[0]!;
    refuses(name, () => safetensors(header, dataBytes), { code: 'LAYOUT', tensor, offset, says });
  }
  refuses('trailing bytes', () => safetensors({ a: u8(0, 4) }, 5), {
    code: 'LAYOUT',
    tensor: 'a',
    offset: dataStart({ a: u8(0, 4) }) + 4,
    says: ['"a"', '1 more'],
  });
  refuses('trailing bytes after no tensor', () => safetensors({}, 1), { code: 'LAYOUT', offset: 10 });
  refuses('past the end', () => safetensors({ a: u8(0, 4) }, 3), {
    code: 'TRUNCATED',
    tensor: 'a',
    offset: dataStart({ a: u8(0, 4) }) + 3,
  });
  const offsets: [name: string, offsets: string][] = [
    ['end before begin', '[4,0]'],
    ['one offset', '[0]'],
    ['three offsets', '[0,1,1]'],
    ['no offsets', '[]'],
    ['negative', '[-1,0]'],
    ['fraction', '[0,1.5]'],
    ['string', '[0,"1"]'],
    ['null', '[null,1]'],
    ['nested', '[0,[1]]'],
    ['infinite', '[0,1e400]'],
    ['2^53', '[9007199254740992,9007199254740993]'],
  ];
  for (const [name, text] of offsets) {
    refuses(`data_offsets: ${name}`, () => one('"U8"', '[1]', text, 1), { code: 'LAYOUT', tensor: 't' });
  }
});

describe('S6: shape', () => {
  const cases: [name: string, shape: string][] = [
    ['too small for the span', '[3]'],
    ['too large for the span', '[5]'],
    ['zero for a span', '[0]'],
    ['scalar for a span', '[]'],
    ['negative', '[-1]'],
    ['two negatives', '[-2,-2]'],
    ['fraction', '[1.5]'],
    ['1e400', '[1e400]'],
    ['2^53', '[9007199254740992]'],
    ['product beyond 2^53', '[4294967296,4294967296]'],
    ['product beyond 2^53, then zero', '[4294967296,4294967296,0]'],
    ['product that wraps to 4 in 64 bits', '[4611686018427387905,4]'],
    ['string', '["4"]'],
    ['null', '[null]'],
    ['nested', '[[4]]'],
    ['true', '[4,true]'],
    ['object', '[{}]'],
  ];
  for (const [name, shape] of cases) {
    refuses(name, () => one('"U8"', shape, '[0,4]', 4), { code: 'SHAPE', tensor: 't', says: ['"t"', file] });
  }
  refuses('element size counts', () => one('"F32"', '[4]', '[0,4]', 4), {
    code: 'SHAPE',
    tensor: 't',
    says: ['16', '4'],
  });
  refuses('bits that end inside a byte', () => one('"F4"', '[3]', '[0,2]', 2), { code: 'SHAPE', tensor: 't' });
  refuses('half a million dimensions', () => one('"U8"', `[${'1,'.repeat(499_999)}1]`, '[0,4]', 4), {
    code: 'SHAPE',
    tensor: 't',
  });
});

describe('S7: dtype', () => {
  for (const dtype of ['XX', 'f32', 'FLOAT', '', 'constructor', '__proto__', 'toString']) {
    refuses(`unknown: ${dtype}`, () => one(JSON.stringify(dtype), '[0]', '[0,0]'), {
      code: 'DTYPE',
      tensor: 't',
      says: [file, 'BF16'],
    });
  }
  for (const dtype of DTYPES) {
    test(`${dtype} loads`, () => {
      const bytes = storedBytes(dtype, [2, 4])!;
      const { tensors } = read(one(`"${dtype}"`, '[2,4]', `[0,${bytes}]`, bytes));
      expect(tensors.get('t')).toMatchObject({ dtype, dims: [2, 4], file });
    });
    if (['F32', 'F16', 'BF16'].includes(dtype)) continue;
    test(`${dtype} is no weight`, () => {
      const stored = read(one(`"${dtype}"`, '[0]', '[0,0]')).tensors.get('t')!;
      return expectError(() => toFloat32(stored), { code: 'DTYPE', file, tensor: 't', says: [dtype, 'F32', file] });
    });
  }
  test('only I64 is a counter', () => {
    expect(toInt64(read(one('"I64"', '[]', '[0,8]', 8)).tensors.get('t')!).data[0]).toBe(0x0706050403020100n);
    const stored = read(one('"I32"', '[]', '[0,4]', 4)).tensors.get('t')!;
    return expectError(() => toInt64(stored), { code: 'DTYPE', file, tensor: 't', says: ['I32', 'I64'] });
  });
});

describe('S8: metadata and names', () => {
  for (const metadata of [
    'null',
    '[]',
    '"pt"',
    '1',
    '{"a":1}',
    '{"a":null}',
    '{"a":{"b":"c"}}',
    '{"a":["b"]}',
    'true',
  ]) {
    refuses(`metadata ${metadata}`, () => safetensors(`{"__metadata__":${metadata}}`), {
      code: 'BAD_HEADER',
      tensor: '__metadata__',
    });
  }
  test('metadata of strings is given as it is', () => {
    const { metadata } = read(safetensors('{"__metadata__":{"format":"pt","__proto__":"x"}}'));
    expect(Object.entries(metadata)).toEqual([
      ['format', 'pt'],
      ['__proto__', 'x'],
    ]);
  });
  test('tensors named __proto__, constructor, 7 and "" are plain keys of a Map', () => {
    const names = ['__proto__', 'constructor', 'toString', '7', '', 'ünï😀'];
    const entries = names.map((name, i) => `${JSON.stringify(name)}:${JSON.stringify(u8(i, i + 1))}`);
    const { tensors } = read(safetensors(`{${entries.join(',')}}`, names.length));
    expect([...tensors.keys()]).toEqual(names);
    expect(names.map((name) => [...tensors.get(name)!.bytes])).toEqual(names.map((_, i) => [i]));
    expect(Object.hasOwn(Object.prototype, 'dtype')).toBe(false);
  });
});

describe('S9: unusual but right', () => {
  test('no tensors', () => expect(read(safetensors('{}')).tensors.size).toBe(0));
  test('padded header', () => expect(read(safetensors('{}      ')).tensors.size).toBe(0));
  test('unknown fields of an entry are ignored, as the Rust library does', () =>
    expect(read(safetensors({ t: { ...u8(0, 1), extra: 1 } }, 1)).tensors.size).toBe(1));
  test('aligned float32 shares the memory of the file', () => {
    const bytes = writeSafetensors(new Map([['t', new Tensor('float32', [1, 2, 3], [3])]]));
    const tensor = toFloat32(read(bytes).tensors.get('t')!);
    expect(tensor.data.buffer).toBe(bytes.buffer);
    expect(tensor.tolist()).toEqual([1, 2, 3]);
  });
  for (let shift = 0; shift < 8; shift++) {
    test(`file at byte ${shift} of its buffer, data at every alignment`, () => {
      const { header, data } = split(
        writeSafetensors(
          new Map<string, Tensor>([
            ['odd', new Tensor('uint8', [7], [1])],
            ['f', new Tensor('float32', [1.5, -2], [2])],
            ['n', new Tensor('int64', [-3n], [])],
          ]),
        ),
      );
      // One space more in the header moves all data by a byte.
      const moved = concat(int(header.length + shift, 8), header, utf8(' '.repeat(shift)), data);
      const padded = new Uint8Array(moved.length + shift);
      padded.set(moved, shift);
      const { tensors } = read(padded.subarray(shift));
      expect(toFloat32(tensors.get('f')!).tolist()).toEqual([1.5, -2]);
      expect(toInt64(tensors.get('n')!).data[0]).toBe(-3n);
    });
  }
  test('zero-size and 0-rank tensors, also where another begins', () => {
    const header = {
      empty: { dtype: 'F32', shape: [0, 3], data_offsets: [0, 0] },
      scalar: { dtype: 'U8', shape: [], data_offsets: [0, 1] },
      end: { dtype: 'F32', shape: [2, 0], data_offsets: [1, 1] },
    };
    const { tensors } = read(safetensors(header, 1));
    expect(toFloat32(tensors.get('empty')!).dims).toEqual([0, 3]);
    expect(toFloat32(tensors.get('end')!).dims).toEqual([2, 0]);
    expect(tensors.get('scalar')).toMatchObject({ dims: [], bytes: Uint8Array.of(0) });
  });
});

describe('S11: 16-bit floats', () => {
  const patterns = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
  for (const [dtype, widen] of [
    ['F16', float16ToFloat32],
    ['BF16', bfloat16ToFloat32],
  ] as const) {
    test(`all patterns of ${dtype} in a file, also misaligned`, () => {
      for (const pad of ['', ' ']) {
        const header = `{"t":{"dtype":"${dtype}","shape":[256,256],"data_offsets":[0,131072]}}${pad}`;
        const bytes = new Uint8Array(8 + header.length + 131_072);
        bytes.set(int(header.length, 8));
        bytes.set(utf8(header), 8);
        bytes.set(new Uint8Array(patterns.buffer), 8 + header.length);
        const tensor = toFloat32(read(bytes).tensors.get('t')!);
        expect(tensor.dims).toEqual([256, 256]);
        expect(Buffer.compare(new Uint8Array(tensor.data.buffer), new Uint8Array(widen(patterns).buffer))).toBe(0);
      }
    });
  }
});

describe('S12: NaN and infinity', () => {
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    test(`${value} is refused with its element`, () => {
      const bytes = writeSafetensors(new Map([['w', new Tensor('float32', [0, 1, 2, value, value, 5], [2, 3])]]));
      const stored = read(bytes).tensors.get('w')!;
      return expectError(() => checkFinite(stored, toFloat32(stored)), {
        code: 'NONFINITE',
        file,
        tensor: 'w',
        offset: stored.offset,
        says: ['"w"', `${value}`, 'element 3'],
      });
    });
  }
  test('finite weights pass', () => {
    const stored = read(writeSafetensors(new Map([['w', new Tensor('float32', [3.4e38, -0], [2])]]))).tensors.get('w')!;
    expect(() => checkFinite(stored, toFloat32(stored))).not.toThrow();
  });
});

describe('writing', () => {
  test('wide elements first, then by name; data aligned to 8 bytes', () => {
    const bytes = writeSafetensors(
      new Map<string, Tensor>([
        ['b', new Tensor('float32', [1], [1])],
        ['bool', new Tensor('bool', [true], [1])],
        ['n', new Tensor('int64', [1n], [])],
        ['h', new Tensor('float16', [1], [1])],
        ['a', new Tensor('float32', [2], [1])],
        ['d', new Tensor('float64', [2], [1])],
        ['i', new Tensor('int32', [2], [1])],
        ['s', new Tensor('int16', [-2], [1])],
        ['c', new Tensor('int8', [-2], [1])],
        ['u', new Tensor('uint8', [2], [1])],
      ]),
      { metadata: { format: 'pt' } },
    );
    const { tensors, metadata } = read(bytes);
    expect([...tensors.keys()]).toEqual(['n', 'd', 'a', 'b', 'i', 'h', 's', 'c', 'u', 'bool']);
    expect(tensors.get('n')!.offset % 8).toBe(0);
    expect({ ...metadata }).toEqual({ format: 'pt' });
    expect(new TextDecoder().decode(bytes.subarray(8, 42))).toBe('{"__metadata__":{"format":"pt"},"n');
  });

  for (const name of ['zip', 'parameter', 'shared', 'strided', 'wrapped']) {
    test(`${name}: byte for byte what the safetensors library wrote`, () => {
      const expected = fixture(`${name}.safetensors`);
      expect(writeSafetensors(tensorsOf(read(expected).tensors))).toEqual(expected);
    });
  }

  test('float tensors convert, integers do not', () => {
    const source = new Map<string, Tensor>([
      ['f', new Tensor('float32', [1, 65504, 1e-8], [3])],
      ['h', new Tensor('float16', [0.1], [1])],
      ['d', new Tensor('float64', [0.1], [1])],
      ['n', new Tensor('int64', [2n ** 62n], [])],
    ]);
    for (const [dtype, stored, f] of [
      ['float32', 'F32', [1, 65504, Math.fround(1e-8)]],
      ['float16', 'F16', [1, 65504, 0]],
      ['bfloat16', 'BF16', [1, 65536, 1.0011717677116394e-8]],
    ] as const) {
      const { tensors } = read(writeSafetensors(source, { dtype }));
      expect(['f', 'h', 'd', 'n'].map((name) => tensors.get(name)!.dtype)).toEqual([stored, stored, stored, 'I64']);
      expect(toFloat32(tensors.get('f')!).tolist()).toEqual(f);
      expect(toFloat32(tensors.get('h')!).item()).toBeCloseTo(0.1, 3);
      expect(toInt64(tensors.get('n')!).data[0]).toBe(2n ** 62n);
    }
  });

  test('names of any kind come back', () => {
    const names = ['__proto__', 'constructor', '', '"quoted"\\', 'line\nfeed', 'ünï😀'];
    const source = new Map(names.map((name, i) => [name, new Tensor('float32', [i], [1])]));
    const { tensors } = read(writeSafetensors(source));
    for (const [i, name] of names.entries()) expect(toFloat32(tensors.get(name)!).item()).toBe(i);
  });

  const scalar = new Tensor('float32', [0], []);
  test('a name that the format reserves', () =>
    expectError(() => writeSafetensors(new Map([['__metadata__', scalar]])), { code: 'ARG', says: ['reserved'] }));
  test('a name that is not text', () =>
    expectError(() => writeSafetensors(new Map([['\ud800', scalar]])), { code: 'ARG', says: ['tensor name'] }));
  test('metadata that is not a string', () =>
    expectError(() => writeSafetensors(new Map(), { metadata: { a: 1 as unknown as string } }), { code: 'ARG' }));
});

describe('hostile input', () => {
  test('a small file cut at every byte', () => {
    const whole = fixture('zip.safetensors');
    for (let size = 0; size < whole.length; size++) {
      expect(() => read(whole.subarray(0, size))).toThrow(expect.objectContaining({ code: 'TRUNCATED', file }));
    }
  });
  test('20,000 damaged files', () => fuzz(fixture('zip.safetensors'), 20_000, 2, readAll));
  test('20,000 damaged headers', () => {
    const { header, data } = split(fixture('dtypes.safetensors'));
    fuzz(header, 20_000, 3, (damaged) => readAll(concat(int(damaged.length, 8), damaged, data)));
  });
});

describe('real checkpoints', () => {
  const cases = [
    {
      path: 'weights/mobilenet_v2_1.0_224/model.safetensors',
      count: 314,
      elements: 3_540_317,
      name: 'mobilenet_v2.layer.1.expand_1x1.convolution.weight',
      dims: [144, 24, 1, 1],
      first: [-0.06185537949204445, 0.04034046456217766, 0],
      sum: -1.6009545676643029,
    },
    {
      path: 'weights/deeplabv3_mobilenet_v2_0.5_257/model.safetensors',
      count: 332,
      elements: 819_340,
      name: 'mobilenet_v2.conv_1x1.convolution.weight',
      dims: [640, 160, 1, 1],
      first: [-0.007248825393617153, 0.011481020599603653, 0.008043774403631687],
      sum: 0.7405990787673318,
    },
  ];
  for (const { path, count, elements, name, dims, first, sum } of cases) {
    const full = sharedFile(path);
    // The expected values were printed by Python's safetensors 0.8.0 and torch 2.13.0.
    test.skipIf(full === undefined)(path, () => {
      const { tensors, metadata } = read(new Uint8Array(readFileSync(full!)));
      expect(metadata.format).toBe('pt');
      expect(tensors.size).toBe(count);
      expect([...tensors.values()].reduce((n, t) => n + t.dims.reduce((a, b) => a * b, 1), 0)).toBe(elements);
      const tensor = toFloat32(tensors.get(name)!);
      expect(tensor.dims).toEqual(dims);
      expect([...tensor.data.subarray(0, 3)]).toEqual(first);
      expect(tensor.data.reduce((a, b) => a + b, 0)).toBeCloseTo(sum, 9);
    });
  }
});

/** Reads a file and everything in it that can be read. */
function readAll(bytes: Uint8Array): void {
  for (const stored of read(bytes).tensors.values()) {
    if (stored.dtype === 'I64') toInt64(stored);
    else toFloat32(stored);
  }
}

function tensorsOf(stored: ReadonlyMap<string, StoredTensor>): Map<string, Tensor> {
  return new Map([...stored].map(([name, t]) => [name, t.dtype === 'I64' ? toInt64(t) : toFloat32(t)]));
}
