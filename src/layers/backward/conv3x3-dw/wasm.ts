/**
 * Gradient of the first convolution's weights in SIMD. A register tile is 5, 4 or 3 of the nine taps of an input channel by 8
 * output channels; it walks along the rows of a band of dY, which lie side by side there, with one float of the picture for each tap.
 * Then the band's sums are added to y.
 */
import {
  type FunctionBuilder,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  type Parameters,
  typed,
  v128,
} from '../../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import type { Conv3x3DwSpec } from '../spec.js';

/** Output channels of a tile. */
const COLUMNS = 8;
/** Taps of the tiles that make nine: with fused multiply-adds there is a register more. */
const PLAIN_TAPS = [
  [0, 1, 2],
  [3, 4, 5],
  [6, 7, 8],
];
const RELAXED_TAPS = [
  [0, 1, 2, 3, 4],
  [5, 6, 7, 8],
];
/** Bytes of dY in a band, which stay in the first-level cache while all tiles go over them. */
const BAND_BYTES = 16 * 1024;

const PARAMS = {
  ...typed('i32', 'x', 'dy', 'y'), // one image
  ...typed('i32', 'H', 'W', 'C', 'OH', 'OW', 'K'),
  ...typed('i32', 'padTop', 'padLeft', 'zeros', 'band'), // band: output rows in one
  ...typed('i32', 'kFrom', 'kTo'), // output channels; multiples of a tile's, or K
};

export const conv3x3DwWasm: WasmKernel<Conv3x3DwSpec> = {
  op: 'conv3x3_dw',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls(spec, at) {
    const { batch, inHeight: H, inWidth: W, inChannels: C, outHeight: OH, outWidth: OW, outChannels: K } = spec;
    const band = Math.max(1, Math.floor(BAND_BYTES / (4 * OW * K)));
    const sizes = { H, W, C, OH, OW, K, padTop: spec.padTop, padLeft: spec.padLeft, zeros: at.zeros, band };
    return Array.from({ length: batch }, (_, n) => {
      const image = { x: at.x + 4 * n * C * H * W, dy: at.other + 4 * n * OH * OW * K, y: at.y };
      const split = { splitBy: 'kFrom', grain: COLUMNS } as const;
      return callOf(`conv3x3_dw_s${spec.stride}`, PARAMS, { ...image, ...sizes, kFrom: 0, kTo: K }, split);
    });
  },

  emit(module: ModuleBuilder) {
    for (const stride of [1, 2] as const) {
      module.func(`conv3x3_dw_s${stride}`, PARAMS, (f, p) => emitBands(f, p, stride, module.relaxed));
    }
  },
};

interface Context extends Parameters<typeof PARAMS> {
  f: FunctionBuilder;
  stride: 1 | 2;
  bandFrom: Local<'i32'>;
  bandTo: Local<'i32'>;
  /** The input channel's number and plane, and the first output channel. */
  c: Local<'i32'>;
  plane: Local<'i32'>;
  k: Local<'i32'>;
  /** Output columns from and to which all taps lie inside the picture. */
  insideFrom: Local<'i32'>;
  insideTo: Local<'i32'>;
}

/** Bands of rows, in each of them input channels, output channels, and taps. */
function emitBands(f: FunctionBuilder, p: Parameters<typeof PARAMS>, stride: 1 | 2, relaxed: boolean): void {
  const [bandFrom, bandTo, c, plane, k, insideFrom, insideTo] = f.locals('i32', 7);
  const context: Context = { f, ...p, stride, bandFrom, bandTo, c, plane, k, insideFrom, insideTo };
  f.set(insideFrom, i32.shr_s(i32.add(p.padLeft, stride - 1), stride - 1));
  f.if(i32.gt_s(insideFrom, p.OW), () => f.set(insideFrom, p.OW));
  f.set(insideTo, i32.add(i32.shr_s(i32.sub(i32.add(p.W, p.padLeft), 3), stride - 1), 1));
  f.if(i32.gt_s(insideTo, p.OW), () => f.set(insideTo, p.OW));
  f.if(i32.lt_s(insideTo, insideFrom), () => f.set(insideTo, insideFrom));

  f.for(bandFrom, 0, p.OH, p.band, () => {
    f.set(bandTo, i32.add(bandFrom, p.band));
    f.if(i32.gt_s(bandTo, p.OH), () => f.set(bandTo, p.OH));
    f.set(plane, p.x);
    f.for(c, 0, p.C, 1, () => {
      f.for(k, p.kFrom, p.kTo, COLUMNS, () => {
        for (const taps of relaxed ? RELAXED_TAPS : PLAIN_TAPS) tile(context, taps);
      });
      f.increase(plane, i32.shl(i32.mul(p.H, p.W), 2));
    });
  });
}

