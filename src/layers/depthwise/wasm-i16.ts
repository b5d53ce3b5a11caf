/**
 * 3×3 depthwise convolution of whole numbers in SIMD, four channels at a time (strips.ts). One instruction multiplies eight
 * numbers of 16 bits and adds the products in pairs, so the pixels of the upper two rows are interleaved, and the third is
 * paired with nothing: six vectors of weights, two products for a column of three.
 *
 * 28×28×192 runs at 15.7 GMAC/s, where float32 does 13.8 (`npm run bench -- --layers 1.0-224-int8`): a window takes 33
 * instructions, of which the rounding is seven. To pair the third row's columns instead, which spares two, gained 2 %, and was
 * not worth the longer code.
 */
import {
  type FunctionBuilder,
  f32x4,
  i16x8,
  i32,
  i32x4,
  type ModuleBuilder,
  type Parameters,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { callOf } from '../kernel.js';
import type { I16WasmKernel } from '../kernel-i16.js';
import type { DepthwiseI16Spec } from '../spec.js';
import { BOUNDS, enterRounding, interleaveLow, round } from '../wasm-i16.js';
import { type Elements, emitStrips, groups, inStrips, LANES, STRIP_PARAMS, stripSizes } from './strips.js';

const BYTES = Int16Array.BYTES_PER_ELEMENT;

const PARAMS = { ...STRIP_PARAMS, ...typed('i32', 'multiplier'), ...BOUNDS };

export const depthwiseI16Wasm: I16WasmKernel<DepthwiseI16Spec> = {
  op: 'depthwise3x3',
  engine: 'wasm',
  supports: inStrips,

  /** [C,1,3,3] → [groups of channels][column][rows 0 and 1, row 2 and nothing][4][2] */
  pack({ channels: C }, weights) {
    const packed = new Int16Array(Math.ceil(C / LANES) * 3 * 4 * LANES);
    let to = 0;
    for (const group of groups(C)) {
      for (let s = 0; s < 3; s++) {
        for (const r of [0, 2]) {
          for (let lane = 0; lane < LANES; lane++) {
            packed[to++] = weights[((group + lane) * 3 + r) * 3 + s];
            packed[to++] = r === 0 ? weights[((group + lane) * 3 + 1) * 3 + s] : 0;
          }
        }
      }
    }
    return packed;
  },

  calls(spec, at) {
    const { batch, inHeight: H, inWidth: W, channels: C, outHeight: OH, outWidth: OW, stride, lo, hi } = spec;
    const sizes = { ...stripSizes(spec, BYTES, at.zeros), lo, hi, multiplier: at.multiplier };
    return Array.from({ length: batch }, (_, n) => {
      const image = { x: at.x + BYTES * n * H * W * C, y: at.y + BYTES * n * OH * OW * C };
      const args = { ...sizes, ...image, w: at.weights, bias: at.bias };
      return callOf(`depthwise3x3_s${stride}_i16`, PARAMS, args, { splitBy: 'rowFrom', grain: 1 });
    });
  },

  emit(module: ModuleBuilder) {
    for (const stride of [1, 2] as const) {
      module.func(`depthwise3x3_s${stride}_i16`, PARAMS, (f, p) => emitStrips(f, p, stride, int16(f, p)));
    }
  },
};

function int16(f: FunctionBuilder, p: Parameters<typeof PARAMS>): Elements {
  const rounding = enterRounding(f, p);
  const [factors, rounded] = f.locals('v128', 2);
  return {
    shift: 1,
    weightVectors: 6,
    load: ([top, middle, bottom]) => [
      interleaveLow(v128.load64Zero(top), v128.load64Zero(middle)),
      v128.load16x4s(bottom),
    ],
    add: (sum, [upper, lower], weights, s) => {
      const upperTwo = i32x4.add(sum, i32x4.dot_i16x8_s(upper, weights[2 * s]));
      return i32x4.add(upperTwo, i32x4.dot_i16x8_s(lower, weights[2 * s + 1]));
    },
    enter: (offset) => f.set(factors, v128.load(i32.add(p.multiplier, offset))),
    store: (address, sum) => {
      f.set(rounded, round(f32x4.mul(f32x4.convert_i32x4_s(sum), factors), rounding));
      const words = i16x8.min_s(i16x8.narrow_i32x4_s(rounded, rounded), rounding.high);
      f.storeLane('v128.store64_lane', 0, address, words);
    },
  };
}
