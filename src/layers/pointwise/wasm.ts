/**
 * 1×1 convolution as a matrix product in SIMD. Weights are packed in panels of 16 output channels; a register tile of
 * 2 pixels by 16 channels keeps eight sums and walks down C once, reading four vectors of weights and two pixels a step.
 */
import { type FunctionBuilder, f32x4, i32, type Local, type ModuleBuilder, v128 } from '../../tensor/wasm/assembler.js';
import { clampBounds, type PointwiseSpec, type WasmKernel } from '../spec.js';
import { clamp, storeLanes } from '../wasm-store.js';

/** Output channels of a panel. */
const PANEL = 16;
/** A last panel of at most this many channels is packed half as wide. */
const HALF = 8;
/** Bytes of pixels that one round over all panels reads again and again: half of a small first-level cache. */
const BLOCK_BYTES = 16 * 1024;

/** Where panel `column` begins and how wide it is. */
const panelWidth = (column: number, channels: number): number => (channels - column <= HALF ? HALF : PANEL);

const PARAMS = [
  ...['i32', 'i32', 'i32', 'i32', 'i32'], // x, w, bias, residual (0 for none), y
  ...['i32', 'i32', 'i32'], // C, K, pixels in a block
  ...['f32', 'f32'], // bounds of the activation
  ...['i32', 'i32', 'i32', 'i32'], // pixels from, to; channels from, to (multiples of a panel, or K)
] as const;

export const pointwiseWasm: WasmKernel<PointwiseSpec> = {
  op: 'pointwise',
  engine: 'wasm',
  supports: () => true,

  /** [K,C] → panels [C][16], the last one [C][8] where that is enough; missing channels are zero. */
  pack({ inChannels: C, outChannels: K }, weights) {
    const panels: number[] = [];
    for (let column = 0; column < K; column += PANEL) panels.push(panelWidth(column, K));
    const packed = new Float32Array(C * panels.reduce((sum, width) => sum + width, 0));
    let to = 0;
    for (const [panel, width] of panels.entries()) {
      for (let c = 0; c < C; c++) {
        for (let lane = 0; lane < width; lane++, to++) {
          const k = panel * PANEL + lane;
          if (k < K) packed[to] = weights[k * C + c];
        }
      }
    }
    return packed;
  },

  calls(spec, at) {
    const { batch, pixels, inChannels: C, outChannels: K } = spec;
    const { lo, hi } = clampBounds(spec.activation);
    const block = Math.max(4, Math.floor(BLOCK_BYTES / (4 * C) / 4) * 4);
    // Pixels of all images are one long list, unless every image brings a bias of its own.
    const images = spec.biasPerImage ? batch : 1;
    const rows = spec.biasPerImage ? pixels : batch * pixels;
    return Array.from({ length: images }, (_, n) => {
      const x = at.x + 4 * n * rows * C;
      const y = at.y + 4 * n * rows * K;
      const residual = spec.residual ? at.residual + 4 * n * rows * K : 0;
      const bias = at.bias + 4 * n * K * Number(spec.biasPerImage);
      const args = [x, at.weights, bias, residual, y, C, K, block, lo, hi, 0, rows, 0, K];
      // Few pixels: threads share the channels instead.
      if (rows < 8) return { name: 'pointwise', args, split: { at: 12, total: K, grain: PANEL } };
      return { name: 'pointwise', args, split: { at: 10, total: rows, grain: 4 } };
    });
  },

  emit(module: ModuleBuilder) {
    module.func(
      'pointwise',
      PARAMS,
      (f, x, w, bias, residual, y, C, K, block, lo, hi, rowFrom, rowTo, colFrom, colTo) => {
        const rowBytes = f.local('i32');
        const outBytes = f.local('i32');
        const low = f.local('v128');
        const high = f.local('v128');
        f.set(rowBytes, i32.shl(C, 2));
        f.set(outBytes, i32.shl(K, 2));
        f.set(low, f32x4.splat(lo));
        f.set(high, f32x4.splat(hi));

        const blockFrom = f.local('i32');
        const blockTo = f.local('i32');
        const column = f.local('i32');
        const left = f.local('i32');
        const panel = f.local('i32');
        const row = f.local('i32');
        const context = { f, x, bias, residual, y, C, rowBytes, outBytes, low, high, column, panel, row, left };
        f.for(blockFrom, rowFrom, rowTo, block, () => {
          f.set(blockTo, i32.add(blockFrom, block));
          f.if(i32.gt_s(blockTo, rowTo), () => f.set(blockTo, rowTo));
          f.set(panel, i32.add(w, i32.mul(colFrom, rowBytes)));
          f.for(column, colFrom, colTo, PANEL, () => {
            f.set(left, i32.sub(K, column));
            f.set(row, blockFrom);
            const tiles = (height: number, vectors: number) => {
              f.while(
                () => i32.le_s(i32.add(row, height), blockTo),
                () => {
                  tile(context, height, vectors);
                  f.increase(row, height);
                },
              );
            };
            f.if(
              i32.gt_s(left, HALF),
              () => {
                tiles(2, PANEL / 4);
                tiles(1, PANEL / 4);
              },
              () => {
                tiles(4, HALF / 4);
                tiles(1, HALF / 4);
              },
            );
            f.increase(panel, i32.mul(rowBytes, PANEL));
          });
        });
      },
    );
  },
};

