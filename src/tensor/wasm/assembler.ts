/**
 * A small WebAssembly assembler. Kernels are written as typed expressions,
 *
 *     f.set(sum, f32x4.add(sum, f32x4.mul(v128.load(x, 16), v128.load(w))));
 *
 * so that a mistake in types is TypeScript's to find, and one that TypeScript lets through throws in the line that made
 * it. A function's body is a list of bytes that grows statement by statement; there is nothing to optimise afterwards:
 * register allocation and scheduling are the browser's.
 */
import { f32Bytes, f64Bytes, joined, name, s32, section, u32, vector } from './encoding.js';
import {
  CODES,
  LANE_STORES,
  LOADS,
  OPERATIONS,
  type Operation,
  STORES,
  VALUE_TYPES,
  type ValueType,
} from './opcodes.js';

/** A value not yet computed: the code that leaves it on the stack, and its type. */
export class Expr<T extends ValueType = ValueType> {
  readonly type: T;
  readonly code: readonly number[];
  /** The function whose locals it reads; null for constants. */
  readonly owner: FunctionBuilder | null;

  constructor(type: T, code: readonly number[], owner: FunctionBuilder | null) {
    this.type = type;
    this.code = code;
    this.owner = owner;
  }
}

/** A parameter or local variable. */
export class Local<T extends ValueType = ValueType> extends Expr<T> {
  readonly index: number;

  constructor(type: T, index: number, owner: FunctionBuilder) {
    super(type, [CODES.localGet, ...u32(index)], owner);
    this.index = index;
  }
}

/** What may stand where a value of type T is wanted: a number is a constant. */
export type Operand<T extends ValueType> = T extends 'v128' ? Expr<T> : Expr<T> | number;

type Operands<O extends readonly ValueType[]> = { -readonly [I in keyof O]: Operand<O[I]> };
type Operators<Prefix extends string> = {
  readonly [O in Operation as O extends `${Prefix}.${infer Short}` ? Short : never]: (
    ...operands: Operands<(typeof OPERATIONS)[O]['operands']>
  ) => Expr<(typeof OPERATIONS)[O]['result']>;
};

function toExpr<T extends ValueType>(type: T, value: Operand<T> | Expr<T> | number): Expr<T> {
  if (typeof value === 'number') {
    if (type === 'i32') return new Expr(type, [CODES.i32Const, ...s32(value)], null);
    if (type === 'i64') return new Expr(type, [CODES.i64Const, ...s32(value)], null); // of those that fit 32 bits
    if (type === 'f32') return new Expr(type, [CODES.f32Const, ...f32Bytes(value)], null);
    if (type === 'f64') return new Expr(type, [CODES.f64Const, ...f64Bytes(value)], null);
    throw new TypeError(`expected a ${type}, got the number ${value}`);
  }
  if (value.type !== type) throw new TypeError(`expected a ${type}, got a ${value.type}`);
  return value as Expr<T>;
}

/** The one function whose locals these read. */
function ownerOf(exprs: readonly Expr[]): FunctionBuilder | null {
  let owner: FunctionBuilder | null = null;
  for (const expr of exprs) {
    if (expr.owner !== null && owner !== null && expr.owner !== owner) {
      throw new TypeError(`locals of "${owner.name}" and "${expr.owner.name}" in one expression`);
    }
    owner ??= expr.owner;
  }
  return owner;
}

/** All operations named `prefix.…` as functions. */
function operators<P extends string>(prefix: P): Operators<P> {
  const entries = Object.entries(OPERATIONS)
    .filter(([full]) => full.startsWith(`${prefix}.`))
    .map(([full, { code, operands, result }]) => {
      const build = (...values: (Expr | number)[]) => {
        if (values.length !== operands.length) {
          throw new TypeError(`${full}: expected ${operands.length} operands, got ${values.length}`);
        }
        const exprs = operands.map((type, i) => toExpr<ValueType>(type, values[i]));
        return new Expr(result, joined([...exprs.map((expr) => expr.code), code]), ownerOf(exprs));
      };
      return [full.slice(prefix.length + 1), build];
    });
  return Object.fromEntries(entries) as Operators<P>;
}

/** Alignment hint and offset, the immediates of every memory access. */
const memoryImmediates = (align: number, offset: number): number[] => [...u32(align), ...u32(offset)];

function load<L extends keyof typeof LOADS>(kind: L, address: Operand<'i32'>, offset = 0) {
  const { code, align, result } = LOADS[kind];
  const at = toExpr('i32', address);
  return new Expr(
    result as (typeof LOADS)[L]['result'],
    // Kernels read and write at any multiple of four bytes; a hint that promises more would be a lie.
    [...at.code, ...code, ...memoryImmediates(Math.min(align, 2), offset)],
    at.owner,
  );
}

