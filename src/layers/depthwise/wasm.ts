/**
 * 3×3 depthwise convolution in SIMD, four channels at a time, nine vectors of weights in registers (strips.ts).
 *
 * 56×56×16 runs at 17.3 GMAC/s, of a peak of 25.9: a minimum and a maximum for nine multiply-adds take the same ports (19.8
 * without). Two rows of output at a time, which share reads, were no faster.
 */
import {
  type Expr,
  type FunctionBuilder,
  f32x4,
  type ModuleBuilder,
  type Parameters,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { callOf, scaled, type WasmKernel } from '../kernel.js';
import { clampBounds, type DepthwiseSpec } from '../spec.js';
import { clamp } from '../wasm-vectors.js';
import { type Elements, emitStrips, groups, inStrips, LANES, STRIP_PARAMS, stripSizes } from './strips.js';

const BYTES = Float32Array.BYTES_PER_ELEMENT;

const PARAMS = { ...STRIP_PARAMS, ...typed('f32', 'lo', 'hi') };

export const depthwiseWasm: WasmKernel<DepthwiseSpec> = {
  op: 'depthwise3x3',
  engine: 'wasm',
  supports: inStrips,

  /** [C,1,3,3] → [groups of channels][9][4] */
  pack({ channels: C }, unscaled, scale = null) {
    const weights = scaled(unscaled, scale);
    const packed = new Float32Array(Math.ceil(C / LANES) * 9 * LANES);
    let to = 0;
    for (const group of groups(C)) {
      for (let tap = 0; tap < 9; tap++) {
        for (let lane = 0; lane < LANES; lane++) packed[to++] = weights[(group + lane) * 9 + tap];
      }
    }
    return packed;
  },

  calls(spec, at) {
    const { batch, inHeight: H, inWidth: W, channels: C, outHeight: OH, outWidth: OW, stride } = spec;
    const sizes = { ...stripSizes(spec, BYTES, at.zeros), ...clampBounds(spec.activation) };
    return Array.from({ length: batch }, (_, n) => {
      const image = { x: at.x + BYTES * n * H * W * C, y: at.y + BYTES * n * OH * OW * C };
      const args = { ...sizes, ...image, w: at.weights, bias: at.bias };
      return callOf(`depthwise3x3_s${stride}`, PARAMS, args, { splitBy: 'rowFrom', grain: 1 });
    });
  },

  emit(module: ModuleBuilder) {
    for (const stride of [1, 2] as const) {
      module.func(`depthwise3x3_s${stride}`, PARAMS, (f, p) => emitStrips(f, p, stride, float32(f, p)));
    }
  },
};

function float32(f: FunctionBuilder, { lo, hi }: Parameters<typeof PARAMS>): Elements {
  const [low, high] = f.locals('v128', 2);
  f.set(low, f32x4.splat(lo));
  f.set(high, f32x4.splat(hi));
  return {
    shift: 2,
    weightVectors: 9,
    load: (rows) => rows.map((at) => v128.load(at)),
    add: (sum, pixels, weights, s) =>
      pixels.reduce<Expr<'v128'>>((all, pixel, r) => f.mulAdd(all, pixel, weights[3 * r + s]), sum),
    store: (address, sum) => f.store('v128.store', address, clamp(sum, low, high)),
  };
}
