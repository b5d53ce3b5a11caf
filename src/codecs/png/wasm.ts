/**
 * The kernel of rows in WebAssembly: what kernel.ts does, with 16 bytes at a time where bytes do not depend on each other,
 * and one pixel at a time where they do.
 */
import {
  type FunctionBuilder,
  i8x16,
  i16x8,
  i32,
  type Local,
  ModuleBuilder,
  type Operand,
  type Parameters,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { growTo } from '../../tensor/wasm/memory.js';
import { PLACE, type RowKernel, TASK_FIELDS } from './kernel.js';

const PARAMS = typed('i32', ...TASK_FIELDS);
type Task = Parameters<typeof PARAMS>;
type Int = Local<'i32'>;
type Vector = Local<'v128'>;

/** The module's bytes: one function, `rows`. */
function emitRows(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initial: 1 });
  module.func('rows', PARAMS, (f, task) => {
    const { from, rows, bytes, filter, to, columns, channels, depth } = task;
    const [y, kind] = f.locals('i32', 2);
    const outBytes = f.local('i32');
    f.set(outBytes, i32.mul(columns, channels));
    f.for(y, 0, rows, 1, () => {
      f.set(kind, filter);
      f.if(i32.lt_s(filter, 0), () => {
        f.set(kind, i32.load8U(from));
        f.increase(from, 1);
      });
      unfilter(f, task, kind);
      f.increase(from, bytes);
      f.if(
        depth,
        () => lookUp(f, task),
        () => pick(f, task),
      );
      f.increase(to, outBytes);
    });
  });
  return module.encode();
}

/** Section 9.2 of the PNG specification. */
function unfilter(f: FunctionBuilder, task: Task, kind: Int): void {
  const each = (build: (filter: 1 | 3 | 4) => void) => {
    f.if(
      i32.eq(kind, 1),
      () => build(1),
      () =>
        f.if(
          i32.eq(kind, 3),
          () => build(3),
          () => build(4),
        ),
    );
  };
  f.if(
    i32.eq(i32.and(kind, 5), 0), // of 0 to 4: 0 and 2
    () => independent(f, task, kind),
    () =>
      f.if(
        i32.lt_s(task.pixelBytes, 3),
        () => each((filter) => byBytes(f, task, filter)),
        () =>
          f.if(
            i32.lt_s(task.pixelBytes, 5),
            () => each((filter) => byPixels(f, task, filter, 4)),
            () => each((filter) => byPixels(f, task, filter, 8)),
          ),
      ),
  );
}

/** None and Up: no byte depends on one to the left. None is Up below a row of zeros. */
function independent(f: FunctionBuilder, { from, row, bytes }: Task, kind: Int): void {
  const [i, whole] = f.locals('i32', 2);
  const above = f.local('v128');
  const there = f.local('v128');
  f.set(there, i16x8.splat(i32.sub(0, i32.eq(kind, 2)))); // all ones or all zeros
  f.set(whole, i32.and(bytes, -16));
  f.for(i, 0, whole, 16, () => {
    f.set(above, v128.and(v128.load(i32.add(row, i)), there));
    f.store('v128.store', i32.add(row, i), i8x16.add(v128.load(i32.add(from, i)), above));
  });
  // What is left by bytes: after it may stand what is still the row above.
  f.for(i, whole, bytes, 1, () => {
    const old = i32.select(i32.load8U(i32.add(row, i)), 0, kind);
    f.store('i32.store8', i32.add(row, i), i32.add(i32.load8U(i32.add(from, i)), old));
  });
}

/** Pixels of one or two bytes, one byte of each after the other. */
function byBytes(f: FunctionBuilder, { from, row, bytes, pixelBytes }: Task, filter: 1 | 3 | 4): void {
  const [byte, i, at, left, above, corner, guess] = f.locals('i32', 7);
  f.for(byte, 0, pixelBytes, 1, () => {
    f.set(left, i32.load8U(i32.sub(i32.add(row, byte), pixelBytes)));
    f.set(corner, i32.load8U(byte, PLACE.corner));
    f.for(i, byte, bytes, pixelBytes, () => {
      f.set(at, i32.add(row, i));
      f.set(above, i32.load8U(at));
      if (filter === 1) f.set(guess, left);
      else if (filter === 3) f.set(guess, i32.shr_u(i32.add(left, above), 1));
      else paeth(f, guess, left, above, corner);
      f.set(left, i32.and(i32.add(i32.load8U(i32.add(from, i)), guess), 255));
      f.store('i32.store8', at, left);
      f.set(corner, above);
    });
  });
}

/** `paeth` of kernel.ts. */
function paeth(f: FunctionBuilder, guess: Int, left: Int, above: Int, corner: Int): void {
  const [low, high, limit] = f.locals('i32', 3);
  f.set(limit, i32.sub(i32.sub(i32.mul(corner, 3), above), left));
  f.set(low, i32.select(left, above, i32.lt_s(left, above)));
  f.set(high, i32.select(above, left, i32.lt_s(left, above)));
  f.set(guess, i32.select(low, corner, i32.le_s(high, limit)));
  f.set(guess, i32.select(high, guess, i32.le_s(limit, low)));
}