const constant = <T extends ValueType>(type: T) => ({ const: (value: number): Expr<T> => toExpr(type, value) });

export const i32 = {
  ...operators('i32'),
  ...constant('i32'),
  load: (address: Operand<'i32'>, offset?: number) => load('i32.load', address, offset),
  load8U: (address: Operand<'i32'>, offset?: number) => load('i32.load8_u', address, offset),
  load16S: (address: Operand<'i32'>, offset?: number) => load('i32.load16_s', address, offset),
};

export const i64 = {
  ...operators('i64'),
  load: (address: Operand<'i32'>, offset?: number) => load('i64.load', address, offset),
};

export const f32 = {
  ...operators('f32'),
  ...constant('f32'),
  load: (address: Operand<'i32'>, offset?: number) => load('f32.load', address, offset),
};

export const f64 = { ...operators('f64'), ...constant('f64') };

export const f32x4 = operators('f32x4');

export const f64x2 = operators('f64x2');

/** Bytes of two vectors, 0–15 from the first, 16–31 from the second. */
function shuffle(bytes: readonly number[], a: Expr<'v128'>, b: Expr<'v128'>): Expr<'v128'> {
  if (bytes.length !== 16 || !bytes.every((byte) => byte >= 0 && byte < 32)) {
    throw new RangeError(`shuffle: expected 16 bytes of 0 to 31, got ${bytes}`);
  }
  return new Expr('v128', joined([a.code, b.code, CODES.i8x16Shuffle, bytes]), ownerOf([a, b]));
}

export const i8x16 = {
  ...operators('i8x16'),
  shuffle,
  const: (...lanes: readonly number[]): Expr<'v128'> => vectorOf(new Int8Array(16), lanes),
};

export const i16x8 = {
  ...operators('i16x8'),
  const: (...lanes: readonly number[]): Expr<'v128'> => vectorOf(new Int16Array(8), lanes),
};

export const i32x4 = operators('i32x4');

/** A constant of integers. Fewer than there are lanes are repeated. */
function vectorOf(vector: Int8Array<ArrayBuffer> | Int16Array<ArrayBuffer>, lanes: readonly number[]): Expr<'v128'> {
  for (let lane = 0; lane < vector.length; lane++) {
    vector[lane] = lanes[lane % lanes.length];
    if (vector[lane] !== lanes[lane % lanes.length]) throw new RangeError(`no integer of this lane: ${lanes}`);
  }
  return new Expr('v128', [...CODES.v128Const, ...new Uint8Array(vector.buffer)], null);
}

export const v128 = {
  ...operators('v128'),
  /** Four floats as a constant. */
  const(a: number, b: number, c: number, d: number): Expr<'v128'> {
    return new Expr('v128', [...CODES.v128Const, ...[a, b, c, d].flatMap(f32Bytes)], null);
  },
  load: (address: Operand<'i32'>, offset?: number) => load('v128.load', address, offset),
  /** One float in all four lanes. */
  load32Splat: (address: Operand<'i32'>, offset?: number) => load('v128.load32_splat', address, offset),
  /** One float in lane 0, zeros above. */
  load32Zero: (address: Operand<'i32'>, offset?: number) => load('v128.load32_zero', address, offset),
  /** Eight bytes in the lower half, zeros above. */
  load64Zero: (address: Operand<'i32'>, offset?: number) => load('v128.load64_zero', address, offset),
  /** Eight bytes as 16-bit numbers, signed or unsigned. */
  load8x8s: (address: Operand<'i32'>, offset?: number) => load('v128.load8x8_s', address, offset),
  load8x8u: (address: Operand<'i32'>, offset?: number) => load('v128.load8x8_u', address, offset),
  /** Four 16-bit numbers as 32-bit ones. */
  load16x4s: (address: Operand<'i32'>, offset?: number) => load('v128.load16x4_s', address, offset),
  /** Lanes of two vectors, 0–3 from the first, 4–7 from the second. */
  shuffle(lanes: readonly [number, number, number, number], a: Expr<'v128'>, b: Expr<'v128'>): Expr<'v128'> {
    if (!lanes.every((lane) => lane >= 0 && lane < 8)) throw new RangeError(`shuffle: lanes are 0 to 7, got ${lanes}`);
    return shuffle(
      lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte)),
      a,
      b,
    );
  },
};

/** Somewhere a branch can go: an open block or loop. */
export class Label {}

export class FunctionBuilder {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly #relaxed: boolean;
  /** The functions that the module has so far. */
  readonly #callees: readonly FunctionBuilder[];
  readonly #locals: ValueType[] = [];
  readonly #code: number[] = [];
  /** Innermost last. */
  readonly #open: Label[] = [];

