/** The reader of TFLite alone: what is damaged ends in an error with its place, rows T1 to T4 of the acceptance list. */
import { describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import { openModelFile } from '../../src/convert/model-file.js';
import { MobileNetError } from '../../src/entries/main-node.js';
import { readTflite } from '../../src/formats/tflite/tflite.js';
import { type Fields, flatbuffer, TfliteWriter, tfliteNetwork } from '../helpers/tflite-files.js';
import { expectError } from '../helpers/weight-files.js';

const file = 'x.tflite';
const read = (bytes: Uint8Array) => readTflite(bytes, { file });

/** A picture through one convolution. */
function small(change: (writer: TfliteWriter) => void = () => {}): TfliteWriter {
  const writer = new TfliteWriter();
  const x = writer.tensor({ dims: [1, 4, 4, 2], type: 'U8', name: 'x', scales: [0.5], zeroPoints: [3] });
  const w = writer.tensor({
    ...{ dims: [3, 1, 1, 2], type: 'U8', name: 'w', data: Uint8Array.of(1, 2, 3, 4, 5, 6) },
    ...{ scales: [0.1, 0.2, 0.3], zeroPoints: [0, 9, 0], axis: 0 },
  });
  const b = writer.tensor({ dims: [3], type: 'I32', name: 'b', data: new Uint8Array(12) });
  const y = writer.tensor({ dims: [1, 4, 4, 3], type: 'U8', name: 'y', scales: [0.25] });
  writer.operator('CONV_2D', [x, w, b], [y], [1, { 1: ['i32', 1], 2: ['i32', 1], 3: ['i8', 3] }]);
  writer.inputs = [x];
  writer.outputs = [y];
  change(writer);
  return writer;
}
const bytesOf = (writer: TfliteWriter) => flatbuffer(writer.fields()).bytes;

describe('a sound file', () => {
  it('gives tensors, operators and options', () => {
    const { operators, inputs, outputs } = read(bytesOf(small()));
    expect(operators).toHaveLength(1);
    const [{ op, version, isKnown, options }] = operators;
    expect({ op, version, isKnown }).toEqual({ op: 'CONV_2D', version: 1, isKnown: true });
    expect(options).toEqual({ padding: 0, strideW: 1, strideH: 1, activation: 3, dilationW: 1, dilationH: 1 });
    const [x, w, b] = operators[0].inputs;
    expect(inputs).toEqual([x]);
    expect(outputs).toEqual(operators[0].outputs);
    expect(x).toMatchObject({ name: 'x', dtype: 'U8', dims: [1, 4, 4, 2], bytes: undefined });
    expect(x!.quantization).toEqual({ scales: [0.5], zeroPoints: [3], axis: null });
    expect(w!.quantization).toEqual({ scales: [0.1, 0.2, 0.3].map(Math.fround), zeroPoints: [0, 9, 0], axis: 0 });
    expect(Array.from(w!.bytes!)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(b).toMatchObject({ dtype: 'I32', quantization: undefined });
  });

  it('shares the bytes of the file', () => {
    const bytes = bytesOf(small());
    const w = read(bytes).operators[0].inputs[1]!;
    expect(w.bytes!.buffer).toBe(bytes.buffer);
    expect(bytes[w.offset]).toBe(1);
  });

  it('takes the larger of the two codes of an operator', () => {
    const { operators } = read(
      bytesOf(small((writer) => writer.operators.push({ ...writer.operators[0], op: 200, outputs: [] }))),
    );
    expect(operators[1]).toMatchObject({ op: 'operator 200', isKnown: false });
  });

  it('an operator of a later version is not known', () => {
    const { operators } = read(bytesOf(small(({ operators }) => Object.assign(operators[0], { version: 7 }))));
    expect(operators[0]).toMatchObject({ op: 'CONV_2D', isKnown: false });
  });

  it('a batch of open size is one picture', () => {
    const { inputs } = read(bytesOf(small(({ tensors }) => Object.assign(tensors[0], { signature: [-1, 4, 4, 2] }))));
    expect(inputs[0].dims).toEqual([1, 4, 4, 2]);
    const open = read(bytesOf(small(({ tensors }) => Object.assign(tensors[0], { signature: [-1, -1, -1, 2] }))));
    expect(open.inputs[0].dims).toEqual([1, -1, -1, 2]);
  });
});

describe('T1: cut and flipped', () => {
  const little = flatbuffer(small().fields());
  const network = tfliteNetwork({ dtype: 'uint8', keras: true, last: 'SOFTMAX' });
  const isTyped = (error: unknown) => {
    expect(error).toBeInstanceOf(MobileNetError);
    expect((error as MobileNetError).file).toBe(file);
  };

  it('every beginning of the tables is refused', () => {
    const cuts = [
      ...Array.from({ length: little.tables }, (_, length) => little.bytes.slice(0, length)),
      ...Array.from({ length: 200 }, (_, n) => network.bytes.slice(0, Math.floor((network.tables * n) / 200))),
    ];
    for (const bytes of cuts) {
      try {
        read(bytes);
      } catch (error) {
        isTyped(error);
        expect((error as MobileNetError).code).toMatch(
          bytes.length < 8 ? /BAD_HEADER/ : /FLATBUFFER|UNSUPPORTED|SHAPE/,
        );
        continue;
      }
      expect.unreachable(`${bytes.length} bytes were read`);
    }
  });

  it('every bit flipped of the tables ends in a typed error or a model', async () => {
    let refused = 0;
    for (let bit = 0; bit < 8 * little.bytes.length; bit++) {
      const flipped = little.bytes.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      try {
        read(flipped);
      } catch (error) {
        isTyped(error);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(little.tables);
    for (let n = 0; n < 200; n++) {
      const flipped = network.bytes.slice();
      flipped[Math.floor((network.tables * n) / 200)] ^= 1 << (n & 7);
      await openModelFile(flipped, file).catch(isTyped);
    }
  });
});

describe('T2: offsets, vectors and indices outside', () => {
  const sound = bytesOf(small());
  const view = (bytes: Uint8Array) => new DataView(bytes.buffer);
  const root = view(sound).getUint32(0, true);
  const refuse = (bytes: Uint8Array, says: string[] = [], offset?: number) =>
    expectError(async () => read(bytes), { code: 'FLATBUFFER', file, says, ...(offset !== undefined && { offset }) });
  const changed = (at: number, value: number, set: 'setUint32' | 'setUint16' = 'setUint32') => {
    const bytes = sound.slice();
    view(bytes)[set](at, value, true);
    return bytes;
  };
  const vtable = root - view(sound).getInt32(root, true);

  it('the root', async () => {
    await refuse(changed(0, 0xffffffff), ['4 bytes are expected there']);
    await refuse(changed(0, sound.length), ['4 bytes are expected there'], sound.length);
    await refuse(changed(0, 0), ['leads to itself'], 0);
  });
  it('a vtable', async () => {
    await refuse(changed(root, 0x7fffffff));
    await refuse(changed(root, -0x7fffffff >>> 0));
    await refuse(changed(vtable, 2, 'setUint16'), ['vtable is too short'], vtable);
    await refuse(changed(vtable, 0xffff, 'setUint16'));
    await refuse(changed(vtable + 2, 0xffff, 'setUint16'));
    await refuse(changed(vtable + 4, 0xfffe, 'setUint16'), ['lies outside its table'], vtable + 4);
  });
  it('a vector', async () => {
    const field = root + view(sound).getUint16(vtable + 4 + 2 * 4, true); // the buffers
    const vector = field + view(sound).getUint32(field, true);
    await refuse(changed(field, 0xfffffff0));
    await refuse(changed(vector, 0xffffffff), [], vector + 4);
    await refuse(changed(vector, 0x3fffffff), [], vector + 4);
  });

  it.each<[string, (writer: TfliteWriter) => void, string]>([
    ['an input of an operator', ({ operators }) => operators[0].inputs.push(4), 'tensor of 0 to 3, got 4'],
    ['an input below −1', ({ operators }) => operators[0].inputs.push(-2), 'got -2'],
    ['an output of an operator', ({ operators }) => operators[0].outputs.splice(0, 1, -1), 'got -1'],
    ['an input of the graph', ({ inputs }) => inputs.push(99), 'got 99'],
    ['an output of the graph', ({ outputs }) => outputs.push(-1), 'got -1'],
    ['a circle', ({ operators }) => operators[0].inputs.splice(0, 1, 3), '"y" is read before'],
    ['a value written twice', ({ operators }) => operators.push({ ...operators[0] }), '"y" is written twice'],
    [
      'a constant written',
      ({ operators }) => operators[0].outputs.splice(0, 1, 1),
      '"w" is written twice, or is a constant',
    ],
    [
      'an output that nobody writes',
      (w) => w.outputs.push(w.tensor({ dims: [1], type: 'F32', name: 'z' })),
      '"z" is read before',
    ],
    [
      'options of another operator',
      ({ operators }) => Object.assign(operators[0], { options: [2, {}] }),
      'options of another',
    ],
  ])('%s', (_, change, says) => refuse(bytesOf(small(change)), [says]));

  it('a buffer and an operator code that are not there', async () => {
    const fields = small().fields() as Record<number, ['tables', Record<number, unknown>[]]>;
    const [graph] = fields[2][1] as unknown as Record<number, ['tables', Record<number, unknown>[]]>[];
    graph[0][1][0][2] = ['u32', 77];
    await refuse(flatbuffer(fields as unknown as Fields).bytes, ['buffer of 0 to 2, got 77']);
    const other = small().fields() as typeof fields;
    (other[2][1][0] as typeof graph)[3][1][0][0] = ['u32', 5];
    await refuse(flatbuffer(other as unknown as Fields).bytes, ['operator code of 0 to 0, got 5']);
  });

  it('many tables that share one long vector take no longer than the file is long', () => {
    const writer = small();
    const fields = writer.fields() as Record<number, unknown>;
    const [, [graph]] = fields[2] as ['tables', Record<number, unknown>[]];
    const bytes = flatbuffer({
      ...(fields as Fields),
      2: [
        'tables',
        [{ ...(graph as Fields), 0: ['tables', Array.from({ length: 2000 }, () => ({ 3: ['text', ''] }) as Fields)] }],
      ],
      5: ['text', 'n'.repeat(50_000)],
    }).bytes;
    // All names become that one text: it is the last, so every offset that is made larger reaches it.
    const at = new TextDecoder('latin1').decode(bytes).indexOf('nnnn') - 4;
    const data = new DataView(bytes.buffer);
    for (let place = 8; place < at; place += 4) {
      const to = place + data.getUint32(place, true);
      if (to < at && to > place && data.getUint32(to, true) === 0 && to % 4 === 0)
        data.setUint32(place, at - place, true);
    }
    return refuse(bytes);
  });
});

describe('T3: scales and zero points', () => {
  it.each<[string, string, (tensors: TfliteWriter['tensors']) => unknown, string]>([
    ['a scale of 0', 'x', ([x]) => Object.assign(x, { scales: [0] }), 'above 0, got 0'],
    ['NaN', 'x', ([x]) => Object.assign(x, { scales: [Number.NaN] }), 'got NaN'],
    ['infinity', 'y', (t) => Object.assign(t[3], { scales: [Infinity] }), 'got Infinity'],
    ['a negative one', 'w', ([, w]) => Object.assign(w, { scales: [1, -1, 1] }), 'got -1 at 1'],
    ['a zero point above the type', 'x', ([x]) => Object.assign(x, { zeroPoints: [256] }), 'U8 can hold, got 256'],
    ['a zero point below the type', 'w', ([, w]) => Object.assign(w, { zeroPoints: [0, -1, 0] }), 'got -1'],
    [
      'two scales for three channels',
      'w',
      ([, w]) => Object.assign(w, { scales: [1, 1], zeroPoints: [0, 0] }),
      'got 2',
    ],
    ['an axis outside', 'w', ([, w]) => Object.assign(w, { axis: 4 }), 'dimension 4'],
    ['an axis of −1', 'w', ([, w]) => Object.assign(w, { axis: -1 }), 'dimension -1'],
    [
      'two zero points for three',
      'w',
      ([, w]) => Object.assign(w, { zeroPoints: [0, 0] }),
      'for each of 3 scales, got 2',
    ],
  ])('%s', (_, tensor, change, says) =>
    expectError(async () => read(bytesOf(small(({ tensors }) => change(tensors)))), {
      ...{ code: 'QUANT', file, tensor, says: [`"${tensor}"`, says] },
    }),
  );
});

describe('other faults', () => {
  const fails = (change: (writer: TfliteWriter) => unknown, code: string, says: string[]) =>
    expectError(async () => read(bytesOf(small((writer) => void change(writer)))), {
      code: code as 'SHAPE',
      file,
      says,
    });

  it('a constant of another size than its shape', () =>
    fails(({ tensors }) => Object.assign(tensors[1], { dims: [3, 1, 1, 3] }), 'SHAPE', ['"w"', '6 bytes']));
  it('a negative size', () =>
    fails(({ tensors }) => Object.assign(tensors[0], { dims: [1, -2, 4, 2] }), 'SHAPE', ['"x"']));
  it('a type without elements that are read', async () => {
    const fields = small().fields() as Record<
      number,
      ['tables', Record<number, ['tables', Record<number, unknown>[]]>[]]
    >;
    fields[2][1][0][0][1][0][1] = ['i8', 5];
    await expectError(async () => read(flatbuffer(fields as unknown as Fields).bytes), {
      code: 'DTYPE',
      says: ['"x"', 'type 5'],
    });
  });
  it('another version of the format, another file', async () => {
    const { bytes } = flatbuffer({ ...small().fields(), 0: ['u32', 4] });
    await expectError(async () => read(bytes), { code: 'UNSUPPORTED', says: ['version 3', 'got 4'] });
    await expectError(async () => read(flatbuffer({}, 'ORTM').bytes), {
      code: 'BAD_HEADER',
      says: ['TFL3'],
      offset: 4,
    });
  });
  it('two graphs', async () => {
    const fields = small().fields();
    const [, graphs] = fields[2] as ['tables', Fields[]];
    const { bytes } = flatbuffer({ ...fields, 2: ['tables', [...graphs, ...graphs]] });
    await expectError(async () => read(bytes), { code: 'UNSUPPORTED', says: ['one graph, got 2'] });
  });
  it('limits', async () => {
    const { tensors, weightsBytes } = env.limits;
    try {
      env.limits.tensors = 3;
      await expectError(async () => read(bytesOf(small())), { code: 'LIMIT', says: ['4 tensors'] });
      Object.assign(env.limits, { tensors, weightsBytes: 100 });
      await expectError(async () => read(bytesOf(small())), { code: 'LIMIT', says: ['100 bytes'] });
    } finally {
      Object.assign(env.limits, { tensors, weightsBytes });
    }
  });
});
