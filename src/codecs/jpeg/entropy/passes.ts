/**
 * Emits the passes over entropy-coded data, as functions of a number of MCUs: sequential scans bring whole blocks, those of
 * a progressive frame the first or a further bit of the DC coefficients or of a band of AC coefficients (T.81, annex G).
 * What damaged data give is what libjpeg makes of them (jdhuff.c, jdphuff.c), down to where it writes a coefficient that
 * does not exist.
 */
import {
  type Expr,
  type FunctionBuilder,
  i32,
  type Local,
  type ModuleBuilder,
  type Operand,
  v128,
} from '../../../tensor/wasm/assembler.js';
import { Bits } from './bits.js';
import { END_OF_BLOCK, SIXTEEN_ZEROS } from './lookup.js';
import { emitSegments } from './segments.js';
import { BLOCK, BLOCK_BYTES, BLOCK_ENTRY_BYTES, BLOCKS, STATE, ZIGZAG } from './state.js';

const get = (field: number): Expr<'i32'> => i32.load(0, field);

export function emitEntropy(module: ModuleBuilder): void {
  emitSegments(module);
  emitSequential(module);
  emitDcFirst(module);
  emitDcFurther(module);
  emitAcFirst(module);
  emitAcFurther(module);
}

/** An MCU after another, restarts between them. `dry`: bits had run out before it. */
function mcus(f: FunctionBuilder, bits: Bits, count: Local<'i32'>, mcu: (dry: Local<'i32'>) => void): void {
  const dry = f.local('i32');
  bits.load();
  f.while(
    () => count,
    () => {
      bits.restart();
      f.set(dry, get(STATE.dry));
      mcu(dry);
      bits.checkDry();
      f.increase(count, -1);
    },
  );
  bits.save();
}

/** The blocks of an MCU. What is at `to` when the body has run moves on to the next MCU. */
function blocks(f: FunctionBuilder, body: (entry: Local<'i32'>, to: Local<'i32'>) => void): void {
  const [entry, to] = f.locals('i32', 2);
  f.for(entry, BLOCKS, get(STATE.blocksEnd), BLOCK_ENTRY_BYTES, () => {
    f.set(to, i32.load(entry, BLOCK.to));
    body(entry, to);
    advance(f, entry, BLOCK.to, BLOCK.step);
    advance(f, entry, BLOCK.lastTo, BLOCK.lastStep);
  });
}

function advance(f: FunctionBuilder, entry: Local<'i32'>, field: number, step: number): void {
  f.store('i32.store', entry, i32.add(i32.load(entry, field), i32.load(entry, step)), field);
}

/** Where in a block a coefficient lies, by its place in zigzag order. */
const placeOf = (block: Local<'i32'>, k: Operand<'i32'>): Expr<'i32'> =>
  i32.add(block, i32.shl(i32.load8U(k, ZIGZAG), 1));

/** DC: the difference to the block before, in `bits.found`, becomes the value. */
function addDc(f: FunctionBuilder, bits: Bits, entry: Local<'i32'>, table: Local<'i32'>): void {
  f.set(table, i32.load(entry, BLOCK.dcTable));
  bits.value(table);
  bits.refill();
  const dc = i32.load(entry, BLOCK.dc);
  f.set(bits.found, i32.add(bits.found, i32.load(dc)));
  f.store('i32.store', dc, bits.found);
}

/**
 * Coefficients k to `last` of a block by runs of zeros and values. `k` is then 64 or more where the end was told, one after
 * the last coefficient else.
 */
function acCoefficients(
  f: FunctionBuilder,
  bits: Bits,
  {
    block,
    table,
    k,
    last,
    low,
  }: Record<'block' | 'table' | 'k', Local<'i32'>> & { last: Operand<'i32'>; low?: Local<'i32'> },
): void {
  const value = () => (low === undefined ? bits.found : i32.shl(bits.found, low));
  const another = () => i32.eq(i32.gt_s(k, last), 0);
  f.block((end) => {
    f.loop((again) => {
      bits.value(table);
      f.increase(k, bits.run);
      f.if(i32.gt_s(k, 63), () => {
        f.if(i32.ge_s(k, SIXTEEN_ZEROS), () => {
          f.increase(k, 16 - SIXTEEN_ZEROS);
          bits.refill();
          f.branchIf(again, another());
          f.branch(end);
        });
        f.branchIf(end, i32.ge_s(k, END_OF_BLOCK));
      });
      f.store('i32.store16', placeOf(block, k), value());
      f.increase(k, 1);
      bits.refill();
      f.branchIf(again, another());
    });
  });
}