interface Context {
  f: FunctionBuilder;
  x: Local<'i32'>;
  bias: Local<'i32'>;
  residual: Local<'i32'>;
  y: Local<'i32'>;
  C: Local<'i32'>;
  rowBytes: Local<'i32'>;
  outBytes: Local<'i32'>;
  low: Local<'v128'>;
  high: Local<'v128'>;
  column: Local<'i32'>;
  panel: Local<'i32'>;
  row: Local<'i32'>;
  left: Local<'i32'>;
}

/** `height` pixels by `vectors`·4 channels at (row, column). */
function tile(context: Context, height: number, vectors: number): void {
  const { f, x, bias, residual, y, C, rowBytes, outBytes, low, high, column, panel, row, left } = context;
  const sums = Array.from({ length: height }, () => f.locals('v128', vectors));
  const weights = f.locals('v128', vectors);
  const pixel = f.local('v128');
  const pixelAt = f.locals('i32', height);
  const weightAt = f.local('i32');
  const rest = f.local('i32');
  const offset = f.local('i32');

  f.set(offset, i32.add(bias, i32.shl(column, 2)));
  for (let v = 0; v < vectors; v++) f.set(sums[0][v], v128.load(offset, 16 * v));
  for (let r = 1; r < height; r++) for (let v = 0; v < vectors; v++) f.set(sums[r][v], sums[0][v]);
  f.set(pixelAt[0], i32.add(x, i32.mul(row, rowBytes)));
  for (let r = 1; r < height; r++) f.set(pixelAt[r], i32.add(pixelAt[r - 1], rowBytes));
  f.set(weightAt, panel);
  f.set(rest, C);
  f.loop((again) => {
    for (let v = 0; v < vectors; v++) f.set(weights[v], v128.load(weightAt, 16 * v));
    for (let r = 0; r < height; r++) {
      f.set(pixel, v128.load32Splat(pixelAt[r]));
      for (let v = 0; v < vectors; v++) f.set(sums[r][v], f32x4.add(sums[r][v], f32x4.mul(pixel, weights[v])));
      f.increase(pixelAt[r], 4);
    }
    f.increase(weightAt, 16 * vectors);
    f.set(rest, i32.sub(rest, 1));
    f.branchIf(again, rest);
  });

  f.set(offset, i32.add(i32.mul(row, outBytes), i32.shl(column, 2)));
  f.if(residual, () => {
    const from = f.local('i32');
    f.set(from, i32.add(residual, offset));
    for (let r = 0; r < height; r++) {
      // May read past the row's end: those lanes are not stored, and memory has slack behind the last buffer.
      for (let v = 0; v < vectors; v++) f.set(sums[r][v], f32x4.add(sums[r][v], v128.load(from, 16 * v)));
      f.increase(from, outBytes);
    }
  });
  const to = f.local('i32');
  f.set(to, i32.add(y, offset));
  for (let r = 0; r < height; r++) {
    const clamped = sums[r].map((sum) => clamp(sum, low, high));
    storeLanes(f, to, clamped, left);
    f.increase(to, outBytes);
  }
}
