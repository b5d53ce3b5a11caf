/** Emits the reading of bits: what is common to all passes over entropy-coded data. */
import { type Expr, type FunctionBuilder, i32, i64, type Local, type Operand } from '../../../tensor/wasm/assembler.js';
import { END_OF_BLOCK, LOOK_BITS, SIXTEEN_ZEROS, TABLE } from './lookup.js';
import { STATE } from './state.js';

const get = (field: number): Expr<'i32'> => i32.load(0, field);

/**
 * The bits in locals of one function. Between symbols there are at least 32 of them: a code and its value have at most
 * 17 + 15. After the end of a segment there are zeros.
 */
export class Bits {
  readonly #f: FunctionBuilder;
  readonly #bits: Local<'i64'>;
  readonly #count: Local<'i32'>;
  readonly #at: Local<'i32'>;
  /** The last address of which four bytes can be taken. */
  readonly #lastWhole: Local<'i32'>;
  readonly #entry: Local<'i32'>;
  readonly #length: Local<'i32'>;
  /** What `value` and `symbol` find. */
  readonly run: Local<'i32'>;
  readonly found: Local<'i32'>;

  constructor(f: FunctionBuilder) {
    this.#f = f;
    this.#bits = f.local('i64');
    this.#count = f.local('i32');
    this.#at = f.local('i32');
    this.#lastWhole = f.local('i32');
    this.#entry = f.local('i32');
    this.#length = f.local('i32');
    this.run = f.local('i32');
    this.found = f.local('i32');
  }