/** `zero`: whether blocks are to be emptied first; not where an earlier scan may have filled them. */
function emitSequential(module: ModuleBuilder): void {
  module.func('jpeg_sequential', { count: 'i32', zero: 'i32' }, (f, { count, zero }) => {
    const bits = new Bits(f);
    const [table, k, lastTo] = f.locals('i32', 3);
    mcus(f, bits, count, (dry) => {
      blocks(f, (entry, block) => {
        f.set(lastTo, i32.load(entry, BLOCK.lastTo));
        f.if(zero, () => {
          const nothing = v128.const(0, 0, 0, 0);
          for (let at = 0; at < BLOCK_BYTES; at += 16) f.store('v128.store', block, nothing, at);
          f.store('i32.store8', lastTo, 0);
        });
        f.if(i32.eq(dry, 0), () => {
          addDc(f, bits, entry, table);
          f.store('i32.store16', block, bits.found);
          f.set(table, i32.load(entry, BLOCK.acTable));
          f.set(k, 1);
          acCoefficients(f, bits, { block, table, k, last: 63 });
          bits.refill();
          // The place of the last coefficient: k points after it, or is END_OF_BLOCK more.
          f.if(
            i32.ge_s(k, END_OF_BLOCK),
            () => f.set(k, i32.sub(k, END_OF_BLOCK + 1)),
            () => f.set(k, 63),
          );
          raiseLast(f, lastTo, k);
        });
      });
    });
  });
}

/** `lastNonZero` of a block is at least k. */
function raiseLast(f: FunctionBuilder, lastTo: Operand<'i32'>, k: Local<'i32'>): void {
  f.if(i32.lt_u(i32.load8U(lastTo), k), () => f.store('i32.store8', lastTo, k));
}

/** G.1.2.1: DC without its lowest bits. */
function emitDcFirst(module: ModuleBuilder): void {
  module.func('jpeg_dc_first', { count: 'i32' }, (f, { count }) => {
    const bits = new Bits(f);
    const table = f.local('i32');
    mcus(f, bits, count, (dry) => {
      blocks(f, (entry, block) => {
        f.if(i32.eq(dry, 0), () => {
          addDc(f, bits, entry, table);
          f.store('i32.store16', block, i32.shl(bits.found, get(STATE.low)));
        });
      });
    });
  });
}

/** One more bit of DC. Zeros after the end of the data change nothing, so they may be read. */
function emitDcFurther(module: ModuleBuilder): void {
  module.func('jpeg_dc_further', { count: 'i32' }, (f, { count }) => {
    const bits = new Bits(f);
    const bit = f.local('i32');
    mcus(f, bits, count, () => {
      blocks(f, (_, block) => {
        bits.bit(bit);
        f.store('i32.store16', block, i32.or(i32.load16S(block), i32.shl(bit, get(STATE.low))));
      });
    });
  });
}

