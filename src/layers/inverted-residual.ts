/**
 * The inverted residual block with a linear bottleneck, the building block of MobileNetV2 (Sandler et al. 2018,
 * https://arxiv.org/abs/1801.04381, section 3, figures 3b and 4d, table 1), written as three convolutions in a row:
 *
 *     x [H,W,C] ─ 1×1, ReLU6 ─► [H,W,tC] ─ 3×3 depthwise, stride s, ReLU6 ─► [H/s,W/s,tC] ─ 1×1 ─► y [H/s,W/s,K]
 *     └──────────────────────────────────── + , if s = 1 and C = K ────────────────────────────────────┘
 *
 * A classical residual block is wide at its ends and narrow in the middle; this one is the inverse. Filtering happens
 * in a wide space of t·C channels (t = 6), where a depthwise convolution is cheap, and what is passed on and added is
 * the narrow bottleneck. The last convolution has no activation: ReLU destroys what it cuts off, and in a narrow space
 * there is no second channel that still holds it (section 3.2).
 *
 * Batch norms are folded into the weights (batch-norm/fold.ts). This is the text to read and the oracle for kernels that do
 * the three convolutions in one go; a planned network runs them as steps of its own.
 */
import { depthwiseReference } from './depthwise/reference.js';
import { operandsOf } from './kernel.js';
import { pointwiseReference } from './pointwise/reference.js';
import type { FusedActivation } from './spec.js';

/** A convolution with its batch norm folded in. */
export interface FoldedConvolution {
  weights: Float32Array;
  /** One number for each output channel. */
  bias: Float32Array;
}

export interface InvertedResidual {
  batch: number;
  height: number;
  width: number;
  inChannels: number;
  /** t·C: the width of the middle. */
  expandedChannels: number;
  outChannels: number;
  outHeight: number;
  outWidth: number;
  stride: 1 | 2;
  dilation: number;
  /** Rows and columns of zeros before the depthwise convolution's input. */
  padTop: number;
  padLeft: number;
  /** After expansion and depthwise convolution; ReLU6 in the paper. */
  activation: FusedActivation;
  /** Whether the input is added to the output: only where stride is 1 and inChannels = outChannels. */
  residual: boolean;

  /** [tC,C]; undefined for t = 1, the first block, where there is nothing to expand. */
  expand?: FoldedConvolution | undefined;
  /** [tC,1,3,3] */
  depthwise: FoldedConvolution;
  /** [K,tC] */
  project: FoldedConvolution;
}

/** x [N,H,W,C] → y [N,OH,OW,K], a new array. */
export function invertedResidual(block: InvertedResidual, x: Float32Array): Float32Array {
  const { batch, height, width, outHeight, outWidth, activation } = block;

  let expanded = x;
  if (block.expand !== undefined) {
    expanded = new Float32Array(batch * height * width * block.expandedChannels);
    pointwiseReference.run(
      {
        op: 'pointwise',
        dtype: 'f32',
        batch,
        pixels: height * width,
        inChannels: block.inChannels,
        outChannels: block.expandedChannels,
        biasPerImage: false,
        residual: false,
        activation,
      },
      operandsOf({ x, ...block.expand, y: expanded }),
    );
  }

  const filtered = new Float32Array(batch * outHeight * outWidth * block.expandedChannels);
  depthwiseReference.run(
    {
      op: 'depthwise3x3',
      dtype: 'f32',
      batch,
      inHeight: height,
      inWidth: width,
      channels: block.expandedChannels,
      outHeight,
      outWidth,
      stride: block.stride,
      dilation: block.dilation,
      padTop: block.padTop,
      padLeft: block.padLeft,
      activation,
    },
    operandsOf({ x: expanded, ...block.depthwise, y: filtered }),
  );

  const y = new Float32Array(batch * outHeight * outWidth * block.outChannels);
  pointwiseReference.run(
    {
      op: 'pointwise',
      dtype: 'f32',
      batch,
      pixels: outHeight * outWidth,
      inChannels: block.expandedChannels,
      outChannels: block.outChannels,
      biasPerImage: false,
      residual: block.residual,
      activation: 'none',
    },
    operandsOf({ x: filtered, ...block.project, ...(block.residual && { residual: x }), y }),
  );
  return y;
}
