/**
 * Rows of subsampled components to the size of the picture: libjpeg's triangle filter (jdsample.c, "fancy upsampling"),
 * whose new samples lie a quarter of the way between old ones, with its roundings, that alternate; and plain repetition.
 * All loops run in whole vectors: rows need room after their end.
 */
import { i8x16, i16x8, i32, type ModuleBuilder, typed, v128 } from '../../../tensor/wasm/assembler.js';
import { BYTES, keep, type Vector } from './vectors.js';

export function emitUpsampling(module: ModuleBuilder): void {
  emitWeigh(module);
  emitWiden(module);
  emitSpread(module);
  emitBlend(module);
  for (const times of [2, 3, 4]) emitRepeat(module, times);
}

const LOW = i16x8.extend_low_i8x16_u;
const HIGH = i16x8.extend_high_i8x16_u;

/** `weigh`: 3 · near + far, in 16 bits: the vertical half of h2v2. */
function emitWeigh(module: ModuleBuilder): void {
  module.func('weigh', typed('i32', 'near', 'far', 'out', 'count'), (f, { near, far, out, count }) => {
    const at = f.local('i32');
    f.for(at, 0, count, BYTES, () => {
      const a = keep(f, v128.load(i32.add(near, at)));
      const b = keep(f, v128.load(i32.add(far, at)));
      for (const [i, extend] of [LOW, HIGH].entries()) {
        const sum = i16x8.add(i16x8.mul(extend(a), i16x8.const(3)), extend(b));
        f.store('v128.store', i32.add(out, i32.shl(at, 1)), sum, BYTES * i);
      }
    });
  });
}

/** `widen`: bytes in 16 bits. */
function emitWiden(module: ModuleBuilder): void {
  module.func('widen', typed('i32', 'x', 'out', 'count'), (f, { x, out, count }) => {
    const at = f.local('i32');
    f.for(at, 0, count, BYTES, () => {
      const a = keep(f, v128.load(i32.add(x, at)));
      for (const [i, extend] of [LOW, HIGH].entries()) {
        f.store('v128.store', i32.add(out, i32.shl(at, 1)), extend(a), BYTES * i);
      }
    });
  });
}

/**
 * `spread`: of each of `count` sums of 16 bits two bytes, (3x + the one before + roundLeft) >> shift and (3x + the one after +
 * roundRight) >> shift. The first sum comes before itself, the last after itself: they are repeated in memory.
 */
function emitSpread(module: ModuleBuilder): void {
  const params = typed('i32', 'sums', 'out', 'count', 'roundLeft', 'roundRight', 'shift');
  module.func('spread', params, (f, { sums, out, count, roundLeft, roundRight, shift }) => {
    const at = f.local('i32');
    const left = keep(f, i16x8.splat(roundLeft));
    const right = keep(f, i16x8.splat(roundRight));
    f.store('i32.store16', i32.sub(sums, 2), i32.load16S(sums));
    f.set(at, i32.add(sums, i32.shl(count, 1)));
    f.store('i32.store16', at, i32.load16S(i32.sub(at, 2)));
    f.for(at, 0, i32.shl(count, 1), BYTES, () => {
      const here = i32.add(sums, at);
      const x3 = keep(f, i16x8.mul(v128.load(here), i16x8.const(3)));
      const before = i16x8.add(v128.load(i32.sub(here, 2)), left);
      const after = i16x8.add(v128.load(here, 2), right);
      const even = i16x8.shr_u(i16x8.add(x3, before), shift);
      const odd = i16x8.shr_u(i16x8.add(x3, after), shift);
      f.store('v128.store', i32.add(out, at), v128.or(even, i16x8.shl(odd, 8)));
    });
  });
}

/** `blend`: (3 · near + far + round) >> 2, the whole of h1v2. */
function emitBlend(module: ModuleBuilder): void {
  const params = typed('i32', 'near', 'far', 'out', 'count', 'round');
  module.func('blend', params, (f, { near, far, out, count, round }) => {
    const at = f.local('i32');
    const half = keep(f, i16x8.splat(round));
    f.for(at, 0, count, BYTES, () => {
      const a = keep(f, v128.load(i32.add(near, at)));
      const b = keep(f, v128.load(i32.add(far, at)));
      const [low, high] = [LOW, HIGH].map((extend): Vector => {
        const sum = i16x8.add(i16x8.mul(extend(a), i16x8.const(3)), extend(b));
        return i16x8.shr_u(i16x8.add(sum, half), 2);
      });
      f.store('v128.store', i32.add(out, at), i8x16.narrow_i16x8_u(low, high));
    });
  });
}

/** `repeat2`, `repeat3`, `repeat4`: each byte so many times. */
function emitRepeat(module: ModuleBuilder, times: number): void {
  module.func(`repeat${times}`, typed('i32', 'x', 'out', 'count'), (f, { x, out, count }) => {
    const at = f.local('i32');
    f.for(at, 0, count, BYTES, () => {
      const a = keep(f, v128.load(i32.add(x, at)));
      for (let part = 0; part < times; part++) {
        const pick = Array.from({ length: BYTES }, (_, i) => Math.floor((part * BYTES + i) / times));
        f.store('v128.store', i32.add(out, i32.mul(at, times)), i8x16.shuffle(pick, a, a), BYTES * part);
      }
    });
  });
}