/** G.1.2.2: AC of a band, without their lowest bits. An MCU is a block. */
function emitAcFirst(module: ModuleBuilder): void {
  module.func('jpeg_ac_first', { count: 'i32' }, (f, { count }) => {
    const bits = new Bits(f);
    const [table, k, last, low, empty] = f.locals('i32', 5);
    f.set(last, get(STATE.last));
    f.set(low, get(STATE.low));
    mcus(f, bits, count, (dry) => {
      blocks(f, (entry, block) => {
        f.set(empty, get(STATE.emptyBlocks));
        f.if(i32.eq(dry, 0), () =>
          f.if(
            empty,
            () => f.store('i32.store', 0, i32.sub(empty, 1), STATE.emptyBlocks),
            () => {
              f.set(table, i32.load(entry, BLOCK.acTable));
              f.set(k, get(STATE.first));
              acCoefficients(f, bits, { block, table, k, last, low });
              f.if(i32.ge_s(k, END_OF_BLOCK), () => {
                bits.emptyBlocks(empty, bits.found);
                f.store('i32.store', 0, i32.sub(empty, 1), STATE.emptyBlocks);
                f.increase(k, -END_OF_BLOCK);
              });
              bits.refill();
              f.increase(k, -1);
              f.if(i32.gt_s(k, 63), () => f.set(k, 63));
              raiseLast(f, i32.load(entry, BLOCK.lastTo), k);
            },
          ),
        );
      });
    });
  });
}

/** G.1.2.3: one more bit of the AC of a band, and those that become 1 or −1 by it. */
function emitAcFurther(module: ModuleBuilder): void {
  module.func('jpeg_ac_further', { count: 'i32' }, (f, { count }) => {
    const bits = new Bits(f);
    const [table, k, last, plus, minus, empty] = f.locals('i32', 6);
    const [bit, run, value, place, old] = f.locals('i32', 5);
    f.set(last, get(STATE.last));
    f.set(plus, i32.shl(1, get(STATE.low)));
    f.set(minus, i32.shl(-1, get(STATE.low)));

    /** The next bit of a coefficient that is not 0. */
    const correct = () => {
      bits.bit(bit);
      f.if(bit, () =>
        f.if(i32.eq(i32.and(old, plus), 0), () => {
          f.if(
            i32.ge_s(old, 0),
            () => f.increase(old, plus),
            () => f.increase(old, minus),
          );
          f.store('i32.store16', place, old);
        }),
      );
    };
    const find = (block: Local<'i32'>) => {
      f.set(place, placeOf(block, k));
      f.set(old, i32.load16S(place));
    };
    const another = () => i32.eq(i32.gt_s(k, last), 0);

    /** Passes over `run` zeros and to the next one, correcting what lies between. */
    const skip = (block: Local<'i32'>) =>
      f.block((found) => {
        f.loop((next) => {
          find(block);
          f.if(old, correct, () => {
            f.increase(run, -1);
            f.branchIf(found, i32.lt_s(run, 0));
          });
          f.increase(k, 1);
          f.branchIf(next, another());
        });
      });

    const newCoefficients = (entry: Local<'i32'>, block: Local<'i32'>) => {
      f.set(table, i32.load(entry, BLOCK.acTable));
      f.block((atRun) => {
        f.loop((again) => {
          bits.refill();
          bits.symbol(table);
          f.set(run, i32.shr_u(bits.found, 4));
          f.set(value, i32.and(bits.found, 15));
          f.if(
            value,
            () => {
              bits.bit(bit);
              f.if(
                bit,
                () => f.set(value, plus),
                () => f.set(value, minus),
              );
            },
            () =>
              f.if(i32.ne(run, 15), () => {
                bits.emptyBlocks(empty, run);
                f.branch(atRun);
              }),
          );
          skip(block);
          f.if(value, () => {
            f.store('i32.store16', placeOf(block, k), value);
            f.if(
              i32.gt_s(k, 63),
              () => f.set(place, 63),
              () => f.set(place, k),
            );
            raiseLast(f, i32.load(entry, BLOCK.lastTo), place);
          });
          f.increase(k, 1);
          f.branchIf(again, another());
        });
      });
    };

    mcus(f, bits, count, (dry) => {
      blocks(f, (entry, block) => {
        f.if(i32.eq(dry, 0), () => {
          f.set(k, get(STATE.first));
          f.set(empty, get(STATE.emptyBlocks));
          f.if(i32.eq(empty, 0), () => newCoefficients(entry, block));
          f.if(empty, () => {
            f.while(another, () => {
              find(block);
              f.if(old, correct);
              f.increase(k, 1);
            });
            f.store('i32.store', 0, i32.sub(empty, 1), STATE.emptyBlocks);
          });
        });
      });
    });
  });
}
