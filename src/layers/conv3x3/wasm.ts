/**
 * The first convolution in SIMD: reads the picture as it comes, one plane a channel, and writes pixels with their
 * channels side by side. A tile is 2 pixels by 16 output channels, as in the matrix product; its innermost loop walks
 * over the input channels with the nine taps unrolled.
 */
import {
  type FunctionBuilder,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { callOf, scaled, type WasmKernel } from '../kernel.js';
import { type Conv3x3Spec, clampBounds } from '../spec.js';
import { clamp, storeLanes } from '../wasm-vectors.js';

const PANEL = 16;

const PARAMS = {
  ...typed('i32', 'x', 'w', 'bias', 'y'), // one image
  ...typed('i32', 'H', 'W', 'C', 'OW', 'K'),
  ...typed('i32', 'padTop', 'padLeft', 'zeros'),
  ...typed('f32', 'lo', 'hi'), // bounds of the activation
  ...typed('i32', 'rowFrom', 'rowTo'), // of the output
};

export const conv3x3Wasm: WasmKernel<Conv3x3Spec> = {
  op: 'conv3x3',
  engine: 'wasm',
  supports: () => true,

  /** [K,C,3,3] → panels [C][3][3][16] of 16 output channels, zeros after the last. */
  pack({ inChannels: C, outChannels: K }, unscaled, scale = null) {
    const weights = scaled(unscaled, scale);
    const packed = new Float32Array(Math.ceil(K / PANEL) * C * 9 * PANEL);
    for (let k = 0; k < K; k++) {
      const panel = Math.floor(k / PANEL) * C * 9 * PANEL + (k % PANEL);
      for (let i = 0; i < C * 9; i++) packed[panel + i * PANEL] = weights[k * C * 9 + i];
    }
    return packed;
  },

  calls(spec, at) {
    const { batch, inHeight: H, inWidth: W, inChannels: C, outHeight: OH, outWidth: OW, outChannels: K } = spec;
    const { padTop, padLeft, activation } = spec;
    const sizes = { H, W, C, OW, K, padTop, padLeft };
    return Array.from({ length: batch }, (_, n) => {
      const image = { x: at.x + 4 * n * C * H * W, w: at.weights, bias: at.bias, y: at.y + 4 * n * OH * OW * K };
      const args = { ...image, ...sizes, zeros: at.zeros, ...clampBounds(activation), rowFrom: 0, rowTo: OH };
      return callOf(`conv3x3_s${spec.stride}`, PARAMS, args, { splitBy: 'rowFrom', grain: 1 });
    });
  },

  emit(module: ModuleBuilder) {
    for (const stride of [1, 2]) {
      module.func(
        `conv3x3_s${stride}`,
        PARAMS,
        (f, { x, w, bias, y, H, W, C, OW, K, padTop, padLeft, zeros, lo, hi, rowFrom, rowTo }) => {
          const rowBytes = f.local('i32');
          const planeBytes = f.local('i32');
          const low = f.local('v128');
          const high = f.local('v128');
          f.set(rowBytes, i32.shl(W, 2));
          f.set(planeBytes, i32.mul(rowBytes, H));
          f.set(low, f32x4.splat(lo));
          f.set(high, f32x4.splat(hi));
          const row = f.local('i32');
          const column = f.local('i32');
          const top = f.local('i32');
          const left = f.local('i32');
          const rows = f.locals('i32', 3);
          const planes = f.locals('i32', 3);
          const context = { f, w, bias, y, W, C, OW, K, rows, planes, low, high, row, column, left, stride };
          f.for(row, rowFrom, rowTo, 1, () => {
            f.set(top, i32.sub(i32.mul(row, stride), padTop));
            // The rows of taps, and the way to the same row of the next plane. A row outside the picture is one of zeros.
            for (let r = 0; r < 3; r++) {
              f.set(rows[r], zeros);
              f.set(planes[r], 0);
              f.if(i32.lt_u(i32.add(top, r), H), () => {
                f.set(rows[r], i32.add(x, i32.mul(i32.add(top, r), rowBytes)));
                f.set(planes[r], planeBytes);
              });
            }
            f.set(column, 0);
            f.while(
              () => i32.lt_s(column, OW),
              () => {
                f.set(left, i32.sub(i32.mul(column, stride), padLeft));
                // Two pixels at once where there are two and no tap of theirs is outside to the left or right.
                const inside = i32.and(i32.ge_s(left, 0), i32.le_s(i32.add(left, stride + 3), W));
                f.if(
                  i32.and(inside, i32.lt_s(i32.add(column, 1), OW)),
                  () => {
                    tile(context, 2, false);
                    f.increase(column, 2);
                  },
                  () => {
                    tile(context, 1, true);
                    f.increase(column, 1);
                  },
                );
              },
            );
          });
        },
      );
    }
  },
};

interface Context {
  f: FunctionBuilder;
  w: Local<'i32'>;
  bias: Local<'i32'>;
  y: Local<'i32'>;
  W: Local<'i32'>;
  C: Local<'i32'>;
  OW: Local<'i32'>;
  K: Local<'i32'>;
  /** Column 0 of the three rows of taps in the first plane, and bytes to the next plane. */
  rows: Local<'i32'>[];
  planes: Local<'i32'>[];
  low: Local<'v128'>;
  high: Local<'v128'>;
  row: Local<'i32'>;
  column: Local<'i32'>;
  /** Input column of the first tap. */
  left: Local<'i32'>;
  stride: number;
}

/** All output channels of `pixels` neighbours; with `border` every tap asks whether its column exists. */
function tile(context: Context, pixels: number, border: boolean): void {
  const { f, w, bias, y, W, C, OW, K, rows, planes, low, high, row, column, left, stride } = context;
  const vectors = PANEL / 4;
  const sums = Array.from({ length: pixels }, () => f.locals('v128', vectors));
  const weights = f.locals('v128', vectors);
  const value = f.local('v128');
  const [k, weightAt, end, biasAt, to, remaining] = f.locals('i32', 6);
  const taps = f.locals('i32', 3);

  f.set(weightAt, w);
  f.for(k, 0, K, PANEL, () => {
    f.set(biasAt, i32.add(bias, i32.shl(k, 2)));
    for (let v = 0; v < vectors; v++) for (let p = 0; p < pixels; p++) f.set(sums[p][v], v128.load(biasAt, 16 * v));
    for (let r = 0; r < 3; r++) {
      f.set(taps[r], rows[r]);
      f.if(planes[r], () => f.increase(taps[r], i32.shl(left, 2)));
    }
    f.set(end, i32.add(weightAt, i32.mul(C, 4 * PANEL * 9)));
    f.block((done) =>
      f.loop((again) => {
        for (let r = 0; r < 3; r++) {
          for (let s = 0; s < 3; s++) {
            const multiply = () => {
              for (let v = 0; v < vectors; v++) f.set(weights[v], v128.load(weightAt, 16 * v));
              for (let p = 0; p < pixels; p++) {
                f.set(value, v128.load32Splat(taps[r], 4 * (s + p * stride)));
                for (let v = 0; v < vectors; v++) f.set(sums[p][v], f.mulAdd(sums[p][v], value, weights[v]));
              }
            };
            if (border) f.if(i32.lt_u(i32.add(left, s), W), multiply);
            else multiply();
            if (s === 2) f.increase(taps[r], planes[r]);
            f.increase(weightAt, 4 * PANEL);
            // True after the last tap alone. After each it keeps V8 from gathering the loads of all nine at the top,
            // more than registers can hold: 13.6 GMAC/s without, 28 with it.
            f.branchIf(done, i32.eq(weightAt, end));
          }
        }
        f.branch(again);
      }),
    );
    f.set(to, i32.add(y, i32.shl(i32.add(i32.mul(i32.add(i32.mul(row, OW), column), K), k), 2)));
    f.set(remaining, i32.sub(K, k));
    for (let p = 0; p < pixels; p++) {
      const clamped = sums[p].map((sum) => clamp(sum, low, high));
      storeLanes(f, to, clamped, remaining);
      if (p + 1 < pixels) f.increase(to, i32.shl(K, 2));
    }
  });
}
