/** The assembler: its encoding at the limits, every instruction against plain JavaScript, its errors. */
import { describe, expect, it } from 'vitest';
import {
  type Expr,
  type FunctionBuilder,
  f32,
  f32x4,
  f64,
  f64x2,
  i8x16,
  i16x8,
  i32,
  i32x4,
  i64,
  type Local,
  ModuleBuilder,
  v128,
} from '../../src/tensor/wasm/assembler.js';
import { f32Bytes, f64Bytes, name, s32, section, u32, vector } from '../../src/tensor/wasm/encoding.js';
import { OPERATIONS, type Operation, type ValueType } from '../../src/tensor/wasm/opcodes.js';
import { randomNumbers } from '../helpers/random.js';

type Functions = Record<string, (...args: number[]) => void>;

/** Compiles what `build` adds, on a memory of one page. */
function run(build: (module: ModuleBuilder) => void, options: { relaxed?: boolean; shared?: boolean } = {}) {
  const { relaxed, shared = false } = options;
  const limits = shared ? { initial: 1, maximum: 2, shared } : { initial: 1 };
  const module = new ModuleBuilder(limits, { relaxed });
  build(module);
  const memory = new WebAssembly.Memory(limits);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory } });
  return { functions: instance.exports as Functions, memory, view: new DataView(memory.buffer) };
}

/** What `body` leaves at address 0, as an i32. */
function result(body: (f: FunctionBuilder, out: Local<'i32'>) => void): number {
  const { functions, view } = run((module) =>
    module.func('main', {}, (f) => {
      const out = f.local('i32');
      body(f, out);
      f.store('i32.store', 0, out);
    }),
  );
  functions.main();
  return view.getInt32(0, true);
}

