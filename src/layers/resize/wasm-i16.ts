/** Bilinear resize of whole numbers, four channels at a time: the steps of plain-i16.ts, each rounded to float32. */
import {
  type Expr,
  type FunctionBuilder,
  f32,
  f32x4,
  f64,
  i16x8,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  type Operand,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { callOf } from '../kernel.js';
import type { I16WasmKernel } from '../kernel-i16.js';
import { MAGIC } from '../requantize.js';
import type { ResizeI16Spec } from '../spec.js';
import { MAGIC_BITS } from '../wasm-i16.js';
import { vectorAt } from '../wasm-vectors.js';
import { resizeStep } from './plain.js';

const LANES = 4;
const BYTES = Int16Array.BYTES_PER_ELEMENT;

const PARAMS = {
  ...typed('i32', 'x', 'y'), // one image
  ...typed('i32', 'H', 'W', 'C', 'OW'),
  ...typed('i32', 'min'),
  ...typed('f64', 'stepH', 'stepW', 'center'), // input pixels of an output pixel; where in a pixel its center is
  ...typed('i32', 'rowFrom', 'rowTo'), // of the output
};

export const resizeI16Wasm: I16WasmKernel<ResizeI16Spec> = {
  op: 'resize_bilinear',
  engine: 'wasm',
  supports: ({ channels }) => channels >= LANES,
  pack: (_spec, weights) => weights,

  calls({ batch, inHeight: H, inWidth: W, channels: C, outHeight: OH, outWidth: OW, alignCorners, min }, at) {
    const stepH = resizeStep(H, OH, alignCorners);
    const stepW = resizeStep(W, OW, alignCorners);
    const center = alignCorners ? 0 : 0.5;
    return Array.from({ length: batch }, (_, n) => {
      const image = { x: at.x + BYTES * n * H * W * C, y: at.y + BYTES * n * OH * OW * C };
      const args = { ...image, H, W, C, OW, min, stepH, stepW, center, rowFrom: 0, rowTo: OH };
      return callOf('resize_bilinear_i16', PARAMS, args, { splitBy: 'rowFrom', grain: 1 });
    });
  },

  emit(module: ModuleBuilder) {
    module.func('resize_bilinear_i16', PARAMS, (f, p) => {
      const [pixelBytes, rowBytes, row, column, channel, to, lane] = f.locals('i32', 7);
      f.set(pixelBytes, i32.shl(p.C, 1));
      f.set(rowBytes, i32.mul(p.W, pixelBytes));
      const down = neighbors(f, p.H, p.stepH, p.center);
      const across = neighbors(f, p.W, p.stepW, p.center);
      const [sum, half, least, magic, magicBits] = f.locals('v128', 5);
      f.set(half, f32x4.splat(0.5));
      f.set(least, i32x4.splat(p.min));
      f.set(magic, f32x4.splat(MAGIC));
      f.set(magicBits, i32x4.splat(i32.sub(MAGIC_BITS, p.min)));
      const corner = (r: Local<'i32'>, s: Local<'i32'>): Expr<'v128'> => {
        const at = i32.add(i32.add(r, s), lane);
        return f32x4.convert_i32x4_s(i32x4.sub(v128.load16x4s(at), least));
      };
      const part = (r: 'before' | 'after', s: 'before' | 'after'): Expr<'v128'> =>
        f32x4.mul(f32x4.mul(corner(down[r], across[s]), down.share[r]), across.share[s]);

      f.set(to, i32.add(p.y, i32.mul(p.rowFrom, i32.mul(p.OW, pixelBytes))));
      f.for(row, p.rowFrom, p.rowTo, 1, () => {
        down.find(row);
        for (const at of [down.before, down.after]) f.set(at, i32.add(p.x, i32.mul(at, rowBytes)));
        f.for(column, 0, p.OW, 1, () => {
          across.find(column);
          for (const at of [across.before, across.after]) f.set(at, i32.mul(at, pixelBytes));
          f.for(channel, 0, p.C, LANES, () => {
            vectorAt(f, lane, channel, p.C, 1);
            f.set(sum, f32x4.add(part('before', 'before'), part('after', 'before')));
            f.set(sum, f32x4.add(sum, part('before', 'after')));
            f.set(sum, f32x4.add(sum, part('after', 'after')));
            f.set(sum, f32x4.add(f32x4.floor(f32x4.add(sum, half)), magic));
            f.set(sum, i32x4.sub(sum, magicBits));
            f.storeLane('v128.store64_lane', 0, i32.add(to, lane), i16x8.narrow_i32x4_s(sum, sum));
          });
          f.increase(to, pixelBytes);
        });
      });
    });
  },
};

/** The two input pixels around an output pixel along an axis of `size`, and what each counts. See plain-i16.ts. */
function neighbors(f: FunctionBuilder, size: Local<'i32'>, step: Local<'f64'>, center: Local<'f64'>) {
  const [before, after] = f.locals('i32', 2);
  const at = f.local('f64');
  const [nearness, distance] = f.locals('v128', 2);
  // Of float32 numbers, what float64 computes and then rounds is what float32 computes.
  const rounded = (value: Expr<'f64'>) => f64.promote_f32(f32.demote_f64(value));
  return {
    before,
    after,
    share: { before: nearness, after: distance },
    find(o: Local<'i32'>): void {
      f.set(at, rounded(f64.mul(step, f64.add(f64.convert_i32_s(o), center))));
      f.set(at, rounded(f64.sub(at, center)));
      const last = (local: Local<'i32'>, value: Operand<'i32'>) => {
        f.set(local, value);
        f.if(i32.ge_s(local, size), () => f.set(local, i32.sub(size, 1)));
      };
      last(before, i32.trunc_f64_s(f64.max(0, at)));
      // The one after, and before the first pixel that itself; on a pixel it counts nothing, whichever it is.
      last(after, i32.trunc_f64_s(f64.add(at, 1)));
      f.set(at, rounded(f64.sub(at, f64.convert_i32_s(before))));
      f.set(distance, f32x4.splat(f32.demote_f64(at)));
      f.set(nearness, f32x4.splat(f32.demote_f64(f64.sub(1, at))));
    },
  };
}