  constructor(name: string, params: readonly ValueType[], relaxed: boolean, callees: readonly FunctionBuilder[]) {
    this.name = name;
    this.params = params;
    this.#relaxed = relaxed;
    this.#callees = [...callees];
  }

  /** A new local variable; zero until set. */
  local<T extends ValueType>(type: T): Local<T> {
    this.#locals.push(type);
    return new Local(type, this.params.length + this.#locals.length - 1, this);
  }

  locals<T extends ValueType>(type: T, count: number): Local<T>[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  set<T extends ValueType>(local: Local<T>, value: Operand<T>): void {
    this.#emit(toExpr(local.type, value));
    this.#check(local);
    this.#code.push(CODES.localSet, ...u32(local.index));
  }

  /** sum + a·b in four floats: rounded twice; in a relaxed module once, where the machine does that. */
  mulAdd(sum: Expr<'v128'>, a: Expr<'v128'>, b: Expr<'v128'>): Expr<'v128'> {
    return this.#relaxed ? f32x4.relaxed_madd(a, b, sum) : f32x4.add(sum, f32x4.mul(a, b));
  }

  /** local += value */
  increase(local: Local<'i32'>, value: Operand<'i32'>): void {
    this.set(local, i32.add(local, value));
  }

  store<K extends keyof typeof STORES>(
    kind: K,
    address: Operand<'i32'>,
    value: Operand<(typeof STORES)[K]['value']>,
    offset = 0,
  ): void {
    const { code, align, value: type } = STORES[kind];
    this.#emit(toExpr('i32', address));
    this.#emit(toExpr<ValueType>(type, value));
    this.#code.push(...code, ...memoryImmediates(Math.min(align, 2), offset));
  }

  storeLane(
    kind: keyof typeof LANE_STORES,
    lane: number,
    address: Operand<'i32'>,
    value: Expr<'v128'>,
    offset = 0,
  ): void {
    const { code, align, lanes } = LANE_STORES[kind];
    if (!(lane >= 0 && lane < lanes)) throw new RangeError(`${kind}: lanes are 0 to ${lanes - 1}, got ${lane}`);
    this.#emit(toExpr('i32', address));
    this.#emit(value);
    this.#code.push(...code, ...memoryImmediates(Math.min(align, 2), offset), lane);
  }

  /** Branching to the label leaves the block. */
  block(body: (leave: Label) => void): void {
    this.#nest(CODES.block, body);
  }

  /** Branching to the label starts the next round. */
  loop(body: (again: Label) => void): void {
    this.#nest(CODES.loop, body);
  }

  if(condition: Operand<'i32'>, then: () => void, otherwise?: () => void): void {
    this.#emit(toExpr('i32', condition));
    this.#nest(CODES.if, () => {
      then();
      if (otherwise !== undefined) {
        this.#code.push(CODES.else);
        otherwise();
      }
    });
  }

  branch(label: Label): void {
    this.#code.push(CODES.br, ...u32(this.#distance(label)));
  }

  branchIf(label: Label, condition: Operand<'i32'>): void {
    this.#emit(toExpr('i32', condition));
    this.#code.push(CODES.br_if, ...u32(this.#distance(label)));
  }

  /** Calls a function that was added to the module before. What it finds out it leaves in memory. */
  call(callee: string, ...args: (Expr | number)[]): void {
    const index = this.#callees.findIndex((other) => other.name === callee);
    const params = this.#callees[index]?.params;
    if (params === undefined) throw new Error(`${this.name}: there is no function "${callee}" yet`);
    if (params.length !== args.length) {
      throw new TypeError(`${callee}: expected ${params.length} arguments, got ${args.length}`);
    }
    for (const [i, type] of params.entries()) this.#emit(toExpr<ValueType>(type, args[i]));
    this.#code.push(CODES.call, ...u32(index));
  }

  /** while (condition) body */
  while(condition: () => Operand<'i32'>, body: () => void): void {
    this.if(condition(), () =>
      this.loop((again) => {
        body();
        this.branchIf(again, condition());
      }),
    );
  }

  /** for (counter = from; counter < to; counter += step), compared as signed. */
  for(counter: Local<'i32'>, from: Operand<'i32'>, to: Operand<'i32'>, step: Operand<'i32'>, body: () => void): void {
    this.set(counter, from);
    this.while(
      () => i32.lt_s(counter, to),
      () => {
        body();
        this.increase(counter, step);
      },
    );
  }

