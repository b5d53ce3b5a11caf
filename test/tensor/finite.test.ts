import fc from 'fast-check';
import { expect, it } from 'vitest';
import { firstNonFinite } from '../../src/tensor/finite.js';

it('finds the first number that is not finite, whatever its bits', () => {
  const special = fc.constantFrom(
    0x7f800000,
    0xff800000,
    0x7fc00000,
    0xffc00000,
    0x7f800001,
    0xffffffff,
    0x7f7fffff,
    1,
    0,
  );
  const bits = fc.oneof({ arbitrary: fc.nat(0xffffffff), weight: 9 }, { arbitrary: special, weight: 1 });
  fc.assert(
    fc.property(fc.array(bits, { maxLength: 40 }), fc.nat(3), (values, skipped) => {
      const data = new Float32Array(Uint32Array.from(values).buffer).subarray(skipped);
      expect(firstNonFinite(data)).toBe(data.findIndex((value) => !Number.isFinite(value)));
    }),
    { numRuns: 2000 },
  );
});
