/**
 * The most multiply-adds that this machine makes in SIMD on one thread: what the kernels' speed is a share of. A loop of
 * nothing but f32x4 multiplications and additions, as many chains of them at once as the processor can overlap; which
 * number that is differs, so there are several loops, and the fastest counts. Where relaxed SIMD is taken, the same loops
 * once more with it: a processor that multiplies and adds in one instruction may make twice as many.
 *
 * Whole numbers have another roof: `i32x4.dot_i16x8_s` multiplies eight, and an addition follows it.
 */
import { type Expr, i32x4, type Local, ModuleBuilder, v128 } from './assembler.js';

/** What is multiplied: float32, or whole numbers of 16 bits whose sums have 32. */
export type PeakType = 'f32' | 'i16';

/** 16 spills on x86-64, and is what 32 registers and four units want. */
const CHAINS = [8, 10, 12, 16];
/** Numbers in a vector. */
const LANES = { f32: 4, i16: 8 };
/** Of one call, a quarter of a millisecond: short enough to meet a moment in which nobody else computes. */
const MULTIPLY_ADDS = 8e6;
/** V8 compiles a loop anew once it has been busy. */
const WARM_CALLS = 60;

export interface PeakLoop {
  readonly multiplyAdds: number;
  readonly run: () => void;
}

/** The module's bytes: a function `chains8`, `chains10`, … of a number of rounds each. */
function emitPeak(type: PeakType, relaxed: boolean): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initial: 1 }, { relaxed });
  for (const chains of CHAINS) {
    module.func(`chains${chains}`, { rounds: 'i32' }, (f, { rounds }) => {
      const sums = f.locals('v128', chains);
      const [factor, term] = f.locals('v128', 2);
      // From memory, so that the compiler cannot know them. Floats are 0.5, and every chain stays between 0 and 1.
      f.set(factor, v128.load(0));
      f.set(term, v128.load(0));
      // Of whole numbers a sum is what is multiplied next, too: products of equal vectors would be computed once.
      const step = (sum: Local<'v128'>): Expr<'v128'> =>
        type === 'f32' ? f.mulAdd(term, sum, factor) : i32x4.add(term, i32x4.dot_i16x8_s(sum, factor));
      const counter = f.local('i32');
      f.for(counter, 0, rounds, 1, () => {
        for (const sum of sums) f.set(sum, step(sum));
      });
      for (const [i, sum] of sums.entries()) f.store('v128.store', 0, sum, 16 + 16 * i);
    });
  }
  return module.encode();
}

/** The loops, warm, to be timed in turn with what is measured against them. Throws where WebAssembly is refused. */
export function peakLoops(type: PeakType = 'f32'): PeakLoop[] {
  const memory = new WebAssembly.Memory({ initial: 1 });
  new Float32Array(memory.buffer, 0, 4).fill(0.5);
  const forms = type === 'f32' ? [false, true] : [false];
  const modules = forms.map((relaxed) => emitPeak(type, relaxed)).filter((bytes) => WebAssembly.validate(bytes));
  return modules.flatMap((bytes) => {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    return CHAINS.map((chains) => {
      const loop = exports[`chains${chains}`] as (rounds: number) => void;
      const rounds = Math.round(MULTIPLY_ADDS / (chains * LANES[type]));
      const run = () => loop(rounds);
      for (let i = 0; i < WARM_CALLS; i++) run();
      return { multiplyAdds: rounds * chains * LANES[type], run };
    });
  });
}