  /** Size, locals, code: an entry of the code section. */
  encode(): number[] {
    if (this.#open.length !== 0) throw new Error(`${this.name}: a block was left open`);
    const locals = vector(this.#locals.map((type) => [1, VALUE_TYPES[type]]));
    const body = joined([locals, this.#code, [CODES.end]]);
    return joined([u32(body.length), body]);
  }

  #nest(code: number, body: (label: Label) => void): void {
    this.#code.push(code, CODES.emptyBlock);
    const label = new Label();
    this.#open.push(label);
    body(label);
    this.#open.pop();
    this.#code.push(CODES.end);
  }

  /** Blocks between here and the label. */
  #distance(label: Label): number {
    const index = this.#open.indexOf(label);
    if (index < 0) throw new Error(`${this.name}: a branch to a block that has ended`);
    return this.#open.length - 1 - index;
  }

  #emit(expr: Expr): void {
    this.#check(expr);
    for (const byte of expr.code) this.#code.push(byte); // spreading a long body would overflow the stack
  }

  #check(expr: Expr): void {
    if (expr.owner !== null && expr.owner !== this) {
      throw new TypeError(`${this.name}: uses a local of "${expr.owner.name}"`);
    }
  }
}

/** 4 GiB in pages of 64 KiB, all that 32 bits can address. */
export const MAX_PAGES = 65536;

/** Parameters of a function in order: names, and their types. (A name must not look like a whole number: objects sort those.) */
export type ParameterTypes = Readonly<Record<string, ValueType>>;

/** Parameters of one type, to be spread into a list of them: `{ ...typed('i32', 'x', 'y'), ...typed('f32', 'lo', 'hi') }`. */
export function typed<T extends ValueType, N extends string>(type: T, ...names: N[]): { readonly [Name in N]: T } {
  return Object.fromEntries(names.map((parameter) => [parameter, type])) as { [Name in N]: T };
}

/** The parameters as locals, by name. */
export type Parameters<P extends ParameterTypes> = { readonly [Name in keyof P]: Local<P[Name]> };

export interface MemoryImport {
  /** Pages of 64 KiB. */
  initial: number;
  maximum?: number;
  shared?: boolean;
}

export interface ModuleOptions {
  /** Whether `mulAdd` may use relaxed SIMD, which not every engine takes. */
  relaxed?: boolean | undefined;
}

/** A module: functions on one imported memory, `env.memory`. Every function is exported under its name. */
export class ModuleBuilder {
  readonly #memory: MemoryImport;
  readonly relaxed: boolean;
  readonly #functions: FunctionBuilder[] = [];

  constructor(memory: MemoryImport, { relaxed = false }: ModuleOptions = {}) {
    this.#memory = memory;
    this.relaxed = relaxed;
  }

  /** Adds a function without results. `body` gets a builder and the parameters by their names. */
  func<const P extends ParameterTypes>(
    functionName: string,
    params: P,
    body: (f: FunctionBuilder, params: Parameters<P>) => void,
  ): void {
    if (this.#functions.some((other) => other.name === functionName))
      throw new Error(`two functions "${functionName}"`);
    const f = new FunctionBuilder(functionName, Object.values(params), this.relaxed, this.#functions);
    const locals = Object.entries(params).map(([param, type], index) => [param, new Local(type, index, f)]);
    body(f, Object.fromEntries(locals) as Parameters<P>);
    this.#functions.push(f);
  }

  /** The module's bytes (chapter 5.5): types, imports, functions, exports, code, names. */
  encode(): Uint8Array<ArrayBuffer> {
    const { initial, maximum, shared = false } = this.#memory;
    if (shared && maximum === undefined) throw new Error('a shared memory needs a maximum');
    const flags = (maximum === undefined ? 0 : 1) | (shared ? 2 : 0);
    const limits = [flags, ...u32(initial), ...(maximum === undefined ? [] : u32(maximum))];

    const types = new Map<string, number>();
    const typeOf = (f: FunctionBuilder): number => {
      const key = f.params.join();
      const known = types.get(key) ?? types.size;
      types.set(key, known);
      return known;
    };
    const functions = this.#functions.map((f) => u32(typeOf(f)));
    const signatures = [...types.keys()].map((key) => [
      0x60,
      ...vector((key === '' ? [] : key.split(',')).map((type) => [VALUE_TYPES[type as ValueType]])),
      0, // no results
    ]);
    const exports = this.#functions.map((f, index) => [...name(f.name), 0, ...u32(index)]);
    // Names for stack traces and profilers: subsection 1 holds those of functions (appendix "Name Section").
    const names = section(1, vector(this.#functions.map((f, index) => [...u32(index), ...name(f.name)])));

    const bytes = joined([
      [0x00, 0x61, 0x73, 0x6d], // "\0asm"
      [1, 0, 0, 0], // version 1
      section(1, vector(signatures)),
      section(2, vector([[...name('env'), ...name('memory'), 2, ...limits]])),
      section(3, vector(functions)),
      section(7, vector(exports)),
      section(10, vector(this.#functions.map((f) => f.encode()))),
      section(0, [...name('name'), ...names]),
    ]);
    return new Uint8Array(bytes);
  }
}