describe('LEB128', () => {
  it.each([
    [0, [0]],
    [127, [0x7f]],
    [128, [0x80, 1]],
    [16383, [0xff, 0x7f]],
    [16384, [0x80, 0x80, 1]],
    [624485, [0xe5, 0x8e, 0x26]],
    [2 ** 31, [0x80, 0x80, 0x80, 0x80, 8]],
    [2 ** 32 - 1, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])('unsigned %i', (value, bytes) => expect(u32(value)).toEqual(bytes));

  it.each([
    [0, [0]],
    [63, [0x3f]],
    [64, [0xc0, 0]],
    [-1, [0x7f]],
    [-64, [0x40]],
    [-65, [0xbf, 0x7f]],
    [127, [0xff, 0]],
    [-123456, [0xc0, 0xbb, 0x78]],
    [2 ** 31 - 1, [0xff, 0xff, 0xff, 0xff, 7]],
    [-(2 ** 31), [0x80, 0x80, 0x80, 0x80, 0x78]],
    [2 ** 32 - 1, [0x7f]],
  ])('signed %i', (value, bytes) => expect(s32(value)).toEqual(bytes));

  it.each([-1, 2 ** 32, 0.5, Number.NaN])('u32 refuses %d', (value) => expect(() => u32(value)).toThrow(RangeError));
  it.each([-(2 ** 31) - 1, 2 ** 32, 0.5, Number.NaN])('s32 refuses %d', (value) =>
    expect(() => s32(value)).toThrow(RangeError),
  );

  it('puts lengths before names, vectors and sections', () => {
    expect(name('é')).toEqual([2, 0xc3, 0xa9]);
    expect(vector([[1, 2], [3]])).toEqual([2, 1, 2, 3]);
    expect(section(7, Array<number>(200).fill(5)).slice(0, 4)).toEqual([7, 0xc8, 1, 5]);
  });

  it('reaches the engine as it was meant, at every power of two', () => {
    const values = Array.from({ length: 32 }, (_, bit) => 2 ** bit).flatMap((power) => [power - 1, power, -power]);
    for (const value of values.filter((v) => v >= -(2 ** 31))) {
      expect(result((f, out) => f.set(out, value))).toBe(value | 0);
    }
  });

  it('serves offsets beyond one byte, and functions beyond many', () => {
    const { functions, view } = run((module) =>
      module.func('far', {}, (f) => {
        for (let i = 0; i < 16000; i++) f.store('i32.store', 0, i, 4 * i);
      }),
    );
    functions.far();
    for (const i of [0, 31, 32, 63, 64, 4095, 4096, 15999]) expect(view.getInt32(4 * i, true)).toBe(i);
  });
});

describe('constants', () => {
  const numbers = [0, -0, 1, -1.5, 0.1, 2 ** -149, 2 ** 127, Infinity, -Infinity, Number.NaN, 16777217];

  it.each(numbers)('f32 %d', (value) => {
    const { functions, view } = run((module) =>
      module.func('main', {}, (f) => {
        f.store('f32.store', 0, f32.const(value));
        f.store('v128.store', 16, v128.const(0, value, value, 1));
      }),
    );
    functions.main();
    for (const at of [0, 20, 24]) expect(view.getFloat32(at, true)).toBe(Math.fround(value));
    expect(view.getFloat32(28, true)).toBe(1);
  });

  it('floats are little-endian', () => {
    expect(f32Bytes(-2)).toEqual([0, 0, 0, 0xc0]);
    expect(f64Bytes(-2)).toEqual([0, 0, 0, 0, 0, 0, 0, 0xc0]);
  });

  it('f64 keeps all digits', () => {
    const { functions, view } = run((module) =>
      module.func('main', {}, (f) => f.store('f32.store', 0, f32.demote_f64(f64.sub(0.1, Math.fround(0.1))))),
    );
    functions.main();
    expect(view.getFloat32(0, true)).toBe(Math.fround(0.1 - Math.fround(0.1)));
  });
});

/** Those of 64 bits. */
type Wide = `i64.${string}` | 'i32.wrap_i64';
/** Those of vectors of integers. */
type IntegerVectors = Extract<
  Operation,
  | `${'i8x16' | 'i16x8' | 'i32x4' | 'v128'}.${string}`
  | `f32x4.${'le' | 'ge'}`
  | `${string}.convert_${'low_' | ''}i32x4_s`
>;

/** What every computation should give: scalars for i32 and f32, a function of one lane for vectors. */
const MODELS: Record<Exclude<Operation, Wide | IntegerVectors>, (a: number, b: number, c: number) => number> = {
  'i32.eq': (a, b) => Number(a === b),
  'i32.ne': (a, b) => Number(a !== b),
  'i32.lt_s': (a, b) => Number(a < b),
  'i32.lt_u': (a, b) => Number(a >>> 0 < b >>> 0),
  'i32.gt_s': (a, b) => Number(a > b),
  'i32.gt_u': (a, b) => Number(a >>> 0 > b >>> 0),
  'i32.le_s': (a, b) => Number(a <= b),
  'i32.ge_s': (a, b) => Number(a >= b),
  'i32.ge_u': (a, b) => Number(a >>> 0 >= b >>> 0),
  'i32.add': (a, b) => (a + b) | 0,
  'i32.sub': (a, b) => (a - b) | 0,
  'i32.mul': (a, b) => Math.imul(a, b),
  'i32.div_s': (a, b) => (a / b) | 0,
  'i32.div_u': (a, b) => ((a >>> 0) / (b >>> 0)) | 0,
  'i32.rem_u': (a, b) => ((a >>> 0) % (b >>> 0)) | 0,
  'i32.and': (a, b) => a & b,
  'i32.select': (a, b, c) => (c ? a : b),
  'i32.shl': (a, b) => a << b,
  'i32.shr_s': (a, b) => a >> b,
  'i32.shr_u': (a, b) => (a >>> b) | 0,
  'i32.or': (a, b) => a | b,
  'i32.xor': (a, b) => a ^ b,
  'i32.ctz': (a) => (a === 0 ? 32 : 31 - Math.clz32(a & -a)),
  'i32.rotl': (a, b) => (a << b) | (a >>> -b),
  'f32.add': (a, b) => a + b,
  'f32.mul': (a, b) => a * b,
  'f32.min': (a, b) => Math.min(a, b),
  'f32.max': (a, b) => Math.max(a, b),
  'f32.demote_f64': (a) => a,
  'i32.trunc_f64_s': (a) => Math.trunc(a),
  'f64.add': (a, b) => a + b,
  'f64.sub': (a, b) => a - b,
  'f64.mul': (a, b) => a * b,
  'f64.max': (a, b) => Math.max(a, b),
  'f64.convert_i32_s': (a) => a,
  'f64.promote_f32': (a) => a,
  'f32x4.splat': (a) => a,
  'f32x4.add': (a, b) => a + b,
  'f32x4.sub': (a, b) => a - b,
  'f32x4.mul': (a, b) => a * b,
  'f32x4.div': (a, b) => a / b,
  'f32x4.floor': (a) => Math.floor(a),
  'f32x4.sqrt': (a) => Math.sqrt(a),
  'f32x4.min': (a, b) => Math.min(a, b),
  'f32x4.max': (a, b) => Math.max(a, b),
  'f32x4.pmin': (a, b) => (b < a ? b : a),
  'f32x4.pmax': (a, b) => (a < b ? b : a),
  'f32x4.demote_f64x2_zero': (a) => a,
  'f64x2.promote_low_f32x4': (a) => a,
  'f64x2.splat': (a) => a,
  'f64x2.add': (a, b) => a + b,
  'f64x2.mul': (a, b) => a * b,
  'f64x2.div': (a, b) => a / b,
  'f32x4.relaxed_madd': (a, b, c) => a * b + c, // exact for the samples
};

const INTEGERS = [0, 1, 7, 31, -1, -9, 2 ** 31 - 1, -(2 ** 31)];
const FLOATS = [0, -0, 1, -2.5, 3, 1024, Infinity, -Infinity, Number.NaN];
const SAMPLES: Record<Exclude<ValueType, 'i64'>, readonly number[]> = {
  i32: INTEGERS,
  f32: FLOATS,
  f64: FLOATS,
  v128: FLOATS,
};

/** Operations that read or write vectors of two float64, which go through memory as float32. */
const READS_PAIRS = /^f64x2\.(add|mul|div)|demote_f64x2/;
const WRITES_PAIRS = /^f64x2/;

const RELAXED = (() => {
  const module = new ModuleBuilder({ initial: 1 }, { relaxed: true });
  module.func('main', { a: 'v128', b: 'v128' }, (f, { a, b }) => f.set(a, f.mulAdd(a, a, b)));
  return WebAssembly.validate(module.encode());
})();
if (!RELAXED) console.warn(`relaxed SIMD is not tested: ${process.version} does not take it`);

describe('every computation', () => {
  const builders: Record<string, Record<string, unknown>> = { i32, f32, f64, f32x4, f64x2 };
  const taken = (operation: Operation) => RELAXED || !operation.includes('relaxed');

  const isWide = (operation: Operation): operation is Extract<Operation, Wide> => /i64/.test(operation);
  const operations = (Object.keys(OPERATIONS) as Operation[]).filter(taken);
  const isIntegerVector = (operation: Operation): operation is IntegerVectors =>
    /^i\d+x|^v128|^f32x4\.[lg]e$|convert_.*i32x4/.test(operation);
  const narrow = (operation: Operation) => !isWide(operation) && !isIntegerVector(operation);

  it.each(operations.filter(narrow) as Exclude<Operation, Wide | IntegerVectors>[])('%s', (operation) => {
    const [prefix, short] = operation.split('.');
    const { operands, result } = OPERATIONS[operation];
    const build = builders[prefix][short] as (...values: Expr[]) => Expr;
    const load = (type: ValueType, at: number): Expr => {
      if (type === 'i32') return i32.load(at);
      if (type === 'f32') return f32.load(at);
      if (type === 'f64') return f64.promote_f32(f32.load(at));
      return READS_PAIRS.test(operation) ? f64x2.promote_low_f32x4(v128.load(at)) : v128.load(at);
    };
    const { functions, view } = run((module) =>
      module.func('main', {}, (f) => {
        const value = build(...operands.map((type, i) => load(type, 16 * i)));
        if (value.type === 'i32') f.store('i32.store', 64, value as Expr<'i32'>);
        else if (value.type === 'f32') f.store('f32.store', 64, value as Expr<'f32'>);
        else if (value.type === 'f64') f.store('f32.store', 64, f32.demote_f64(value as Expr<'f64'>));
        else {
          const vector = value as Expr<'v128'>;
          f.store('v128.store', 64, WRITES_PAIRS.test(operation) ? f32x4.demote_f64x2_zero(vector) : vector);
        }
      }),
    );
    const lanes = result !== 'v128' ? 1 : /f64x2/.test(operation) ? 2 : 4;
    const samples = SAMPLES[operands[0]];
    const float = operands[0] !== 'i32';
    for (const a of samples) {
      for (const b of operands.length > 1 ? samples : [0]) {
        // Traps, as JavaScript does not.
        if (/div_|rem_/.test(operation) && (b === 0 || (b === -1 && a === -(2 ** 31)))) continue;
        if (/trunc/.test(operation) && !Number.isFinite(a)) continue;
        for (const [i, value] of [a, b, 5].entries()) {
          for (let lane = 0; lane < 4; lane++) {
            if (float) view.setFloat32(16 * i + 4 * lane, value, true);
            else view.setInt32(16 * i + 4 * lane, value, true);
          }
        }
        functions.main();
        const wanted = MODELS[operation](a, b, 5);
        for (let lane = 0; lane < lanes; lane++) {
          const at = 64 + 4 * lane;
          const got = result === 'i32' ? view.getInt32(at, true) : view.getFloat32(at, true);
          // + 0: i32 knows no -0
          expect(got, `${operation}(${a}, ${b})`).toBe(result === 'i32' ? wanted + 0 : Math.fround(wanted));
        }
      }
    }
  });

  const WIDE: Record<Extract<Operation, Wide>, (a: bigint, b: bigint) => bigint> = {
    'i64.or': (a, b) => a | b,
    'i64.shl': (a, b) => a << (b & 63n),
    'i64.shr_s': (a, b) => BigInt.asIntN(64, a) >> (b & 63n),
    'i64.shr_u': (a, b) => a >> (b & 63n),
    'i32.wrap_i64': (a) => a & 0xffffffffn,
    'i64.extend_i32_u': (a) => a & 0xffffffffn,
  };

  it.each(operations.filter(isWide))('%s', (operation) => {
    const { functions, view } = run((module) =>
      module.func('main', {}, (f) => {
        if (operation === 'i32.wrap_i64') f.store('i32.store', 64, i32.wrap_i64(i64.load(0)));
        else if (operation === 'i64.extend_i32_u') f.store('i64.store', 64, i64.extend_i32_u(i32.load(0)));
        else f.store('i64.store', 64, i64[operation.slice(4) as 'or'](i64.load(0), i64.load(8)));
      }),
    );
    const samples = [
      0n,
      1n,
      5n,
      31n,
      32n,
      63n,
      64n,
      0x0123456789abcdefn,
      2n ** 63n,
      2n ** 64n - 1n,
      0xfedcba9876543210n,
    ];
    for (const a of samples) {
      for (const b of samples) {
        view.setBigUint64(0, a, true);
        view.setBigUint64(8, b, true);
        functions.main();
        expect(view.getBigUint64(64, true), `${operation}(${a}, ${b})`).toBe(BigInt.asUintN(64, WIDE[operation](a, b)));
      }
    }
  });

  type Vector = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Float32Array | Float64Array;
  const shorts = ({ buffer }: Vector) => new Int16Array(buffer as ArrayBuffer);
  const ints = ({ buffer }: Vector) => new Int32Array(buffer as ArrayBuffer);
  const floats = ({ buffer }: Vector) => [...new Float32Array(buffer as ArrayBuffer)];
  const limited = (low: number, high: number) => (value: number) => Math.max(low, Math.min(high, value));
  /** From vectors; a number as second operand is their first 32 bits. */
  const INTEGER_VECTORS: Record<IntegerVectors, (a: Uint8Array, b: Uint8Array, c: Uint8Array) => Vector> = {
    'v128.and': (a, b) => a.map((byte, i) => byte & b[i]),
    'v128.or': (a, b) => a.map((byte, i) => byte | b[i]),
    'v128.andnot': (a, b) => a.map((byte, i) => byte & ~b[i]),
    'f32x4.le': (a, b) => Int32Array.from(floats(a), (value, i) => -Number(value <= floats(b)[i])),
    'f32x4.ge': (a, b) => Int32Array.from(floats(a), (value, i) => -Number(value >= floats(b)[i])),
    'v128.xor': (a, b) => a.map((byte, i) => byte ^ b[i]),
    'v128.any_true': (a) => new Int32Array(4).fill(Number(a.some((byte) => byte !== 0))),
    'i8x16.splat': (a) => new Uint8Array(16).fill(a[0]),
    'i8x16.narrow_i16x8_s': (a, b) => Int8Array.from([...shorts(a), ...shorts(b)].map(limited(-128, 127))),
    'i16x8.mul': (a, b) => shorts(a).map((value, i) => value * shorts(b)[i]),
    'i16x8.q15mulr_sat_s': (a, b) =>
      Int16Array.from(shorts(a), (value, i) => limited(-32768, 32767)((value * shorts(b)[i] + 2 ** 14) >> 15)),
    'i16x8.shl': (a, b) => shorts(a).map((value) => value << (b[0] & 15)),
    'i16x8.extend_low_i8x16_s': (a) => Int16Array.from(new Int8Array(a.buffer as ArrayBuffer).subarray(0, 8)),
    'i16x8.extend_high_i8x16_s': (a) => Int16Array.from(new Int8Array(a.buffer as ArrayBuffer).subarray(8)),
    'f32x4.convert_i32x4_s': (a) => Float32Array.from(ints(a)),
    'f64x2.convert_low_i32x4_s': (a) => Float64Array.from(ints(a).subarray(0, 2)),
    'i16x8.bitmask': (a) =>
      new Int32Array(4).fill(shorts(a).reduce((mask, value, i) => mask | (Number(value < 0) << i), 0)),
    'i32x4.sub': (a, b) => ints(a).map((value, i) => value - ints(b)[i]),
    'v128.bitselect': (a, b, c) => a.map((byte, i) => (byte & c[i]) | (b[i] & ~c[i])),
    'i8x16.add': (a, b) => a.map((byte, i) => byte + b[i]),
    'i8x16.eq': (a, b) => a.map((byte, i) => (byte === b[i] ? 255 : 0)),
    'i16x8.splat': (a) => new Int16Array(8).fill(shorts(a)[0]),
    'i16x8.add': (a, b) => shorts(a).map((value, i) => value + shorts(b)[i]),
    'i16x8.sub': (a, b) => shorts(a).map((value, i) => value - shorts(b)[i]),
    'i16x8.min_s': (a, b) => shorts(a).map((value, i) => Math.min(value, shorts(b)[i])),
    'i16x8.max_s': (a, b) => shorts(a).map((value, i) => Math.max(value, shorts(b)[i])),
    'i16x8.gt_s': (a, b) => shorts(a).map((value, i) => -Number(value > shorts(b)[i])),
    'i16x8.shr_u': (a, b) => new Uint16Array(a.buffer as ArrayBuffer).map((value) => value >> (b[0] & 15)),
    'i32x4.splat': (a) => new Int32Array(4).fill(ints(a)[0]),
    'i32x4.shl': (a, b) => ints(a).map((value) => value << ints(b)[0]),
    'i32x4.shr_s': (a, b) => ints(a).map((value) => value >> ints(b)[0]),
    'i32x4.add': (a, b) => ints(a).map((value, i) => value + ints(b)[i]),
    'i32x4.dot_i16x8_s': (a, b) =>
      new Int32Array(4).map(
        (_, i) => shorts(a)[2 * i] * shorts(b)[2 * i] + shorts(a)[2 * i + 1] * shorts(b)[2 * i + 1],
      ),
    'i8x16.swizzle': (a, b) => b.map((index) => a[index] ?? 0),
    'i8x16.narrow_i16x8_u': (a, b) => Uint8Array.from([...shorts(a), ...shorts(b)].map(limited(0, 255))),
    'i16x8.narrow_i32x4_s': (a, b) => Int16Array.from([...ints(a), ...ints(b)].map(limited(-32768, 32767))),
    'i16x8.extend_low_i8x16_u': (a) => Uint16Array.from(a.subarray(0, 8)),
    'i16x8.extend_high_i8x16_u': (a) => Uint16Array.from(a.subarray(8)),
  };

  it.each(operations.filter(isIntegerVector))('%s', (operation) => {
    const [prefix, short] = operation.split('.');
    const build = { i8x16, i16x8, i32x4, f32x4, f64x2, v128 }[prefix]![short as never] as (...values: Expr[]) => Expr;
    const { functions, memory } = run((module) =>
      module.func('main', {}, (f) => {
        const operands = OPERATIONS[operation].operands.map((type, i) => (type === 'i32' ? i32 : v128).load(16 * i));
        const value = build(...operands);
        f.store('v128.store', 64, value.type === 'i32' ? i32x4.splat(value as Expr<'i32'>) : (value as Expr<'v128'>));
      }),
    );
    const edges = [0, 1, 15, 16, 127, 128, 254, 255];
    const next = randomNumbers(1);
    for (let round = 0; round < 500; round++) {
      const vector = () =>
        Uint8Array.from({ length: 16 }, () => (next() < 0.5 ? edges[Math.floor(next() * 8)] : next() * 256));
      const [a, b, c] = [vector(), vector(), vector()];
      if (round < 2) a.fill(0).fill(round, 11, 12);
      if (round % 8 === 7) b.set(a.subarray(0, 8));
      new Uint8Array(memory.buffer).set([...a, ...b, ...c]);
      functions.main();
      const got = new Uint8Array(memory.buffer, 64, 16);
      const wanted = new Uint8Array(INTEGER_VECTORS[operation](a, b, c).buffer as ArrayBuffer);
      expect(got, `${operation}(${a}; ${b}; ${c})`).toEqual(wanted);
    }
  });

  it('numbers are constants of 64 bits, with their sign', () => {
    const { functions, view } = run((module) =>
      module.func('main', {}, (f) => {
        f.store('i64.store', 0, 5);
        f.store('i64.store', 8, -70);
      }),
    );
    functions.main();
    expect([view.getBigInt64(0, true), view.getBigInt64(8, true)]).toEqual([5n, -70n]);
  });

  it('mulAdd is rounded twice in a plain module, and may be once in a relaxed one', () => {
    const [a, b, c] = [1 + 2 ** -23, 1 + 2 ** -23, -1 - 2 ** -22];
    const twice = Math.fround(Math.fround(a * b) + c);
    const once = Math.fround(a * b + c);
    expect(once).not.toBe(twice);
    for (const relaxed of RELAXED ? [false, true] : [false]) {
      const { functions, view } = run(
        (module) =>
          module.func('main', {}, (f) => {
            f.store('v128.store', 0, f.mulAdd(v128.const(c, c, c, c), v128.const(a, a, a, a), v128.const(b, b, b, b)));
          }),
        { relaxed },
      );
      functions.main();
      expect(relaxed ? [once, twice] : [twice]).toContain(view.getFloat32(8, true));
    }
  });

  it('loads, splats, shuffles and lanes', () => {
    const { functions, view } = run((module) =>
      module.func('main', {}, (f) => {
        const one = v128.load(4);
        const two = v128.load(20);
        f.store('v128.store', 100, v128.load32Splat(0, 8));
        f.store('v128.store', 116, v128.load32Zero(8));
        f.store('v128.store', 132, v128.shuffle([7, 0, 4, 3], one, two));
        f.storeLane('v128.store32_lane', 3, 148, one);
      }),
    );
    for (let i = 0; i < 16; i++) view.setFloat32(4 * i, i, true);
    functions.main();
    const floats = Array.from({ length: 13 }, (_, i) => view.getFloat32(100 + 4 * i, true));
    expect(floats).toEqual([2, 2, 2, 2, 2, 0, 0, 0, 8, 1, 5, 4, 4]);
  });

  it('bytes: constants, loads, shuffles and lanes', () => {
    const { functions, memory } = run((module) =>
      module.func('main', {}, (f) => {
        f.store('v128.store', 64, i8x16.const(-128, 5, 127, 0));
        f.store('v128.store', 80, v128.load8x8u(3));
        f.store('v128.store', 128, v128.load8x8s(3));
        const lanes = [31, 0, 16, 15, 1, 1, 1, 1, 2, 2, 2, 2, 30, 30, 30, 30];
        f.store('v128.store', 96, i8x16.shuffle(lanes, v128.load(0), v128.load(16)));
        f.storeLane('v128.store8_lane', 15, 112, v128.load(0));
      }),
    );
    const bytes = new Uint8Array(memory.buffer);
    for (let i = 0; i < 32; i++) bytes[i] = 200 + i;
    functions.main();
    const at = (from: number, count: number) => [...bytes.subarray(from, from + count)];
    expect(at(64, 16)).toEqual([0, 1, 2, 3].flatMap(() => [128, 5, 127, 0]));
    expect(at(80, 16)).toEqual([203, 204, 205, 206, 207, 208, 209, 210].flatMap((byte) => [byte, 0]));
    const signed = new Int16Array(memory.buffer, 128, 8);
    expect([...signed]).toEqual([203, 204, 205, 206, 207, 208, 209, 210].map((byte) => byte - 256));
    expect(at(96, 16)).toEqual([231, 200, 216, 215, ...[201, 202, 230].flatMap((byte) => [byte, byte, byte, byte])]);
    expect(at(112, 2)).toEqual([215, 0]);
  });

  it('words: constants, loads, stores and lanes', () => {
    const { functions, view } = run((module) =>
      module.func('main', {}, (f) => {
        f.store('i32.store', 100, i32.load16S(9));
        f.store('i32.store16', 105, i32.load(1));
        f.storeLane('v128.store16_lane', 7, 109, v128.load(1));
        f.store('v128.store', 116, i16x8.const(1, -2, 3, -32768));
        f.store('v128.store', 132, v128.load16x4s(7));
      }),
    );
    for (let i = 0; i < 32; i++) view.setUint8(i, 200 + i);
    functions.main();
    expect(view.getInt32(100, true)).toBe(209 + 256 * 210 - 65536);
    expect(Array.from({ length: 8 }, (_, i) => view.getUint8(104 + i))).toEqual([0, 201, 202, 0, 0, 215, 216, 0]);
    const words = Array.from({ length: 8 }, (_, i) => view.getInt16(116 + 2 * i, true));
    expect(words).toEqual([1, -2, 3, -32768, 1, -2, 3, -32768]);
    const widened = Array.from({ length: 4 }, (_, i) => view.getInt32(132 + 4 * i, true));
    expect(widened).toEqual([7, 9, 11, 13].map((at) => view.getInt16(at, true)));
  });

  it('single bytes, and halves of vectors', () => {
    const { functions, memory } = run((module) =>
      module.func('main', {}, (f) => {
        f.store('i32.store8', 100, i32.add(i32.load8U(1), 0x100));
        f.store('v128.store', 116, v128.load64Zero(3));
        f.storeLane('v128.store64_lane', 1, 140, v128.load(0));
      }),
    );
    const bytes = new Uint8Array(memory.buffer);
    for (let i = 0; i < 160; i++) bytes[i] = i < 16 ? 200 + i : 255;
    functions.main();
    const at = (from: number, count: number) => [...bytes.subarray(from, from + count)];
    expect(at(100, 2)).toEqual([201, 255]);
    expect(at(116, 16)).toEqual([203, 204, 205, 206, 207, 208, 209, 210, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(at(140, 9)).toEqual([208, 209, 210, 211, 212, 213, 214, 215, 255]);
  });
});

describe('control', () => {
  it('for counts up to the end, and not at all after it', () => {
    const rounds = (from: number, to: number, step: number) =>
      result((f, out) => {
        const i = f.local('i32');
        f.for(i, from, to, step, () => f.increase(out, 1));
      });
    expect([rounds(0, 5, 1), rounds(0, 5, 2), rounds(3, 3, 1), rounds(4, 3, 1), rounds(-2, 2, 1)]).toEqual([
      5, 3, 0, 0, 4,
    ]);
  });

  it('branches leave blocks and repeat loops, from within others', () => {
    const found = result((f, out) => {
      const [i, j] = f.locals('i32', 2);
      f.block((done) => {
        f.loop((outer) => {
          f.set(j, 0);
          f.loop((inner) => {
            f.increase(out, 1);
            f.if(i32.eq(i32.mul(i, j), 12), () => f.branch(done));
            f.increase(j, 1);
            f.branchIf(inner, i32.lt_s(j, 5));
          });
          f.increase(i, 1);
          f.branch(outer);
        });
      });
    });
    expect(found).toBe(3 * 5 + 5); // at i = 3, j = 4
  });

  it('if takes one way', () => {
    const way = (condition: number) =>
      result((f, out) =>
        f.if(
          condition,
          () => f.set(out, 10),
          () => f.set(out, 20),
        ),
      );
    expect([way(1), way(-1), way(0)]).toEqual([10, 10, 20]);
    expect(result((f, out) => f.if(0, () => f.set(out, 10)))).toBe(0);
  });

  it('while asks first', () => {
    const sum = result((f, out) => {
      const i = f.local('i32');
      f.while(
        () => i32.lt_s(i, 4),
        () => {
          f.increase(out, i);
          f.increase(i, 1);
        },
      );
      f.while(
        () => 0,
        () => f.set(out, -1),
      );
    });
    expect(sum).toBe(6);
  });
});

describe('calls', () => {
  it('reach a function that was added before, with its arguments', () => {
    const { functions, view } = run((module) => {
      module.func('put', { at: 'i32', value: 'f32' }, (f, { at, value }) => f.store('f32.store', at, value));
      module.func('main', { at: 'i32' }, (f, { at }) => {
        f.call('put', at, 1.5);
        f.call('put', i32.add(at, 4), f32.load(at));
      });
    });
    functions.main(16);
    expect([view.getFloat32(16, true), view.getFloat32(20, true)]).toEqual([1.5, 1.5]);
  });

  it('of what is not there, or with other arguments, are refused', () => {
    const module = new ModuleBuilder({ initial: 1 });
    module.func('put', { at: 'i32' }, () => {});
    module.func('main', {}, (f) => {
      expect(() => f.call('main')).toThrow('main: there is no function "main" yet');
      expect(() => f.call('put')).toThrow('put: expected 1 arguments, got 0');
      expect(() => f.call('put', f32.const(1))).toThrow('expected a i32, got a f32');
    });
  });
});

/** The line that an error comes from, below the assembler's own. */
function lineOf(error: Error): string | undefined {
  return error.stack?.split('\n').find((line) => line.includes('wasm.test.ts'));
}

describe('errors', () => {
  const body = (write: (f: FunctionBuilder, n: Local<'i32'>, v: Local<'v128'>) => void) => () => {
    const module = new ModuleBuilder({ initial: 1 });
    module.func('kernel', { n: 'i32', v: 'v128' }, (f, { n, v }) => write(f, n, v));
    return module.encode();
  };

  it('come from the line that made the mistake', () => {
    const errors: Error[] = [];
    const lines: number[] = [];
    const here = () => Number(/:(\d+):\d+\)?$/.exec(new Error().stack!.split('\n')[2])![1]);
    const attempt = body((_f, _n, v) => {
      try {
        lines.push(here() + 1);
        i32.add(1, v as unknown as Local<'i32'>);
      } catch (error) {
        errors.push(error as Error);
      }
    });
    attempt();
    expect(errors[0].message).toBe('expected a i32, got a v128');
    expect(lineOf(errors[0])).toMatch(new RegExp(`wasm\\.test\\.ts:${lines[0]}:`));
  });

  it.each<[string, () => unknown, string]>([
    ['a number for a vector', body((f, _n, v) => f.set(v, 1 as never)), 'expected a v128, got the number 1'],
    ['a float for an int', body((f, n) => f.set(n, f32.const(1) as never)), 'expected a i32, got a f32'],
    ['no whole number', body((f, n) => f.set(n, 0.5)), 'i32: 0.5'],
    [
      'too few operands',
      body((f, n) => f.set(n, (i32.add as (a: number) => Expr<'i32'>)(1))),
      'expected 2 operands, got 1',
    ],
    ['a wrong value stored', body((f, n) => f.store('v128.store', 0, n as never)), 'expected a v128, got a i32'],
    [
      'a lane that does not exist',
      body((f, _n, v) => f.storeLane('v128.store32_lane', 4, 0, v)),
      'lanes are 0 to 3, got 4',
    ],
    [
      'a shuffle beyond',
      body((f, _n, v) => f.set(v, v128.shuffle([0, 1, 2, 8], v, v))),
      'lanes are 0 to 7, got 0,1,2,8',
    ],
    [
      'a shuffle of too few bytes',
      body((f, _n, v) => f.set(v, i8x16.shuffle([0, 1], v, v))),
      'shuffle: expected 16 bytes of 0 to 31, got 0,1',
    ],
    ['a constant beyond', body((f, _n, v) => f.set(v, i8x16.const(128))), 'no integer of this lane: 128'],
    ['a negative offset', body((f, n) => f.set(n, i32.load(n, -4))), 'u32: -4'],
    [
      'a branch to a block that has ended',
      body((f) => {
        f.block((leave) => {
          let ended = leave;
          f.block((inner) => {
            ended = inner;
          });
          f.block(() => f.branch(ended));
        });
      }),
      'kernel: a branch to a block that has ended',
    ],
  ])('%s', (_what, attempt, message) => expect(attempt).toThrow(message));

  it('locals stay in their function', () => {
    const module = new ModuleBuilder({ initial: 1 });
    let stranger!: Local<'i32'>;
    module.func('first', { n: 'i32' }, (_f, { n }) => {
      stranger = n;
    });
    module.func('second', { n: 'i32' }, (f, { n }) => {
      expect(() => i32.add(n, stranger)).toThrow('locals of "second" and "first" in one expression');
      expect(() => f.set(n, stranger)).toThrow('second: uses a local of "first"');
      expect(() => f.set(stranger, 1)).toThrow('second: uses a local of "first"');
    });
    expect(() => module.func('first', {}, () => {})).toThrow('two functions "first"');
  });

  it('a shared memory needs a maximum', () => {
    expect(() => new ModuleBuilder({ initial: 1, shared: true }).encode()).toThrow('a shared memory needs a maximum');
  });
});

describe('modules', () => {
  it('export every function under its name, and carry the names for stack traces', () => {
    const { functions } = run((module) => {
      module.func('harmless', { a: 'f32', b: 'v128' }, () => {});
      module.func('reads_far', { at: 'i32' }, (f, { at }) => f.set(at, i32.load(at)));
    });
    expect(Object.keys(functions)).toEqual(['harmless', 'reads_far']);
    let stack = '';
    try {
      functions.reads_far(1 << 20);
    } catch (error) {
      expect(error).toBeInstanceOf(WebAssembly.RuntimeError);
      stack = (error as Error).stack!;
    }
    expect(stack).toContain('reads_far');
  });

  it('have a name section, which holds exactly these', () => {
    const module = new ModuleBuilder({ initial: 1 });
    for (const functionName of ['a', 'bc']) module.func(functionName, {}, () => {});
    const sections = WebAssembly.Module.customSections(new WebAssembly.Module(module.encode()), 'name');
    expect(sections.map((bytes) => [...new Uint8Array(bytes)])).toEqual([[1, 8, 2, 0, 1, 97, 1, 2, 98, 99]]);
  });

  it('share equal signatures', () => {
    const one = new ModuleBuilder({ initial: 1 });
    one.func('a', { a: 'i32', b: 'f32' }, () => {});
    const bytes = one.encode().length;
    one.func('b', { a: 'i32', b: 'f32' }, () => {});
    // Type index, export, body and name; no second type.
    expect(one.encode().length - bytes).toBe(1 + 4 + 3 + 3);
  });

  it('take a shared memory where they are made for one, and no other', () => {
    const build = (module: ModuleBuilder) => module.func('main', {}, (f) => f.store('i32.store', 8, 42));
    const { functions, memory, view } = run(build, { shared: true });
    expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    functions.main();
    expect(view.getInt32(8, true)).toBe(42);

    const module = new ModuleBuilder({ initial: 1, maximum: 2, shared: true });
    build(module);
    const plain = new WebAssembly.Memory({ initial: 1, maximum: 2 });
    expect(() => new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory: plain } })).toThrow(
      WebAssembly.LinkError,
    );
  });
});