  load(): void {
    const f = this.#f;
    f.set(this.#bits, i64.load(0, STATE.bits));
    f.set(this.#count, get(STATE.count));
    f.set(this.#at, get(STATE.at));
    f.set(this.#lastWhole, i32.sub(get(STATE.end), 4));
    this.refill();
  }

  save(): void {
    const f = this.#f;
    f.store('i64.store', 0, this.#bits, STATE.bits);
    f.store('i32.store', 0, this.#count, STATE.count);
    f.store('i32.store', 0, this.#at, STATE.at);
  }

  /** At least 32 bits from now on. */
  refill(): void {
    const f = this.#f;
    f.if(i32.lt_s(this.#count, 32), () => {
      const word = this.#entry;
      const missing = this.#length;
      f.set(missing, i32.sub(this.#at, this.#lastWhole));
      f.set(word, 0);
      f.if(i32.lt_s(missing, 4), () => {
        f.set(word, i32.load(this.#at));
        f.set(word, swapped(word));
        f.if(i32.gt_s(missing, 0), () => f.set(word, i32.and(word, i32.shl(-1, i32.shl(missing, 3)))));
      });
      f.set(
        this.#bits,
        i64.or(this.#bits, i64.shl(i64.extend_i32_u(word), i64.extend_i32_u(i32.sub(32, this.#count)))),
      );
      f.increase(this.#at, 4);
      f.increase(this.#count, 32);
    });
  }

  /** Whether more bits were used than there are is written to the state. To be asked after every MCU. */
  checkDry(): void {
    const f = this.#f;
    f.if(i32.gt_s(this.#at, this.#lastWhole), () => {
      const left = i32.shl(i32.sub(i32.add(this.#lastWhole, 4), this.#at), 3);
      f.if(i32.lt_s(i32.add(left, this.#count), 0), () => {
        f.store('i32.store', 0, 1, STATE.dry);
        f.store('i32.store', 0, 1, STATE.damaged);
      });
    });
  }

  /** At an MCU: the restart that is due, if one is. */
  restart(): void {
    const f = this.#f;
    f.if(get(STATE.interval), () => {
      f.if(i32.eq(get(STATE.toGo), 0), () => {
        this.save();
        f.call('jpeg_restart');
        this.load();
      });
      f.store('i32.store', 0, i32.sub(get(STATE.toGo), 1), STATE.toGo);
    });
  }

  /** `run` and `found` from a table with values. */
  value(table: Local<'i32'>): void {
    const f = this.#f;
    this.#look(table);
    f.if(
      i32.and(this.#entry, 255),
      () => {
        f.set(this.#bits, i64.shl(this.#bits, i64.extend_i32_u(this.#entry))); // shifts take the lowest six bits
        f.set(this.#count, i32.sub(this.#count, i32.and(this.#entry, 255)));
        f.set(this.run, i32.and(i32.shr_u(this.#entry, 8), 255));
        f.set(this.found, i32.shr_s(this.#entry, 16));
      },
      () => {
        this.#longCode(table);
        this.#split();
      },
    );
  }

  /** `found` from a plain table. */
  symbol(table: Local<'i32'>): void {
    const f = this.#f;
    this.#look(table);
    f.if(
      i32.and(this.#entry, 255),
      () => {
        f.set(this.found, i32.shr_u(this.#entry, 16));
        this.drop(i32.and(this.#entry, 255));
      },
      () => this.#longCode(table),
    );
  }

  /** The next bit, 0 or 1. */
  bit(to: Local<'i32'>): void {
    this.#f.if(i32.eq(this.#count, 0), () => this.refill());
    this.#take(to, 1);
  }

  /** So many bits, 1 to 15; there are enough of them after a symbol without a value. */
  #take(to: Local<'i32'>, count: Operand<'i32'>): void {
    this.#f.set(to, i32.wrap_i64(i64.shr_u(this.#bits, i64.extend_i32_u(i32.sub(64, count)))));
    this.drop(count);
  }

  /** The blocks of a run of empty ones, whose length has `run` bits (0 to 14) after a leading 1. */
  emptyBlocks(to: Local<'i32'>, run: Local<'i32'>): void {
    const f = this.#f;
    f.set(to, 0);
    f.if(run, () => this.#take(to, run));
    f.set(to, i32.add(to, i32.shl(1, run)));
  }

  #look(table: Local<'i32'>): void {
    const index = i32.wrap_i64(i64.shr_u(this.#bits, 64 - LOOK_BITS));
    this.#f.set(this.#entry, i32.load(i32.add(table, i32.shl(index, 2)), TABLE.entries));
  }

  drop(count: Operand<'i32'>): void {
    const f = this.#f;
    f.set(this.#bits, i64.shl(this.#bits, i64.extend_i32_u(count)));
    f.set(this.#count, i32.sub(this.#count, count));
  }

  /** `found` becomes the symbol of a code that was not found at a look with its value; the code is dropped. */
  #longCode(table: Local<'i32'>): void {
    const f = this.#f;
    const length = this.#length;
    f.set(length, i32.shr_u(i32.and(this.#entry, 0xff00), 8));
    f.set(this.found, i32.shr_u(this.#entry, 16));
    f.if(i32.eq(length, 0), () => {
      const next16 = this.#entry;
      f.set(next16, i32.wrap_i64(i64.shr_u(this.#bits, 48)));
      f.set(length, LOOK_BITS + 1);
      const beyond = () => i32.ge_u(next16, i32.load(i32.add(table, i32.shl(length, 2)), TABLE.limits));
      f.while(beyond, () => f.increase(length, 1));
      f.if(
        i32.gt_s(length, 16),
        () => {
          // No such code: libjpeg takes the symbol 0.
          f.set(this.found, 0);
          f.store('i32.store', 0, 1, STATE.damaged);
        },
        () => {
          const offset = i32.load(i32.add(table, i32.shl(length, 2)), TABLE.offsets);
          const place = i32.add(i32.shr_u(next16, i32.sub(16, length)), offset);
          f.set(this.found, i32.load8U(i32.add(table, place), TABLE.symbols));
        },
      );
    });
    this.drop(length);
  }

  /** The symbol in `found` becomes `run` and value. */
  #split(): void {
    const f = this.#f;
    const size = this.#length;
    f.set(size, i32.and(this.found, 15));
    f.set(this.run, i32.shr_u(this.found, 4));
    f.if(
      size,
      () => {
        f.set(this.found, i32.wrap_i64(i64.shr_u(this.#bits, i64.extend_i32_u(i32.sub(64, size)))));
        // EXTEND: a value that begins with 0 is negative.
        const top = i32.wrap_i64(i64.shr_u(this.#bits, 63));
        const mask = i32.sub(i32.shl(1, size), 1);
        f.set(this.found, i32.sub(this.found, i32.and(mask, i32.sub(top, 1))));
        this.drop(size);
      },
      () => {
        f.set(this.found, this.run);
        f.if(
          i32.eq(this.run, 15),
          () => f.set(this.run, SIXTEEN_ZEROS),
          () => f.set(this.run, END_OF_BLOCK),
        );
      },
    );
  }
}

/** The bytes of a word in the other order: WebAssembly reads the lowest first, JPEG's first is the highest. */
function swapped(word: Local<'i32'>): Expr<'i32'> {
  return i32.or(i32.and(i32.rotl(word, 8), 0x00ff00ff), i32.and(i32.rotl(word, 24), 0xff00ff00));
}
