/**
 * The peak that shares are measured against: a loop of nothing but f32x4 multiplications and additions, as many chains
 * of them at once as the processor can overlap. Written with our own assembler.
 */
export const CHAINS = [8, 10, 12];
/** Multiply-adds of one call with so many iterations. */
export const LANES = 4;

/** @param assembler our module tensor/wasm/assembler.js */
export function writePeak({ f32x4, ModuleBuilder, v128 }) {
  const module = new ModuleBuilder({ initial: 1 });
  for (const chains of CHAINS) {
    module.func(`chains${chains}`, ['i32'], (f, iterations) => {
      const sums = f.locals('v128', chains);
      const [factor, term] = f.locals('v128', 2);
      // From memory, so that the compiler cannot know them; both are 0.5, and every chain stays between 0 and 1.
      f.set(factor, v128.load(0));
      f.set(term, v128.load(0));
      const counter = f.local('i32');
      f.for(counter, 0, iterations, 1, () => {
        for (const sum of sums) f.set(sum, f32x4.add(f32x4.mul(sum, factor), term));
      });
      for (const [i, sum] of sums.entries()) f.store('v128.store', 0, sum, 16 + 16 * i);
    });
  }
  return module.encode();
}
