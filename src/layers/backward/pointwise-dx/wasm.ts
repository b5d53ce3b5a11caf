/**
 * Gradient of a 1×1 convolution's input in SIMD: a 1×1 convolution of dY with the weights transposed (../../pointwise/wasm.ts). Its
 * input mostly came out of a clamp, whose derivative is taken as a result is stored: a pass over it less.
 */
import { i32, type ModuleBuilder, typed, v128 } from '../../../tensor/wasm/assembler.js';
import type { WasmKernel } from '../../kernel.js';
import { emitPointwise, PANEL, POINTWISE_PARAMS, panelWidth, pointwiseWasm } from '../../pointwise/wasm.js';
import { maskBound, passed } from '../mask.js';
import type { PointwiseDxSpec } from '../spec.js';
import { forward } from './forward.js';

/** As of the convolution, where `hi` is the clamp's bound; `toMask`: bytes from a result to the value that its clamp gave. */
const PARAMS = { ...POINTWISE_PARAMS, ...typed('i32', 'toMask') };
const MASKED = 'pointwise_dx_masked';

export const pointwiseDxWasm: WasmKernel<PointwiseDxSpec> = {
  op: 'pointwise_dx',
  engine: 'wasm',
  supports: () => true,

  /** [K,C] → panels [K][16] of 16 input channels as the convolution has them, and after them a bias of zeros. */
  pack({ inChannels: C, outChannels: K }, weights, scale = null, room = (length) => new Float32Array(length)) {
    const packed = room(packedLength(C, K) + C);
    let to = 0;
    for (let c = 0; c < C; c += PANEL) {
      const width = panelWidth(c, C);
      const there = Math.min(width, C - c);
      for (let k = 0; k < K; k++) {
        const factor = scale?.[k] ?? 1;
        const from = k * C + c;
        for (let i = 0; i < there; i++) packed[to + i] = weights[from + i] * factor;
        if (there < width) packed.fill(0, to + there, to + width); // a call for each k would take as long as the rest
        to += width;
      }
    }
    packed.fill(0, to);
    return packed;
  },

  calls(spec, at) {
    const { inChannels: C, outChannels: K, mask } = spec;
    const calls = pointwiseWasm.calls(forward(spec), { ...at, bias: at.weights + 4 * packedLength(C, K) });
    if (mask === 'none') return calls;
    const bound = Object.keys(PARAMS).indexOf('hi');
    return calls.map(({ args, split }) => ({
      name: MASKED,
      args: [...args.map((value, i) => (i === bound ? maskBound(mask) : value)), at.other - at.y],
      split,
    }));
  },

  emit(module: ModuleBuilder) {
    module.func(MASKED, PARAMS, (f, p) => {
      const through = passed(f, p.hi);
      emitPointwise(f, p, module.relaxed, (sum, to, offset) => through(sum, v128.load(i32.add(to, p.toMask), offset)));
    });
  },
};

/** Numbers of all panels. */
function packedLength(C: number, K: number): number {
  const last = Math.floor((C - 1) / PANEL) * PANEL;
  return K * (last + panelWidth(last, C));
}
