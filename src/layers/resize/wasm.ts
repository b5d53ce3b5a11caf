/**
 * Bilinear resize, four channels at a time, in float64 and rounded once: the results are those of the js engine.
 */
import {
  type Expr,
  type FunctionBuilder,
  f32,
  f32x4,
  f64,
  f64x2,
  i32,
  type Local,
  type ModuleBuilder,
  type Operand,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../kernel.js';
import type { ResizeSpec } from '../spec.js';
import { vectorAt } from '../wasm-vectors.js';
import { resizeStep } from './plain.js';

const LANES = 4;

const PARAMS = {
  ...typed('i32', 'x', 'y'), // one image
  ...typed('i32', 'H', 'W', 'C', 'OW'),
  ...typed('f64', 'stepH', 'stepW', 'centre'), // input pixels of an output pixel; where in a pixel its centre is
  ...typed('i32', 'rowFrom', 'rowTo'), // of the output
};

export const resizeWasm: WasmKernel<ResizeSpec> = {
  op: 'resize_bilinear',
  engine: 'wasm',
  supports: ({ channels }) => channels >= LANES,
  pack: (_spec, weights) => weights,

  calls({ batch, inHeight: H, inWidth: W, channels: C, outHeight: OH, outWidth: OW, alignCorners }, at) {
    const stepH = resizeStep(H, OH, alignCorners);
    const stepW = resizeStep(W, OW, alignCorners);
    const centre = alignCorners ? 0 : 0.5;
    return Array.from({ length: batch }, (_, n) => {
      const image = { x: at.x + 4 * n * H * W * C, y: at.y + 4 * n * OH * OW * C };
      const args = { ...image, H, W, C, OW, stepH, stepW, centre, rowFrom: 0, rowTo: OH };
      return callOf('resize_bilinear', PARAMS, args, { splitBy: 'rowFrom', grain: 1 });
    });
  },

  emit(module: ModuleBuilder) {
    module.func('resize_bilinear', PARAMS, (f, { x, y, H, W, C, OW, stepH, stepW, centre, rowFrom, rowTo }) => {
      const pixelBytes = f.local('i32');
      const rowBytes = f.local('i32');
      f.set(pixelBytes, i32.shl(C, 2));
      f.set(rowBytes, i32.mul(W, pixelBytes));
      const [row, column, channel, to, lane] = f.locals('i32', 5);
      const down = neighbours(f, H);
      const across = neighbours(f, W);
      const corner = (r: Local<'i32'>, s: Local<'i32'>) => v128.load(i32.add(i32.add(r, i32.mul(s, pixelBytes)), lane));
      const corners = f.locals('v128', 4);

      f.set(to, i32.add(y, i32.mul(rowFrom, i32.mul(OW, pixelBytes))));
      f.for(row, rowFrom, rowTo, 1, () => {
        down.find(row, stepH, centre);
        for (const at of [down.before, down.after]) f.set(at, i32.add(x, i32.mul(at, rowBytes)));
        f.for(column, 0, OW, 1, () => {
          across.find(column, stepW, centre);
          f.for(channel, 0, C, LANES, () => {
            vectorAt(f, lane, channel, C);
            let next = 0;
            for (const r of [down.before, down.after]) {
              for (const s of [across.before, across.after]) f.set(corners[next++], corner(r, s));
            }
            const half = (lanes: [number, number, number, number]) => {
              const [topLeft, topRight, bottomLeft, bottomRight] = corners.map((four) =>
                f64x2.promote_low_f32x4(v128.shuffle(lanes, four, four)),
              );
              return f32x4.demote_f64x2_zero(
                down.mix(across.mix(topLeft, topRight), across.mix(bottomLeft, bottomRight)),
              );
            };
            const four = v128.shuffle([0, 1, 4, 5], half([0, 1, 2, 3]), half([2, 3, 2, 3]));
            f.store('v128.store', i32.add(to, lane), four);
          });
          f.increase(to, pixelBytes);
        });
      });
    });
  },
};

/** The two input pixels around an output pixel along an axis of `size`, and how to mix them. See plain.ts. */
function neighbours(f: FunctionBuilder, size: Local<'i32'>) {
  const [before, after] = f.locals('i32', 2);
  const at = f.local('f64');
  const [nearness, distance] = f.locals('v128', 2);
  const rounded = (value: Expr<'f64'>) => f64.promote_f32(f32.demote_f64(value));
  return {
    before,
    after,
    find(o: Local<'i32'>, step: Local<'f64'>, centre: Local<'f64'>): void {
      const exact = f64.sub(f64.mul(step, f64.add(f64.convert_i32_s(o), centre)), centre);
      f.set(at, f64.max(0, rounded(exact)));
      const last = (local: Local<'i32'>, value: Operand<'i32'>) => {
        f.set(local, value);
        f.if(i32.ge_s(local, size), () => f.set(local, i32.sub(size, 1)));
      };
      last(before, i32.trunc_f64_s(at));
      last(after, i32.add(before, 1));
      f.set(at, rounded(f64.sub(at, f64.convert_i32_s(before))));
      f.set(distance, f64x2.splat(at));
      f.set(nearness, f64x2.splat(f64.sub(1, at)));
    },
    mix(first: Expr<'v128'>, second: Expr<'v128'>): Expr<'v128'> {
      return f64x2.add(f64x2.mul(first, nearness), f64x2.mul(second, distance));
    },
  };
}
