/** Bands of rows change what lies in memory, never a number. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { invertedResidual } from '../../src/layers/inverted-residual.js';
import { NONE, operandsOf } from '../../src/layers/kernel.js';
import { findKernel } from '../../src/layers/kernels.js';
import type { InvertedResidualSpec, Spec } from '../../src/layers/spec.js';
import { MobileNetV2Config } from '../../src/models/mobilenet-v2/config.js';
import { MobileNetV2ForImageClassification } from '../../src/models/mobilenet-v2/image-classification.js';
import { MobileNetV2ForSemanticSegmentation } from '../../src/models/mobilenet-v2/semantic-segmentation.js';
import { pieces, scratchSizes } from '../../src/runtime/compile/bands.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { waves } from '../helpers/waves.js';

const wave = (size: number, step: number) => waves(size, step, step);

const sizes = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  height: fc.integer({ min: 1, max: 20 }),
  width: fc.integer({ min: 1, max: 6 }),
  bandRows: fc.integer({ min: 1, max: 6 }),
  stride: fc.constantFrom(1 as const, 2 as const),
  dilation: fc.integer({ min: 1, max: 3 }),
  padTop: fc.integer({ min: 0, max: 3 }),
  residual: fc.boolean(),
});

describe('pieces of a block', () => {
  it.each(['reference', 'js'] as const)('together they are the whole of it (%s)', (engine) => {
    fc.assert(
      fc.property(sizes, ({ batch, height, width, bandRows, stride, dilation: wanted, padTop, residual: add }) => {
        const dilation = stride === 2 ? 1 : wanted;
        const [inChannels, channels, outChannels] = [3, 5, 3];
        const outHeight = Math.ceil(height / stride);
        const outWidth = Math.ceil(width / stride);
        const residual = add && stride === 1;
        const pad = Math.min(padTop, dilation);
        const shared = { batch, biasPerImage: false, op: 'pointwise', dtype: 'f32' } as const;
        const spec: InvertedResidualSpec = {
          op: 'inverted_residual',
          bandRows,
          widen: {
            ...shared,
            ...{ pixels: height * width, inChannels, outChannels: channels, residual: false, activation: 'relu6' },
          },
          filter: {
            ...{
              op: 'depthwise3x3',
              dtype: 'f32',
              batch,
              inHeight: height,
              inWidth: width,
              channels,
              outHeight,
              outWidth,
            },
            ...{ stride, dilation, padTop: pad, padLeft: pad, activation: 'relu6' },
          },
          project: {
            ...shared,
            ...{ pixels: outHeight * outWidth, inChannels: channels, outChannels, residual, activation: 'none' },
          },
        };
        const weights = {
          widen: { weights: wave(channels * inChannels, 1.3), bias: wave(channels, 0.7) },
          filter: { weights: wave(channels * 9, 2.1), bias: wave(channels, 1.9) },
          project: { weights: wave(outChannels * channels, 0.9), bias: wave(outChannels, 0.4) },
        };
        const x = wave(batch * height * width * inChannels, 1.7);

        const scratch = scratchSizes(spec);
        const ring = new Float32Array(scratch.ring).fill(Number.NaN);
        const band = new Float32Array(scratch.band).fill(Number.NaN);
        const y = new Float32Array(batch * outHeight * outWidth * outChannels).fill(Number.NaN);
        const from = { widen: x, filter: ring, project: band };
        const to = { widen: ring, filter: band, project: y };
        for (const piece of pieces(spec)) {
          const { of } = piece;
          const own = piece.spec as Spec; // of real numbers, as the block is
          const kernel = findKernel(own, [engine]);
          const packed = kernel.pack(own, weights[of].weights);
          const added = of === 'project' && residual ? x.subarray(piece.y) : NONE;
          const [input, output] = [from[of].subarray(piece.x), to[of].subarray(piece.y)];
          const operands = { x: input, weights: packed, bias: weights[of].bias, residual: added, y: output };
          kernel.run(own, operandsOf(operands));
        }

        const whole = invertedResidual(
          {
            ...{ batch, height, width, inChannels, expandedChannels: channels, outChannels, outHeight, outWidth },
            ...{ stride, dilation, padTop: pad, padLeft: pad, activation: 'relu6', residual },
            ...{ expand: weights.widen, depthwise: weights.filter, project: weights.project },
          },
          x,
        );
        for (const [i, value] of whole.entries()) expect(Math.abs(y[i] - value)).toBeLessThan(1e-5);
      }),
      { numRuns: 300 },
    );
  });
});

describe('memory: low', () => {
  const config = { depth_multiplier: 0.5, initializer_range: 0.2 };
  const classes = { num_labels: 7, ...config };

  it.each([
    ['classification', 'wasm', [1, 3, 224, 224]],
    ['classification', 'js', [2, 3, 161, 224]],
    ['segmentation', 'wasm', [2, 3, 257, 160]],
    ['segmentation', 'js', [1, 3, 193, 129]],
  ] as const)('%s on %s gives the same bits', async (task, device, dims) => {
    const Model = task === 'classification' ? MobileNetV2ForImageClassification : MobileNetV2ForSemanticSegmentation;
    const size = dims[0] * dims[1] * dims[2] * dims[3];
    const pixel_values = new Tensor('float32', wave(size, 0.37), dims);
    const make = (memory: 'fast' | 'low', on: 'js' | 'wasm' = device) =>
      new Model(new MobileNetV2Config({ ...classes, output_stride: 16 }), { seed: 3, device: on, memory });
    const [fast, low] = [make('fast'), make('low')];
    const options = { pixel_values, output_hidden_states: [1, 5] };
    const [expected, actual] = [await fast(options), await low(options)];
    expect(actual.logits.data).toEqual(expected.logits.data);
    expect(actual.hidden_states!.map(({ data }) => data)).toEqual(expected.hidden_states!.map(({ data }) => data));
    // One thread of the wasm engine has its widest blocks in bands anyway, the js engine none of these.
    const apart = make('fast', 'js').plan(dims);
    expect(low.plan(dims).arenaBytes).toBeLessThan(apart.arenaBytes / 2);
    expect(low.plan(dims).multiplyAdds).toBe(fast.plan(dims).multiplyAdds);
  });

  it('needs 1.7 MB at 224', () => {
    const model = new MobileNetV2ForImageClassification(new MobileNetV2Config({}), { memory: 'low' });
    const plan = model.plan([1, 3, 224, 224]);
    expect(plan.arenaBytes).toBeLessThanOrEqual(1.7e6);
    expect(plan.steps.some(({ spec }) => spec.op === 'inverted_residual')).toBe(true);
  });

  it('refuses other words', () => {
    expect(
      () => new MobileNetV2ForImageClassification(new MobileNetV2Config({}), { memory: 'tiny' as 'low' }),
    ).toThrowError(/memory: expected 'fast' or 'low', got "?tiny/);
  });
});