/**
 * Pixels of three and four bytes in steps of four, of six and eight in steps of eight. A step of a smaller pixel writes
 * into the next one, so what stands there is read before; and what stands after the row is put back.
 */
function byPixels(f: FunctionBuilder, { from, row, bytes, pixelBytes }: Task, filter: 1 | 3 | 4, step: 4 | 8): void {
  const [i, at, after] = f.locals('i32', 3);
  const [left, above, corner, guess, next] = f.locals('v128', 5);
  const load = step === 4 ? v128.load32Zero : v128.load64Zero;
  const pixel = (address: Operand<'i32'>) => i16x8.extend_low_i8x16_u(load(address));
  f.set(after, i32.load(i32.add(row, bytes)));
  f.set(left, pixel(i32.sub(row, pixelBytes)));
  f.set(corner, pixel(PLACE.corner));
  f.set(next, pixel(row));
  f.for(i, 0, bytes, pixelBytes, () => {
    f.set(at, i32.add(row, i));
    f.set(above, next);
    f.set(next, pixel(i32.add(at, pixelBytes)));
    if (filter === 1) f.set(guess, left);
    else if (filter === 3) f.set(guess, i16x8.shr_u(i16x8.add(left, above), 1));
    else paethOfPixel(f, guess, left, above, corner);
    f.set(left, i8x16.add(pixel(i32.add(from, i)), guess)); // every other byte is 0 and stays so
    f.storeLane(step === 4 ? 'v128.store32_lane' : 'v128.store64_lane', 0, at, i8x16.narrow_i16x8_u(left, left));
    f.set(corner, above);
  });
  f.store('i32.store', i32.add(row, bytes), after);
}

/**
 * `paeth` for all bytes of a pixel, in 16 bits each. What a photograph's rows cost is the chain from the pixel to the left:
 * subtract, compare, select twice, add.
 */
function paethOfPixel(f: FunctionBuilder, guess: Vector, left: Vector, above: Vector, corner: Vector): void {
  const [low, high, limit] = f.locals('v128', 3);
  f.set(limit, i16x8.sub(i16x8.add(i16x8.add(corner, corner), corner), above));
  f.set(limit, i16x8.sub(limit, left));
  f.set(low, i16x8.min_s(left, above));
  f.set(high, i16x8.max_s(left, above));
  f.set(guess, v128.bitselect(corner, low, i16x8.gt_s(high, limit)));
  f.set(guess, v128.bitselect(guess, high, i16x8.gt_s(limit, low)));
}

/** Bytes by the mask, 16 at a time. What is written too much, the next 16 bytes write over. */
function pick(f: FunctionBuilder, { row, pixelBytes, to, columns, channels, group }: Task): void {
  const [x, at, out, stepIn, stepOut] = f.locals('i32', 5);
  const mask = f.local('v128');
  f.set(mask, v128.load(PLACE.mask));
  f.set(stepIn, i32.mul(group, pixelBytes));
  f.set(stepOut, i32.mul(group, channels));
  f.set(at, row);
  f.set(out, to);
  f.for(x, 0, columns, group, () => {
    f.store('v128.store', out, i8x16.swizzle(v128.load(at), mask));
    f.increase(at, stepIn);
    f.increase(out, stepOut);
  });
}

/** Section 7.2: of samples smaller than a byte the first stands in the highest bits. Colors are written as four bytes. */
function lookUp(f: FunctionBuilder, { row, to, columns, channels, depth }: Task): void {
  const [x, bit, out, most, color, seen] = f.locals('i32', 6);
  f.set(most, i32.sub(i32.shl(1, depth), 1));
  f.set(seen, i32.load(PLACE.seen));
  f.set(out, to);
  f.set(bit, 0);
  f.for(x, 0, columns, 1, () => {
    const byte = i32.load8U(i32.add(row, i32.shr_u(bit, 3)));
    const index = i32.and(i32.shr_u(byte, i32.sub(i32.sub(8, depth), i32.and(bit, 7))), most);
    f.set(color, i32.load(i32.shl(index, 2), PLACE.table));
    f.set(seen, i32.or(seen, color));
    f.store('i32.store', out, color);
    f.increase(out, channels);
    f.increase(bit, depth);
  });
  f.store('i32.store', PLACE.seen, seen);
}

let compiled: WebAssembly.Module | undefined;

/** @throws what WebAssembly throws where compiling is refused or memory is not to be had */
export function kernelInWasm(): RowKernel {
  compiled ??= new WebAssembly.Module(emitRows());
  const memory = new WebAssembly.Memory({ initial: 1 });
  const rows = new WebAssembly.Instance(compiled, { env: { memory } }).exports.rows as (...args: number[]) => void;
  return {
    heap: new Uint8Array(memory.buffer),
    reserve(bytes) {
      growTo(memory, bytes);
      this.heap = new Uint8Array(memory.buffer);
    },
    run: (task) => rows(...TASK_FIELDS.map((field) => task[field])),
  };
}