/** The band's sums for some taps and eight output channels. */
function tile(context: Context, taps: readonly number[]): void {
  const { f, dy, W, H, OW, K, padTop, padLeft, zeros, stride, bandFrom, bandTo, plane, k } = context;
  const vectors = COLUMNS / 4;
  const sums = taps.map(() => f.locals('v128', vectors));
  const gradients = f.locals('v128', vectors);
  const value = f.local('v128');
  const [row, h, gradientAt, pixelBytes, column] = f.locals('i32', 5);
  const rows = [...new Set(taps.map((tap) => Math.floor(tap / 3)))];
  const pointers = rows.map((r) => ({ r, at: f.local('i32'), step: f.local('i32') }));

  /** One output; at the border every tap asks whether its column exists. */
  const output = (border: boolean): void => {
    for (let v = 0; v < vectors; v++) f.set(gradients[v], v128.load(gradientAt, 16 * v));
    for (const [i, tap] of taps.entries()) {
      const { at } = pointers.find(({ r }) => r === Math.floor(tap / 3))!;
      const multiply = () => {
        f.set(value, v128.load32Splat(at, 4 * (tap % 3)));
        for (let v = 0; v < vectors; v++) f.set(sums[i][v], f.mulAdd(sums[i][v], value, gradients[v]));
      };
      if (border) f.if(i32.lt_u(i32.sub(i32.add(i32.mul(column, stride), tap % 3), padLeft), W), multiply);
      else multiply();
    }
    for (const { at, step } of pointers) f.increase(at, step);
    f.increase(gradientAt, pixelBytes);
    f.increase(column, 1);
  };
  const outputs = (to: Local<'i32'>, border: boolean): void =>
    f.while(
      () => i32.lt_s(column, to),
      () => output(border),
    );

  for (const sum of sums.flat()) f.set(sum, v128.const(0, 0, 0, 0));
  f.set(pixelBytes, i32.shl(K, 2));
  f.for(row, bandFrom, bandTo, 1, () => {
    for (const { r, at, step } of pointers) {
      f.set(h, i32.add(i32.sub(i32.mul(row, stride), padTop), r));
      f.set(at, zeros);
      f.set(step, 0);
      f.if(i32.lt_u(h, H), () => {
        f.set(at, i32.add(plane, i32.shl(i32.sub(i32.mul(h, W), padLeft), 2)));
        f.set(step, 4 * stride);
      });
    }
    f.set(gradientAt, i32.add(dy, i32.shl(i32.add(i32.mul(i32.mul(row, OW), K), k), 2)));
    f.set(column, 0);
    outputs(context.insideFrom, true);
    outputs(context.insideTo, false);
    outputs(OW, true);
  });
  addTo(context, taps, sums);
}

/** Adds the sums of each tap to y [K,C,3,3], a channel in each lane. */
function addTo({ f, y, C, K, c, k }: Context, taps: readonly number[], sums: readonly Local<'v128'>[][]): void {
  const [to, channelBytes] = f.locals('i32', 2);
  f.set(channelBytes, i32.mul(C, 4 * 9));
  f.set(to, i32.add(y, i32.add(i32.mul(k, channelBytes), i32.mul(c, 4 * 9))));
  for (let column = 0; column < COLUMNS; column++) {
    f.if(i32.gt_s(i32.sub(K, k), column), () => {
      for (const [i, tap] of taps.entries()) {
        const sum = f32x4.add(v128.load32Splat(to, 4 * tap), sums[i][column >> 2]);
        f.storeLane('v128.store32_lane', column & 3, to, sum, 4 * tap);
      }
    });
    f.increase(to, channelBytes);
  }
}
