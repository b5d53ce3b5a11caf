/** The kernels of training, as ../kernels.ts has those of networks that run. Only who trains loads them. */
import type { Kernel, PlainKernel, WasmKernel } from '../kernel.js';
import { firstKernel } from '../kernels.js';
import { activationDxJs } from './activation/js.js';
import { activationDx } from './activation/plain.js';
import { activationDxWasm } from './activation/wasm.js';
import { channelSum } from './channel-sum/plain.js';
import { channelSumWasm } from './channel-sum/wasm.js';
import { conv3x3DwJs } from './conv3x3-dw/js.js';
import { conv3x3DwReference } from './conv3x3-dw/reference.js';
import { conv3x3DwWasm } from './conv3x3-dw/wasm.js';
import { conv3x3DxJs } from './conv3x3-dx/js.js';
import { conv3x3DxReference } from './conv3x3-dx/reference.js';
import { depthwiseDwJs } from './depthwise-dw/js.js';
import { depthwiseDwReference } from './depthwise-dw/reference.js';
import { depthwiseDwWasm } from './depthwise-dw/wasm.js';
import { depthwiseDxJs } from './depthwise-dx/js.js';
import { depthwiseDxReference } from './depthwise-dx/reference.js';
import { depthwiseDxWasm } from './depthwise-dx/wasm.js';
import { dropout } from './dropout/plain.js';
import { dropoutWasm } from './dropout/wasm.js';
import { normDw, normDxWeights, normMomentsJoin, normScale, normSumsJoin } from './norm/coefficients.js';
import { foldDgamma, foldDw } from './norm/fold.js';
import { foldDgammaWasm, foldDwWasm } from './norm/fold-wasm.js';
import { channelSumJs, normDxJs, normMomentsJs, normSumsJs, scaleShiftJs } from './norm/js.js';
import { normDx, normMoments, normSums, scaleShift } from './norm/plain.js';
import { normDxWasm, normMomentsWasm, normSumsWasm, scaleShiftWasm } from './norm/wasm.js';
import { adam, rmsprop, sgd } from './optimizers/plain.js';
import { adamWasm, rmspropWasm, sgdWasm } from './optimizers/wasm.js';
import { pointwiseDwJs } from './pointwise-dw/js.js';
import { pointwiseDwReference } from './pointwise-dw/reference.js';
import { pointwiseDwWasm } from './pointwise-dw/wasm.js';
import { pointwiseDxJs } from './pointwise-dx/js.js';
import { pointwiseDxReference } from './pointwise-dx/reference.js';
import { pointwiseDxWasm } from './pointwise-dx/wasm.js';
import { averagePoolDx } from './pool/plain.js';
import { averagePoolDxWasm } from './pool/wasm.js';
import { resizeBilinearDx } from './resize/plain.js';
import { sliceChannels } from './slice/plain.js';
import { sliceChannelsWasm } from './slice/wasm.js';
import type { TrainingSpec } from './spec.js';
import { sumOfSquares } from './sum-of-squares/plain.js';
import { sumOfSquaresWasm } from './sum-of-squares/wasm.js';

/** One plain loop for both engines. */
const PLAIN: readonly PlainKernel<TrainingSpec>[] = [
  conv3x3DwReference,
  conv3x3DxReference,
  depthwiseDwReference,
  depthwiseDxReference,
  pointwiseDwReference,
  pointwiseDxReference,
  channelSum,
  activationDx,
  normMoments,
  scaleShift,
  normSums,
  normDx,
  normMomentsJoin,
  normSumsJoin,
  normScale,
  normDw,
  normDxWeights,
  foldDw,
  foldDgamma,
  averagePoolDx,
  resizeBilinearDx,
  sliceChannels,
  dropout,
  sumOfSquares,
  sgd,
  rmsprop,
  adam,
];

export const TRAINING_KERNELS: readonly Kernel<TrainingSpec>[] = [
  ...PLAIN.map((kernel) => ({ ...kernel, engine: 'reference' }) as const),

  conv3x3DwJs,
  conv3x3DxJs,
  depthwiseDwJs,
  depthwiseDxJs,
  pointwiseDwJs,
  pointwiseDxJs,
  activationDxJs,
  channelSumJs,
  normMomentsJs,
  normSumsJs,
  normDxJs,
  scaleShiftJs,
  ...PLAIN.map((kernel) => ({ ...kernel, engine: 'js' }) as const),
];

/** What no kernel here supports is computed by the js kernels on the same memory. */
export const TRAINING_WASM_KERNELS: readonly WasmKernel<TrainingSpec>[] = [
  conv3x3DwWasm,
  depthwiseDwWasm,
  depthwiseDxWasm,
  pointwiseDwWasm,
  pointwiseDxWasm,
  channelSumWasm,
  activationDxWasm,
  normMomentsWasm,
  scaleShiftWasm,
  normSumsWasm,
  normDxWasm,
  foldDwWasm,
  foldDgammaWasm,
  averagePoolDxWasm,
  sliceChannelsWasm,
  dropoutWasm,
  sumOfSquaresWasm,
  sgdWasm,
  rmspropWasm,
  adamWasm,
];

/** The emitted kernel that can do this; undefined where no kernel can. */
export const findTrainingWasmKernel = (spec: TrainingSpec): WasmKernel<TrainingSpec> | undefined =>
  TRAINING_WASM_KERNELS.find((kernel) => kernel.op === spec.op && kernel.supports(spec));

/** The first kernel that can do this, of the first engine that has one. Throws UNSUPPORTED when none can. */
export const findTrainingKernel = (spec: TrainingSpec, engines: readonly Kernel['engine'][]): Kernel<TrainingSpec> =>
  firstKernel(engines, spec, (engine) =>
    TRAINING_KERNELS.find((kernel) => kernel.engine === engine && kernel.op === spec.op && kernel.supports(spec)),
  );
