/**
 * Rows of components to rows of pixels: libjpeg's conversions (jdcolor.c) and Pillow's of inks, in whole vectors. 16 pixels
 * are 48 bytes, so rows of pixels need room after their end.
 */
import {
  type FunctionBuilder,
  i8x16,
  i16x8,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  typed,
  v128,
} from '../../../tensor/wasm/assembler.js';
import { BYTES, dot, interleave, keep, union, type Vector } from './vectors.js';

export function emitColors(module: ModuleBuilder): void {
  const params = typed('i32', 'a', 'b', 'c', 'out', 'count');
  const each = (name: string, convert: (f: FunctionBuilder, a: Vector, b: Vector, c: Vector) => Vector[]) =>
    module.func(name, params, (f, { a, b, c, out, count }) => {
      const at = f.local('i32');
      f.for(at, 0, count, BYTES, () => {
        const planes = [a, b, c].map((plane) => keep(f, v128.load(i32.add(plane, at))));
        storePixels(f, convert(f, planes[0], planes[1], planes[2]), out);
        f.increase(out, 3 * BYTES);
      });
    });
  each('yccToRgb', rgbOfYcc);
  each('interleave3', (_f, a, b, c) => [a, b, c]);
  emitInks(module);
}

/** The fractions of 1.402 and 1.772 beside whole numbers, and what libjpeg takes for 0.34414 and 0.71414, of 15 bits. */
const CR_IN_RED = 13173;
const CB_IN_BLUE = 25297;
const CB_IN_GREEN = -11277;
const CR_IN_GREEN = -23401;

/** R = Y + 1.402 Cr, G = Y − 0.34414 Cb − 0.71414 Cr, B = Y + 1.772 Cb, each product or sum of products rounded once. */
function rgbOfYcc(f: FunctionBuilder, y: Vector, cbBytes: Vector, crBytes: Vector): Vector[] {
  const [cbSigned, crSigned] = [cbBytes, crBytes].map((bytes) => keep(f, v128.xor(bytes, i8x16.const(-128))));
  const halves = (['low', 'high'] as const).map((half) => {
    const unsigned = half === 'low' ? i16x8.extend_low_i8x16_u : i16x8.extend_high_i8x16_u;
    const signed = half === 'low' ? i16x8.extend_low_i8x16_s : i16x8.extend_high_i8x16_s;
    const luma = keep(f, unsigned(y));
    const cb = keep(f, signed(cbSigned));
    const cr = keep(f, signed(crSigned));
    const red = i16x8.add(i16x8.q15mulr_sat_s(cr, i16x8.const(CR_IN_RED)), cr);
    const blue = i16x8.add(i16x8.q15mulr_sat_s(cb, i16x8.const(CB_IN_BLUE)), cb);
    const [low, high] = (['low', 'high'] as const).map((quarter) => {
      const sum = dot(interleave(2, quarter, cb, cr), CB_IN_GREEN, CR_IN_GREEN);
      return i32x4.shr_s(i32x4.add(sum, i32x4.splat(1 << 14)), 15);
    });
    const green = i16x8.narrow_i32x4_s(low, high);
    return [red, green, blue].map((difference) => keep(f, i16x8.add(luma, difference)));
  });
  return [0, 1, 2].map((i) => keep(f, i8x16.narrow_i16x8_u(halves[0][i], halves[1][i])));
}

/** Three vectors of 16 to 48 bytes, one of each in turn. */
function storePixels(f: FunctionBuilder, planes: readonly Vector[], out: Local<'i32'>): void {
  for (let part = 0; part < 3; part++) {
    const chosen = planes.map((plane, channel) => {
      const pick = Array.from({ length: BYTES }, (_, i) => {
        const byte = part * BYTES + i;
        return byte % 3 === channel ? Math.floor(byte / 3) : -1;
      });
      return i8x16.swizzle(plane, i8x16.const(...pick));
    });
    f.store('v128.store', out, union(chosen), BYTES * part);
  }
}

/**
 * `inks`: k − k·(x ⊕ flip)/255 of three bytes a pixel, in place: what Pillow makes of CMYK whose inks are stored inverted
 * (`cmyk2rgb` in Convert.c). x is the ink of CMYK, with flip 255, or red, green, blue of YCCK, with flip 0.
 */
function emitInks(module: ModuleBuilder): void {
  module.func('inks', typed('i32', 'pixels', 'black', 'count', 'flip'), (f, { pixels, black, count, flip }) => {
    const at = f.local('i32');
    const flips = keep(f, i8x16.splat(flip));
    f.for(at, 0, count, BYTES, () => {
      const k = keep(f, v128.load(i32.add(black, at)));
      for (let part = 0; part < 3; part++) {
        const pick = Array.from({ length: BYTES }, (_, i) => Math.floor((part * BYTES + i) / 3));
        const blacks = keep(f, i8x16.shuffle(pick, k, k));
        const x = keep(f, v128.xor(v128.load(pixels, BYTES * part), flips));
        const [low, high] = [i16x8.extend_low_i8x16_u, i16x8.extend_high_i8x16_u].map((extend) => {
          const wide = keep(f, extend(blacks));
          const product = keep(f, i16x8.add(i16x8.mul(extend(x), wide), i16x8.const(128)));
          return i16x8.sub(wide, i16x8.shr_u(i16x8.add(i16x8.shr_u(product, 8), product), 8));
        });
        f.store('v128.store', pixels, i8x16.narrow_i16x8_u(low, high), BYTES * part);
      }
      f.increase(pixels, 3 * BYTES);
    });
  });
}
